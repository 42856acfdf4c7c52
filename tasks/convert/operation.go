package convert

import (
	"context"
	"os"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Params are what a convert task takes.
type Params struct {
	OutputFormat  string `json:"output_format" doc:"What the files become, such as pdf." rule:"required"`
	InputFormat   string `json:"input_format" doc:"What the files are, where their content and name leave that open."`
	Engine        string `json:"engine" doc:"Which engine converts; by default the preferred one of those that can."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; %d is its number."`
	Options
}

// Operation returns the operation "convert" with the engines of c.
func Operation(c *Catalog) engine.Operation {
	h := handler{c}
	op := engine.Define("convert", "Convert files to another format.", engine.LaneCPU,
		Params{Options: DefaultOptions()}, h)
	op.Check = engine.CheckWith(check)
	op.Match = engine.MatchWith(match)
	op.Rows = sync.OnceValue(h.rows)
	return op
}

// match is Match, and finds codecs that no film or sound of the asked format can have.
func match(p Params, known []engine.File, rows []engine.Row) (string, []param.Problem) {
	want, said := p.want(), map[string]string{}
	if p.VideoCodec != "" {
		said["video_codec"] = p.VideoCodec
	}
	if p.AudioCodec != "" {
		said["audio_codec"] = p.AudioCodec
	}
	tool, problems := Match(want, known, rows)
	return tool, append(problems, offers(rows).checkValues(want, said)...)
}

type handler struct{ catalog *Catalog }

// check finds what the tags cannot say.
func check(p Params, _ []engine.File) (problems []param.Problem) {
	if _, err := p.Selection(); err != nil {
		problems = append(problems, param.Problemf("pages", "%s", err))
	}
	for _, f := range []struct{ name, value string }{{"trim_start", p.TrimStart}, {"trim_end", p.TrimEnd}, {"timestamp", p.Timestamp}} {
		if _, err := ParseTime(f.value); err != nil {
			problems = append(problems, param.Problemf(f.name, "%s", err))
		}
	}
	if p.Rotate%90 != 0 {
		problems = append(problems, param.Problemf("rotate", "must be a multiple of 90"))
	}
	return problems
}

func (h handler) rows() []engine.Row {
	var rows []engine.Row
	var before leg
	for _, r := range h.catalog.Routes() {
		here := leg{r.From(), r.To()}
		rows = append(rows, engine.Row{
			InputFormat: string(here.from), OutputFormat: string(here.to), Engine: r.Engine(),
			EngineVersion: r.Version(), Alternative: here == before, Options: r.Options(),
		})
		before = here
	}
	return rows
}

// Run converts each input file, and stores the outputs when all are made.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	var outputs []Output
	for i, f := range files {
		route, made, err := h.convert(ctx, run, f, p, func(percent int) {
			run.Progress((100*i+percent)/len(files), "")
		})
		if err != nil {
			return engine.Result{}, About(err, f, len(files))
		}
		outputs = append(outputs, made...)
		result.Engine, result.Version = route.Engine(), route.Version()
		if len(route) > 1 {
			result.Message = "Converted " + route.String() + "."
		}
	}
	result.Files, err = Store(ctx, run, p.Filename, outputs)
	if err != nil {
		return engine.Result{}, err
	}
	return result, nil
}

func (h handler) convert(
	ctx context.Context, run *engine.Run, f engine.File, p Params, progress func(int),
) (Route, []Output, error) {
	name := f.Name
	if p.InputFormat != "" {
		name = "input." + string(filetype.Parse(p.InputFormat))
	}
	s, err := Fetch(ctx, run, f, name)
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(s.In)
	to := filetype.Parse(p.OutputFormat)
	route, err := h.route(run, s.Format, to, p)
	if err != nil {
		return nil, nil, err
	}
	s.Progress = progress
	job, err := s.Job(to, p.Options)
	if err != nil {
		return nil, nil, err
	}
	paths, err := Follow(ctx, route, job)
	if err != nil {
		return nil, nil, err
	}
	outputs := make([]Output, len(paths))
	for i, path := range paths {
		outputs[i] = Output{Path: path, Input: f, Format: to, Number: i + 1, Of: len(paths)}
	}
	return route, outputs, nil
}

// route is the way to go. What is offered elsewhere only is done there.
func (h handler) route(run *engine.Run, from, to Format, p Params) (Route, error) {
	w := Want{From: from, To: to, Engine: engineNamed(p.Engine), Version: p.EngineVersion}
	missing := Unsupported(w, run.Offered())
	route, err := h.catalog.Route(from, to, w.Engine)
	if err == nil {
		if w.Engine == "" || w.Version == "" || w.Version == route.Version() {
			return route, nil
		}
		missing = engine.Errorf(engine.Unsupported, "This server does not have version %s of %s any more.", w.Version, w.Engine)
	}
	return nil, run.Elsewhere(missing, w.Fits)
}
