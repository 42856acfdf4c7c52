// Package office converts office documents with LibreOffice: in workers that hold one open, and by its command line where
// those do not know the pair or cannot be had. LibreOffice runs fenced in, without a network, and follows no links.
package office

import (
	"context"
	"errors"
	"regexp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is LibreOffice. It is safe for concurrent use. Close it after use.
type Engine struct {
	box     *toolbox.Box
	soffice toolbox.Tool
	workers *workers // nil where there is only the command line
}

// New returns the engine, or nil where LibreOffice is not installed. Its workers keep their files below dir, an existing
// folder; where dir is "" there are none. They are this program started anew: its main has to call lok.Main.
func New(ctx context.Context, box *toolbox.Box, dir string) *Engine {
	soffice, found := box.Find(ctx, toolbox.Program{
		Name: "LibreOffice", Files: []string{"soffice", "libreoffice"}, Version: regexp.MustCompile(`LibreOffice (\d[\d.]*)`),
	})
	if !found {
		return nil
	}
	e := &Engine{box: box, soffice: soffice}
	if program := libraries(soffice); dir != "" && program != "" {
		e.workers = newWorkers(box, program, dir)
	}
	return e
}

// Close ends the workers. No conversion may be under way or follow.
func (e *Engine) Close() {
	if e.workers != nil {
		e.workers.close()
	}
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
	if from.alone || to.kit == "" || e.workers == nil || !e.workers.usable() || !e.workers.opens(from.kind) {
		return e.command(ctx, job)
	}
	err := e.inWorker(ctx, job, to)
	if errors.Is(err, errNoWorker) {
		return e.command(ctx, job)
	}
	if err != nil {
		return nil, err
	}
	return []string{job.Out()}, nil
}

// maxDeaths is how many workers a document may cost.
const maxDeaths = 3

// errNoWorker means that only the command line can help.
var errNoWorker = errors.New("no office worker")

// inWorker converts in a worker. A worker that dies is nobody's fault at first, of the third the document is.
func (e *Engine) inWorker(ctx context.Context, job convert.Job, to target) error {
	var err error
	for range maxDeaths {
		var failed lok.Failure
		if failed, err = e.once(ctx, job, to); err == nil {
			return failure(failed, job)
		}
		if !errors.Is(err, errDied) || engine.CodeOf(err) == engine.TooLarge || ctx.Err() != nil {
			return err
		}
	}
	return engine.Wrap(err, engine.Invalid, "LibreOffice crashed on this %s file %d times.", job.From, maxDeaths)
}

func (e *Engine) once(ctx context.Context, job convert.Job, to target) (lok.Failure, error) {
	w, err := e.workers.take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", errors.Join(errNoWorker, err)
	}
	failed, err := w.convert(ctx, job, to.kit, saveOptions(job))
	e.workers.put(w, err == nil)
	return failed, err
}

// failure says to a person why a worker did not convert.
func failure(f lok.Failure, job convert.Job) error {
	switch f {
	case "":
		return nil
	case lok.NotSaved:
		return errNoWorker // the command line may know the filter
	case lok.NeedsPassword:
		return engine.Errorf(engine.Invalid, "The %s file is encrypted: its password has to be given as password.", job.From)
	case lok.WrongPassword:
		return engine.Errorf(engine.Invalid, "The password given does not open the %s file.", job.From)
	}
	return engine.Errorf(engine.Invalid,
		"LibreOffice could not read the %s file: it is damaged or not what its type says.", job.From)
}
