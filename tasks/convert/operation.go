package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gabriel-vasile/mimetype"

	"github.com/gantry-engine/gantry/engine"
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
	op.Match = engine.MatchWith(match)
	op.Rows = sync.OnceValue(h.rows)
	return op
}

type handler struct{ catalog *Catalog }

// formatOf is the format of a stored file whose media type leaves no doubt, or "".
func formatOf(f engine.File) Format {
	m := mimetype.Lookup(f.MIME)
	if m == nil || m.Is("application/zip") || m.Is("application/octet-stream") || m.Is("application/x-ole-storage") ||
		m.Is("text/plain") || parentIs(m, "text/plain") || packed[mimeFormat(m)] != "" {
		return ""
	}
	return mimeFormat(m)
}

func (h handler) rows() []engine.Row {
	var rows []engine.Row
	var before leg
	for _, o := range h.catalog.Offers() {
		here := leg{o.Pair.From, o.Pair.To}
		rows = append(rows, engine.Row{
			InputFormat: string(here.from), OutputFormat: string(here.to), Engine: o.Engine.Name(),
			EngineVersion: o.Engine.Version(), Alternative: here == before, Options: o.Pair.Options,
		})
		before = here
	}
	return rows
}

// output is a file that an engine made, still in the task's folder.
type output struct {
	path, stem, dir string
	number, of      int // among the outputs of its input
}

// Run converts each input file, and stores the outputs when all are made.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	var outputs []output
	for i, f := range files {
		offer, made, err := h.convert(ctx, run, f, p, func(percent int) {
			run.Progress((100*i+percent)/len(files), "")
		})
		if err != nil {
			return engine.Result{}, naming(err, f, len(files))
		}
		outputs = append(outputs, made...)
		result.Engine, result.Version = offer.Engine.Name(), offer.Engine.Version()
	}
	for i, o := range outputs {
		f, err := run.Adopt(ctx, o.name(p, i+1, len(outputs)), o.path)
		if err != nil {
			return engine.Result{}, fmt.Errorf("store the output: %w", err)
		}
		f.Dir = o.dir
		result.Files = append(result.Files, f)
	}
	return result, nil
}

// naming says which of several files an error is about.
func naming(err error, f engine.File, of int) error {
	var e *engine.Error
	if of == 1 || !errors.As(err, &e) || engine.Retryable(err) {
		return err
	}
	return engine.Wrap(err, e.Code, "%s: %s", f.Name, e.Message)
}

func (h handler) convert(
	ctx context.Context, run *engine.Run, f engine.File, p Params, progress func(int),
) (Offer, []output, error) {
	in, err := run.Path(ctx, f, "")
	if err != nil {
		return Offer{}, nil, fmt.Errorf("fetch the input: %w", err)
	}
	defer os.RemoveAll(filepath.Dir(in))
	from, err := h.detect(in, f, p)
	if err != nil {
		return Offer{}, nil, err
	}
	to := ParseFormat(p.OutputFormat)
	offer, err := h.route(run, from, to, p)
	if err != nil {
		return Offer{}, nil, err
	}
	scratch, err := run.Dir()
	if err != nil {
		return Offer{}, nil, err
	}
	dir, err := os.MkdirTemp(scratch, "out-")
	if err != nil {
		return Offer{}, nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	paths, err := Convert(ctx, offer.Engine, Job{
		In: in, Name: f.Name, From: from, To: to, Dir: dir, Options: p.Options, Limits: LimitsOf(run.Limits()),
		Progress: progress,
	})
	if err != nil {
		return Offer{}, nil, err
	}
	outputs := make([]output, len(paths))
	for i, path := range paths {
		outputs[i] = output{path: path, stem: Stem(f.Name), dir: f.Dir, number: i + 1, of: len(paths)}
	}
	return offer, outputs, nil
}

// route is the offer to use. What is offered elsewhere only is done there.
func (h handler) route(run *engine.Run, from, to Format, p Params) (Offer, error) {
	offered := offers(run.Offered())
	missing := offered.unsupported(from, to, p.Engine)
	offer, err := h.catalog.Route(from, to, p.Engine)
	if err == nil {
		if p.Engine == "" || p.EngineVersion == "" || p.EngineVersion == offer.Engine.Version() {
			return offer, nil
		}
		missing = engine.Errorf(engine.Unsupported, "This server does not have version %s of %s any more.", p.EngineVersion, p.Engine)
	}
	return Offer{}, run.Elsewhere(missing, func(r engine.Row) bool { return fits(r, from, to, p) })
}

func (h handler) detect(path string, f engine.File, p Params) (Format, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	defer file.Close()
	name := f.Name
	if p.InputFormat != "" {
		name = "input." + string(ParseFormat(p.InputFormat))
	}
	return Detect(file, f.Size, name)
}

// name is what the n-th of total outputs is called.
func (o output) name(p Params, n, total int) string {
	if p.Filename == "" {
		if o.of > 1 {
			return fmt.Sprintf("%s-%d.%s", o.stem, o.number, ParseFormat(p.OutputFormat))
		}
		return o.stem + "." + string(ParseFormat(p.OutputFormat))
	}
	if strings.Contains(p.Filename, "%d") {
		return strings.ReplaceAll(p.Filename, "%d", strconv.Itoa(n))
	}
	if total == 1 {
		return p.Filename
	}
	stem := Stem(p.Filename)
	return fmt.Sprintf("%s-%d%s", stem, n, strings.TrimPrefix(p.Filename, stem))
}
