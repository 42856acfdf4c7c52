// Package ebook converts e-books with calibre: between the formats of readers old and new, and out of and into the formats
// of texts.
package ebook

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is calibre. It is safe for concurrent use.
type Engine struct {
	box     *toolbox.Box
	convert toolbox.Tool
}

// New returns the engine, or nil where calibre is not installed.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	tool, found := box.Find(ctx, toolbox.Program{
		Name: "calibre", Files: []string{"ebook-convert"}, Version: regexp.MustCompile(`calibre (\d[\d.]*)`),
	})
	if !found {
		return nil
	}
	return &Engine{box: box, convert: tool}
}

// Name is "calibre".
func (*Engine) Name() string { return "calibre" }

// Version is that of calibre.
func (e *Engine) Version() string { return e.convert.Version }

// The formats, in calibre's own spelling. What it reads of PDF is too poor to offer, of snb it loses the text, and for cbr it
// needs what Debian does not have.
var (
	books = []convert.Format{"azw", "azw3", "azw4", "cbc", "cbz", "chm", "epub", "fb2", "htmlz", "lit", "lrf", "mobi", "pdb",
		"pml", "prc", "rb", "tcr", "txtz"}
	texts  = []convert.Format{"docx", "html", "odt", "rtf", "txt"}
	made   = []convert.Format{"azw3", "epub", "fb2", "htmlz", "lit", "lrf", "mobi", "oeb", "pdb", "rb", "snb", "tcr", "txtz"}
	asText = []convert.Format{"docx", "rtf", "txt"}
)

// Pairs lists every book and text into every book, and every book into the texts; into PDF too where a browser can be
// fenced in, as that is what calibre prints with.
func (e *Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	add := func(froms, tos []convert.Format) {
		for _, from := range froms {
			for _, to := range tos {
				pairs = append(pairs, convert.Pair{From: from, To: to})
			}
		}
	}
	add(books, made)
	add(texts, made)
	add(books, asText)
	if e.box.Kind() == toolbox.Bubblewrap {
		add(books, []convert.Format{"pdf"})
	}
	return pairs
}

// wall bounds one conversion.
const wall = 20 * time.Minute

// percent begins the lines by which calibre reports progress.
var percent = regexp.MustCompile(`^(\d{1,3})% `)

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	in, err := job.Place(job.Dir)
	if err != nil {
		return nil, err
	}
	defer os.Remove(in)
	c := e.box.Command(e.convert, job.Dir)
	c.Bounds.Wall, c.Bounds.Files = wall, 1024
	c.Env = []string{"QT_QPA_PLATFORM=offscreen", "QTWEBENGINE_CHROMIUM_FLAGS=--no-sandbox"}
	out := job.Out()
	if job.To == "oeb" { // a folder
		out = filepath.Join(job.Dir, "oeb")
	}
	c.Args = []string{c.Path(in), c.Path(out)}
	c.OnLine = func(line string) {
		if m := percent.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			job.Progress(min(n, 99))
		}
	}
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := outcome.Err(); err != nil {
		return nil, engine.Wrap(fmt.Errorf("calibre: %s", outcome.Messages), engine.Invalid,
			"calibre could not convert the %s file: it is damaged, protected or not what its type says.", job.From)
	}
	if job.To == "oeb" {
		defer os.RemoveAll(out)
		return []string{job.Out()}, packing.PackFolder(ctx, job, out)
	}
	return []string{job.Out()}, nil
}
