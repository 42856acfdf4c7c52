// Package office converts office documents with LibreOffice: in workers that hold one open, and by its command line where
// those do not know the pair or cannot be had. LibreOffice runs fenced in, without a network, and follows no links.
package office

import (
	"context"
	"errors"
	"os"
	"regexp"
	"time"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is LibreOffice. It is safe for concurrent use.
type Engine struct {
	box     *toolbox.Box
	soffice toolbox.Tool
	program string        // the folder of LibreOffice's libraries
	pool    *toolbox.Pool // nil where there is only the command line
	calc    window
	silence time.Duration // how long a worker may go without a sign of life
}

// New returns the engine, or nil where LibreOffice is not installed. Its workers are this program started anew: a program
// that uses it calls lok.Main when its first argument is lok.Argument.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	soffice, found := box.Find(ctx, toolbox.Program{
		Name: "LibreOffice", Files: []string{"soffice", "libreoffice"}, Version: regexp.MustCompile(`LibreOffice (\d[\d.]*)`),
	})
	if !found {
		return nil
	}
	e := &Engine{box: box, soffice: soffice, program: libraries(soffice), silence: silence}
	if self, err := os.Executable(); err == nil && e.program != "" {
		e.calc = calcWindow(box, e.program)
		e.pool = newPool(box, self, e.program, e.calc)
		box.Defer(e.pool.Close)
	}
	return e
}

// Name is "libreoffice".
func (*Engine) Name() string { return "libreoffice" }

// Version is that of LibreOffice.
func (e *Engine) Version() string { return e.soffice.Version }

// Pairs lists what LibreOffice reads and writes of the formats that Detect knows.
func (*Engine) Pairs() []convert.Pair { return pairs() }

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	from := sources[job.From]
	to := targets[from.kind][job.To]
	if e.pool == nil || from.alone || to.kit == "" || from.kind == sheet && !e.calc.opens {
		return e.command(ctx, job)
	}
	err := e.pooled(ctx, job, to)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errElsewhere), errors.Is(err, toolbox.ErrNotStarted),
		errors.Is(err, toolbox.ErrDied) && from.kind == sheet && e.calc.lent != "": // it may have missed more of the window
		return e.command(ctx, job)
	}
	if err != nil {
		return nil, err
	}
	return []string{job.Out()}, nil
}
