// Package office converts office documents with LibreOffice: in workers that hold one open, and by its command line where
// those do not know the pair or cannot be had. LibreOffice runs fenced in, without a network, and follows no links.
package office

import (
	"context"
	"regexp"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is LibreOffice. It is safe for concurrent use.
type Engine struct {
	box     *toolbox.Box
	soffice toolbox.Tool
}

// New returns the engine, or nil where LibreOffice is not installed.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	soffice, found := box.Find(ctx, toolbox.Program{
		Name: "LibreOffice", Files: []string{"soffice", "libreoffice"}, Version: regexp.MustCompile(`LibreOffice (\d[\d.]*)`),
	})
	if !found {
		return nil
	}
	return &Engine{box: box, soffice: soffice}
}

// Name is "libreoffice".
func (*Engine) Name() string { return "libreoffice" }

// Version is that of LibreOffice.
func (e *Engine) Version() string { return e.soffice.Version }

// Pairs lists what LibreOffice reads and writes of the formats that Detect knows.
func (*Engine) Pairs() []convert.Pair { return pairs() }

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	return e.command(ctx, job)
}
