// Package pdf works on PDF files: it splits, extracts, turns, locks and unlocks them, makes them searchable and fit for
// the archive. What it needs of a library or program is an Engine; other families of operations use the engines too.
package pdf

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Operations returns pdf/encrypt, pdf/decrypt, pdf/split-pages, pdf/extract-pages and pdf/rotate-pages with the engines in
// order of preference, of which there is at least one.
func Operations(engines ...Engine) []engine.Operation {
	return []engine.Operation{
		encryptOperation(engines), decryptOperation(engines),
		splitOperation(engines), extractOperation(engines), rotateOperation(engines),
	}
}

// Common are the parameters that every operation of this package takes.
type Common struct {
	Engine        string `json:"engine" doc:"Which engine does the work; by default the preferred one."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; %d is its number."`
}

func (c Common) common() Common { return c }

// worker is what does the work of an operation: an Engine, or a program that can do only one thing.
type worker interface {
	Name() string
	Version() string
}

// source is one input file of a task, as its work sees it.
type source struct {
	in       string // its path
	dir      string // a folder for what is made of it
	limits   convert.Limits
	progress func(percent int)
}

// out is the path of the only output.
func (s source) out() string { return filepath.Join(s.dir, "out.pdf") }

// action is what an operation with parameters P does with each file: one of its workers makes something of it, and returns
// the paths of that in order.
type action[W worker, P interface{ common() Common }] struct {
	workers []W
	check   func(P) []param.Problem // what the tags cannot say; nil if they say all
	work    func(ctx context.Context, w W, s source, p P) ([]string, error)
}

// operation is the action under a name.
func (a action[W, P]) operation(name, summary string, defaults P) engine.Operation {
	op := engine.Define(name, summary, engine.LaneCPU, defaults, a)
	if a.check != nil {
		op.Check = engine.CheckWith(func(p P, _ []engine.File) []param.Problem { return a.check(p) })
	}
	op.Match = convert.MatchBy(func(p P) convert.Want {
		return convert.Want{Engine: p.common().Engine, Version: p.common().EngineVersion}
	})
	options := op.Params.Fields()
	op.Rows = func() []engine.Row {
		var rows []engine.Row
		for i, w := range a.workers {
			rows = append(rows, engine.Row{
				InputFormat: "pdf", OutputFormat: "pdf", Engine: w.Name(), EngineVersion: w.Version(), Alternative: i > 0,
				Options: options,
			})
		}
		return rows
	}
	return op
}

// Run implements engine.Handler.
func (a action[W, P]) Run(ctx context.Context, run *engine.Run, p P) (engine.Result, error) {
	w, problems := convert.Choose(a.workers, p.common().Engine, p.common().EngineVersion)
	if problems != nil {
		return engine.Result{}, engine.InvalidParams(problems)
	}
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var outputs []convert.Output
	for i, f := range files {
		paths, err := a.one(ctx, run, w, f, p, func(percent int) {
			run.Progress((100*i+percent)/len(files), "")
		})
		if err != nil {
			return engine.Result{}, convert.About(err, f, len(files))
		}
		for n, path := range paths {
			outputs = append(outputs, convert.Output{Path: path, Input: f, Format: "pdf", Number: n + 1, Of: len(paths)})
		}
	}
	made, err := convert.Store(ctx, run, p.common().Filename, outputs)
	return engine.Result{Files: made, Engine: w.Name(), Version: w.Version()}, err
}

func (a action[W, P]) one(
	ctx context.Context, run *engine.Run, w W, f engine.File, p P, progress func(int),
) ([]string, error) {
	in, err := run.Path(ctx, f, ".pdf")
	if err != nil {
		return nil, fmt.Errorf("fetch the input: %w", err)
	}
	defer os.RemoveAll(filepath.Dir(in))
	if err := expectPDF(in, f.Name); err != nil {
		return nil, err
	}
	work, err := run.Dir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(work, "out-")
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	return a.work(ctx, w, source{in: in, dir: dir, limits: convert.LimitsOf(run.Limits()), progress: progress}, p)
}

// expectPDF decides by the content.
func expectPDF(path, name string) error {
	format, err := filetype.DetectFile(path, name)
	if err != nil {
		return err
	}
	if format != "pdf" {
		return engine.Errorf(engine.Invalid, "The file is not a PDF but %s: convert it first.", format)
	}
	return nil
}

// Check fails unless the file that an engine made opens, with the password if it has one, and has the pages it should. What
// fails is damage in the input that the engine did not see: it has the code engine.Invalid.
func Check(ctx context.Context, e Engine, path string, password param.Secret, want int) error {
	got, err := e.Count(ctx, path, password)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && got != want {
		err = fmt.Errorf("it has %d pages, not %d", got, want)
	}
	if err != nil {
		return engine.Wrap(fmt.Errorf("check the output: %w", err), engine.Invalid,
			"The PDF is damaged: %s could not make a whole one of it.", e.Name())
	}
	return nil
}
