// Package optimize makes pictures and PDFs smaller without changing what they are.
package optimize

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Params are what an optimize task takes.
type Params struct {
	InputFormat   string `json:"input_format" doc:"What the files are; their content decides." rule:"oneof=jpg|png|pdf"`
	Profile       string `json:"profile" doc:"What the files are for: web and max lose what a screen does not show, print and archive keep more." rule:"oneof=web|print|archive|mrc|max"`
	Quality       int    `json:"quality" doc:"Quality of a picture; by default what the profile needs." rule:"min=1,max=100"`
	Engine        string `json:"engine" doc:"Which engine does the work; by default all that can, and the smallest output is taken."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; %d is its number."`
}

// want is what the task asks for, whatever its files are.
func (p Params) want() convert.Want {
	return convert.Want{From: filetype.Parse(p.InputFormat), Engine: p.Engine, Version: p.EngineVersion}
}

// quality is that of the pictures.
func (p Params) quality() int {
	return cmp.Or(p.Quality, map[string]int{"print": 90, "archive": 95, "max": 65}[p.Profile], 80)
}

// strips reports whether what is not seen is left out of pictures too.
func (p Params) strips() bool { return p.Profile != "print" && p.Profile != "archive" }

// Engine is one library or program that makes files smaller. Its methods may be called from any number of goroutines.
type Engine interface {
	// Name is the word a user selects the engine by, lower case.
	Name() string
	// Version is that of the library or program, never empty.
	Version() string
	// Formats lists what the engine can make smaller.
	Formats() []convert.Format
	// Shrink writes the source anew, in the same format, and returns the path of that, which may be the larger file. Errors
	// that are the file's fault have the code engine.Invalid or engine.TooLarge.
	Shrink(ctx context.Context, s convert.Source, p Params) (string, error)
}

// Operation returns the operation "optimize" with the engines, of which there is at least one.
func Operation(engines ...Engine) engine.Operation {
	h := handler{engines}
	op := engine.Define("optimize", "Make pictures and PDFs smaller.", engine.LaneCPU, Params{Profile: "web"}, h)
	op.Match = convert.MatchBy(Params.want)
	op.Rows = h.rows
	return op
}

type handler struct{ engines []Engine }

func (h handler) rows() []engine.Row {
	var rows []engine.Row
	for _, format := range []convert.Format{"jpg", "pdf", "png"} {
		for i, e := range h.of(format, "") {
			rows = append(rows, engine.Row{InputFormat: string(format), OutputFormat: string(format), Engine: e.Name(),
				EngineVersion: e.Version(), Alternative: i > 0})
		}
	}
	return rows
}

func (h handler) of(format convert.Format, name string) (found []Engine) {
	for _, e := range h.engines {
		if slices.Contains(e.Formats(), format) && (name == "" || e.Name() == name) {
			found = append(found, e)
		}
	}
	return found
}

// Run makes each input file smaller; one that does not get smaller stays as it is.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	var before, after int64
	result.Files, err = convert.Each(ctx, run, files, p.Filename,
		func(ctx context.Context, s convert.Source) ([]string, convert.Format, error) {
			want := p.want()
			want.From = s.Format
			if len(h.of(s.Format, p.Engine)) == 0 {
				return nil, s.Format, run.Elsewhere(convert.Unsupported(want, run.Offered()), want.Fits)
			}
			path, by, err := h.smallest(ctx, s, p)
			if err != nil {
				return nil, s.Format, err
			}
			result.Engine, result.Version = by.Name(), by.Version()
			before, after = before+sizeOf(s.In), after+sizeOf(path)
			return []string{path}, s.Format, nil
		})
	if before > 0 {
		result.Message = fmt.Sprintf("Saved %d of %d bytes.", before-after, before)
	}
	return result, err
}

// smallest is the smallest of the file and what the engines make of it. An engine may fail as long as another does not.
func (h handler) smallest(ctx context.Context, s convert.Source, p Params) (string, Engine, error) {
	engines := h.of(s.Format, p.Engine)
	best, by, failed := s.In, engines[0], error(nil)
	failures := 0
	for i, e := range engines {
		path, err := e.Shrink(ctx, s, p)
		if ctx.Err() != nil {
			return "", nil, context.Cause(ctx)
		}
		s.Progress(100 * (i + 1) / len(engines))
		if err == nil {
			err = same(path, s.Format)
		}
		switch {
		case err != nil:
			failed = cmp.Or(failed, err)
			failures++
		case sizeOf(path) < sizeOf(best):
			best, by = path, e
		}
	}
	if failures == len(engines) {
		return "", nil, failed
	}
	return best, by, nil
}

// same makes sure that an output is of the input's format.
func same(path string, want convert.Format) error {
	got, err := filetype.DetectFile(path, "")
	if err == nil && got != want {
		err = fmt.Errorf("the output is %s, not %s", got, want)
	}
	return err
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
