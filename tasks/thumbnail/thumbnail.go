// Package thumbnail makes small pictures of pictures, documents and films.
package thumbnail

import (
	"context"
	"slices"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Params are what a thumbnail task takes.
type Params struct {
	OutputFormat  string `json:"output_format" doc:"What the thumbnails are." rule:"required,oneof=png|jpg|webp"`
	InputFormat   string `json:"input_format" doc:"What the files are; their content decides."`
	Width         int    `json:"width" doc:"Width in pixels; by default it follows from the height." rule:"min=1,max=16384"`
	Height        int    `json:"height" doc:"Height in pixels; by default it follows from the width." rule:"min=1,max=16384"`
	Fit           string `json:"fit" doc:"max shrinks to fit, crop fills and cuts, scale distorts." rule:"oneof=max|crop|scale"`
	Count         int    `json:"count" doc:"How many: pages of a document from the first on, or places of a film." rule:"min=1,max=100"`
	Timestamp     string `json:"timestamp" doc:"From where in a film, as hh:mm:ss or in seconds; by default after a tenth of it."`
	Engine        string `json:"engine" doc:"Which engine reads the file; by default the preferred one."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; %d is its number."`
}

// Operation returns the operation "thumbnail" with the engines of c.
func Operation(c *convert.Catalog) engine.Operation {
	h := handler{c}
	op := engine.Define("thumbnail", "Make small pictures of pictures, documents and films.", engine.LaneCPU,
		Params{Fit: "max", Count: 1}, h)
	op.Check = engine.CheckWith(check)
	op.Match = convert.MatchBy(Params.want)
	op.Rows = sync.OnceValue(h.rows)
	return op
}

type handler struct{ catalog *convert.Catalog }

func check(p Params, _ []engine.File) (problems []param.Problem) {
	if _, err := convert.ParseTime(p.Timestamp); err != nil {
		problems = append(problems, param.Problemf("timestamp", "%s", err))
	}
	return problems
}

// want is what the task asks for, whatever its files are.
func (p Params) want() convert.Want {
	return convert.Want{From: filetype.Parse(p.InputFormat), To: convert.Format(p.OutputFormat), Engine: p.Engine, Version: p.EngineVersion}
}

// outputs are what thumbnails can be.
var outputs = []convert.Format{"jpg", "png", "webp"}

func (h handler) rows() []engine.Row {
	var rows []engine.Row
	for _, r := range h.catalog.Routes() {
		if slices.Contains(outputs, r.To()) {
			alternative := slices.ContainsFunc(rows, func(known engine.Row) bool {
				return known.InputFormat == string(r.From()) && known.OutputFormat == string(r.To())
			})
			rows = append(rows, engine.Row{InputFormat: string(r.From()), OutputFormat: string(r.To()), Engine: r.Engine(),
				EngineVersion: r.Version(), Alternative: alternative})
		}
	}
	return rows
}

// Run makes the thumbnails of each input file.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	result.Files, err = convert.Each(ctx, run, files, p.Filename,
		func(ctx context.Context, s convert.Source) ([]string, convert.Format, error) {
			to := convert.Format(p.OutputFormat)
			route, err := h.catalog.Route(s.Format, to, p.Engine)
			if err != nil {
				want := p.want()
				want.From = s.Format
				return nil, to, run.Elsewhere(convert.Unsupported(want, run.Offered()), want.Fits)
			}
			result.Engine, result.Version = route.Engine(), route.Version()
			job, err := s.Job(to, p.options())
			if err != nil {
				return nil, to, err
			}
			made, err := convert.Follow(ctx, route, job)
			return made[:min(len(made), p.Count)], to, err
		})
	return result, err
}

// options are those of the conversion: only pages that become thumbnails are drawn.
func (p Params) options() convert.Options {
	o := convert.DefaultOptions()
	o.Width, o.Height, o.Fit, o.Strip = p.Width, p.Height, p.Fit, true
	o.Timestamp, o.Count = p.Timestamp, p.Count
	if p.Count == 1 {
		o.Pages = "1"
	}
	return o
}
