// Package pdftools converts PDF and PostScript with programs that are installed: poppler, MuPDF and Ghostscript.
package pdftools

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Unlock writes the PDF in without its password as out. The programs take a password only on their command line, where
// every user of the machine sees it.
type Unlock func(ctx context.Context, in, out string, password param.Secret) error

// apply replaces the job's input if the job has a password.
func (u Unlock) apply(ctx context.Context, job *convert.Job) error {
	if job.Options.Password == "" {
		return nil
	}
	out := filepath.Join(job.Dir, "unlocked.pdf")
	err := u(ctx, job.In, out, job.Options.Password)
	job.In = out
	return err
}

// wall is the time for the pages of one document that follow each other. A few lines of a PDF can ask for days of drawing.
const wall = 30 * time.Minute

// run runs a program over a PDF; what it complains about is the file's fault.
func run(ctx context.Context, c *toolbox.Command) error {
	c.Bounds.Wall = wall
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(outcome.Messages, "Incorrect password") {
		return engine.Errorf(engine.Invalid, "The PDF is protected by a password: give it as the parameter password.")
	}
	if err := outcome.Err(); err != nil {
		return engine.Wrap(err, engine.Invalid, "The PDF is damaged or of a kind that cannot be read.")
	}
	return nil
}
