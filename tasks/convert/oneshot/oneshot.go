// Package oneshot has the engines that are one program with one command line: fonts by FontForge, DjVu by DjVuLibre, XPS by
// MuPDF. Each is a row of a table.
package oneshot

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is one program. It is safe for concurrent use.
type Engine struct{ toolbox.Installed[row] }

// row is what one program converts, and how.
type row struct {
	program  toolbox.Program
	from, to []convert.Format
	args     func(in, out string) []string
}

var rows = []row{
	{
		program: toolbox.Program{Name: "fontforge", Args: []string{"-version"}, Version: regexp.MustCompile(`fontforge (\d+)`), System: true},
		from:    []convert.Format{"otf", "ttf", "woff", "woff2"},
		to:      []convert.Format{"otf", "svg", "ttf", "woff", "woff2"},
		args: func(in, out string) []string {
			return []string{"-lang=ff", "-c", "Open($1); Generate($2)", in, out}
		},
	},
	{
		program: toolbox.Program{Name: "djvulibre", Files: []string{"ddjvu"}, Args: []string{"--help"}, Version: regexp.MustCompile(`DjVuLibre-(\d[\d.]*)`)},
		from:    []convert.Format{"djvu"},
		to:      []convert.Format{"pdf", "tiff"},
		args: func(in, out string) []string {
			return []string{"-format=" + strings.TrimPrefix(filepath.Ext(out), "."), "-quality=85", in, out}
		},
	},
	{
		program: toolbox.Program{Name: "mupdf", Files: []string{"mutool"}, Args: []string{"-v"}, Version: regexp.MustCompile(`version (\d[\d.]*)`)},
		from:    []convert.Format{"xps"},
		to:      []convert.Format{"pdf"},
		args:    func(in, out string) []string { return []string{"convert", "-F", "pdf", "-o", out, in} },
	},
}

// New returns the engines whose programs are there.
func New(ctx context.Context, box *toolbox.Box) []*Engine {
	var engines []*Engine
	for _, found := range toolbox.FindEach(ctx, box, rows, func(r row) toolbox.Program { return r.program }) {
		engines = append(engines, &Engine{found})
	}
	return engines
}

// Pairs lists all that the program reads into all that it writes.
func (e *Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range e.Row.from {
		for _, to := range e.Row.to {
			pairs = append(pairs, convert.Pair{From: from, To: to})
		}
	}
	return pairs
}

// wall bounds one conversion: what takes longer is made to take long.
const wall = 10 * time.Minute

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	c := e.Box.Command(e.Tool, job.Dir)
	c.Bounds.Wall = wall
	c.Args = e.Row.args(c.In(job.In), c.Path(job.Out()))
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := outcome.Err(); err != nil {
		return nil, convert.Damaged(ctx, job.From, err)
	}
	return []string{job.Out()}, nil
}
