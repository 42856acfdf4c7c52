package pdftools

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Ghostscript makes PDFs of PostScript. PostScript is a programming language, and what a file of it does is not known before:
// it runs only behind a fence, where it reads and writes nothing but its own file and output.
type Ghostscript struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

// NewGhostscript returns the engine, or nil unless the program is there and a fence works here.
func NewGhostscript(ctx context.Context, box *toolbox.Box) *Ghostscript {
	if box.Kind() == toolbox.Unsandboxed || box.Kind() == toolbox.Refused {
		return nil
	}
	tool, ok := box.Find(ctx, toolbox.Program{
		Name: "ghostscript", Files: []string{"gs"}, Version: regexp.MustCompile(`^(\d+\.[\d.]+)`),
	})
	if !ok {
		return nil
	}
	return &Ghostscript{box, tool}
}

// Name is "ghostscript".
func (*Ghostscript) Name() string { return "ghostscript" }

// Version is that of the program.
func (g *Ghostscript) Version() string { return g.tool.Version }

// Pairs lists ps and eps to pdf.
func (*Ghostscript) Pairs() []convert.Pair {
	return []convert.Pair{{From: "ps", To: "pdf"}, {From: "eps", To: "pdf"}}
}

// Convert implements convert.Engine.
func (g *Ghostscript) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	args := []string{"-sDEVICE=pdfwrite"}
	if job.From == "eps" {
		args = append(args, "-dEPSCrop")
	}
	if err := g.write(ctx, job.In, job.Out(), args...); err != nil {
		return nil, err
	}
	return []string{job.Out()}, nil
}

// Profile is for what a PDF is made smaller.
type Profile string

// The profiles, from the smallest file to the best pictures.
const (
	ProfileScreen  Profile = "screen"  // 72 dots per inch
	ProfileEbook   Profile = "ebook"   // 150
	ProfilePrinter Profile = "printer" // 300
)

// Shrink writes the PDF in as out, with pictures no finer than the profile needs. It pays on scans, not on text.
func (g *Ghostscript) Shrink(ctx context.Context, in, out string, profile Profile) error {
	return g.write(ctx, in, out, "-sDEVICE=pdfwrite", "-dPDFSETTINGS=/"+string(profile))
}

// maxGhostscript bounds a program that need not end.
const maxGhostscript = 10 * time.Minute

func (g *Ghostscript) write(ctx context.Context, in, out string, args ...string) error {
	c := g.box.Command(g.tool, filepath.Dir(out))
	c.Args = append([]string{"-dSAFER", "-dBATCH", "-dNOPAUSE", "-q"}, args...)
	c.Args = append(c.Args, "-sOutputFile="+strings.ReplaceAll(c.Path(out), "%", "%%"), "-f", c.In(in))
	c.Bounds.Wall = maxGhostscript
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(outcome.Messages, "password") {
		return engine.Errorf(engine.Invalid, "The PDF is protected by a password: remove it with pdf/decrypt first.")
	}
	if err := outcome.Err(); err != nil {
		return engine.Wrap(err, engine.Invalid, "The file is damaged, or it asks for what is not allowed.")
	}
	return nil
}
