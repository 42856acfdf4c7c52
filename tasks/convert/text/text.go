// Package text converts marked-up texts with pandoc: Markdown, reStructuredText, LaTeX, Org and the like, into each other and
// into and out of the text documents of offices and e-book readers. What counts is structure, not looks.
package text

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is pandoc. It is safe for concurrent use.
type Engine struct {
	box    *toolbox.Box
	pandoc toolbox.Tool
}

// New returns the engine, or nil where pandoc is not installed.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	pandoc, found := box.Find(ctx, toolbox.Program{Name: "pandoc", Version: regexp.MustCompile(`pandoc (\d[\d.]*)`)})
	if !found {
		return nil
	}
	return &Engine{box: box, pandoc: pandoc}
}

// Name is "pandoc".
func (*Engine) Name() string { return "pandoc" }

// Version is that of pandoc.
func (e *Engine) Version() string { return e.pandoc.Version }

// readers are pandoc's names of what it reads. Its own Markdown takes minutes for a page of unbalanced brackets; GitHub's
// is read in proportion to its length.
var readers = map[convert.Format]string{
	"md": "gfm", "rst": "rst", "tex": "latex", "html": "html", "org": "org", "textile": "textile", "mediawiki": "mediawiki",
	"docx": "docx", "odt": "odt", "epub": "epub", "fb2": "fb2", "rtf": "rtf",
}

// writers are pandoc's names of what it writes.
var writers = map[convert.Format]string{
	"md": "gfm", "rst": "rst", "tex": "latex", "html": "html5", "org": "org", "textile": "textile", "mediawiki": "mediawiki",
	"docx": "docx", "odt": "odt", "epub": "epub3", "fb2": "fb2", "rtf": "rtf", "txt": "plain", "adoc": "asciidoc",
}

// open are the formats that pandoc 2 cannot write with its own sandbox on, which keeps it from its own templates too. They
// rely on the toolbox's fence alone and are not offered without one: a picture's address can be any file of the machine.
var open = []convert.Format{"docx", "odt", "epub"}

// pictured are the formats that bring their pictures along, which an HTML file then has to hold.
var pictured = []convert.Format{"docx", "odt", "epub", "fb2", "rtf"}

// Pairs lists what pandoc reads and writes.
func (e *Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range slices.Sorted(maps.Keys(readers)) {
		for _, to := range slices.Sorted(maps.Keys(writers)) {
			if from == to && slices.Contains(pictured, from) || slices.Contains(open, to) && e.box.Kind() == toolbox.Unsandboxed {
				continue
			}
			pairs = append(pairs, convert.Pair{From: from, To: to})
		}
	}
	return pairs
}

// wall bounds one conversion: what takes longer is not a long text but one made to take long.
const wall = time.Minute

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	c := e.box.Command(e.pandoc, job.Dir)
	c.Bounds.Wall = wall
	c.Args = []string{"+RTS", "-M512m", "-RTS", "--standalone", "--from=" + readers[job.From], "--to=" + writers[job.To]}
	if !slices.Contains(open, job.To) {
		c.Args = append(c.Args, "--sandbox")
	}
	if job.To == "html" {
		c.Args = append(c.Args, "--metadata=pagetitle:"+filetype.Stem(job.Name))
		if slices.Contains(pictured, job.From) {
			c.Args = append(c.Args, "--self-contained")
		}
	}
	c.Args = append(c.Args, "--output="+c.Path(job.Out()), c.In(job.In))
	outcome, err := c.Run(ctx)
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		return nil, err
	}
	return []string{job.Out()}, nil
}
