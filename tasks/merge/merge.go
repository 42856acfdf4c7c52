// Package merge joins the files of a task's inputs into one PDF. What is not a PDF becomes one first.
package merge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// Params are what a merge task takes.
type Params struct {
	OutputFormat  string `json:"output_format" doc:"What the files become." rule:"required,oneof=pdf"`
	Engine        string `json:"engine" doc:"Which engine joins; by default the preferred one."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; by default merged.pdf."`
}

// Operation returns the operation "merge". Files that are not PDFs go through the catalog; the engines, in order of
// preference, join.
func Operation(c *convert.Catalog, engines ...pdf.Engine) engine.Operation {
	h := handler{c, engines}
	op := engine.Define("merge", "Join files into one PDF.", engine.LaneCPU, Params{Filename: "merged.pdf"}, h)
	op.Aliases = []string{"pdf/merge"}
	op.Match = convert.MatchBy(func(p Params) convert.Want {
		return convert.Want{To: "pdf", Engine: p.Engine, Version: p.EngineVersion}
	})
	op.Rows = h.rows
	return op
}

type handler struct {
	catalog *convert.Catalog
	engines []pdf.Engine
}

// rows lists what can be joined: PDFs, and all that becomes one.
func (h handler) rows() []engine.Row {
	var rows []engine.Row
	for _, from := range append([]convert.Format{"pdf"}, h.catalog.Inputs("pdf")...) {
		for i, e := range h.engines {
			rows = append(rows, engine.Row{
				InputFormat: string(from), OutputFormat: "pdf", Engine: e.Name(), EngineVersion: e.Version(), Alternative: i > 0,
			})
		}
	}
	return rows
}

// joining is what half of the progress is for; the other half is making PDFs of the inputs.
const joining = 50

// Run makes a PDF of each file, in their order, and joins them.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	e, problems := convert.Choose(h.engines, p.Engine, p.EngineVersion)
	if problems != nil {
		return engine.Result{}, engine.InvalidParams(problems)
	}
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var parts []pdf.Part
	total := 0
	for i, f := range files {
		path, err := h.asPDF(ctx, run, f)
		if err != nil {
			return engine.Result{}, convert.About(err, f, len(files))
		}
		count, err := e.Count(ctx, path, "")
		if err != nil {
			return engine.Result{}, convert.About(err, f, len(files))
		}
		total += count
		parts = append(parts, pdf.Part{Path: path})
		run.Progress(joining*(i+1)/len(files), "")
	}
	made, err := h.join(ctx, run, e, p.Filename, parts, total)
	return engine.Result{Files: []engine.File{made}, Engine: e.Name(), Version: e.Version()}, err
}

func (h handler) join(
	ctx context.Context, run *engine.Run, e pdf.Engine, name string, parts []pdf.Part, pages int,
) (engine.File, error) {
	dir, err := scratch(run)
	if err != nil {
		return engine.File{}, err
	}
	out := filepath.Join(dir, "out.pdf")
	if err := e.Assemble(ctx, out, parts...); err != nil {
		return engine.File{}, err
	}
	if err := pdf.Check(ctx, e, out, "", pages); err != nil {
		return engine.File{}, err
	}
	made, err := run.Adopt(ctx, name, out)
	if err != nil {
		return engine.File{}, fmt.Errorf("store the output: %w", err)
	}
	return made, nil
}

func scratch(run *engine.Run) (string, error) {
	work, err := run.Dir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(work, "out-")
	if err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	return dir, nil
}

// asPDF returns the path of the file as a PDF.
func (h handler) asPDF(ctx context.Context, run *engine.Run, f engine.File) (string, error) {
	s, err := convert.Fetch(ctx, run, f, f.Name)
	if err != nil || s.Format == "pdf" {
		return s.In, err
	}
	route, err := h.catalog.Route(s.Format, "pdf", "")
	if err != nil {
		return "", err
	}
	job, err := s.Job("pdf", convert.DefaultOptions())
	if err != nil {
		return "", err
	}
	outputs, err := convert.Follow(ctx, route, job)
	if err != nil {
		return "", err
	}
	if len(outputs) != 1 {
		return "", fmt.Errorf("%s made %d files of %q", route.Engine(), len(outputs), f.Name)
	}
	return outputs[0], nil
}
