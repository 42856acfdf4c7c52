// Package pdfium makes pictures and text of PDF files with PDFium, compiled to WebAssembly and run inside a sandbox of
// wazero: nothing is installed, memory is capped and a conversion ends with its context. The library is a file that
// `make tools` fetches; it is not part of this program.
package pdfium

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/convert/wasm"
)

// Engine converts PDF files. It is safe for concurrent use.
type Engine struct {
	library *wasm.Library
}

// New returns the engine with the library at path, a build that this package knows. Its first use compiles the library,
// which takes a second or two; what that gives is kept in the folder cache, if one is named, and serves the next process.
func New(path, cache string) (*Engine, error) {
	library, err := load(path, cache)
	if err != nil {
		return nil, err
	}
	return &Engine{library}, nil
}

// Name is "pdfium".
func (*Engine) Name() string { return "pdfium" }

// Version is that of the package that the library comes from.
func (e *Engine) Version() string { return e.library.Version }

// Pairs lists pdf to jpg, png, webp, tiff, gif, bmp and txt.
func (*Engine) Pairs() []convert.Pair {
	pairs := []convert.Pair{{From: "pdf", To: "txt", Options: convert.Fields("pages", "password")}}
	for _, to := range []convert.Format{"jpg", "png", "webp", "tiff", "gif", "bmp"} {
		names := []string{"width", "height", "fit", "pages", "pixel_density", "password"}
		if to == "jpg" {
			names = append(names, "quality")
		}
		pairs = append(pairs, convert.Pair{From: "pdf", To: to, Options: convert.Fields(names...)})
	}
	return pairs
}

// Convert makes a picture of each page, or one text of all.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	outputs, err := e.convert(ctx, job)
	var broken *wasm.Fault
	if errors.As(err, &broken) {
		return nil, engine.Wrap(err, engine.Invalid, "The PDF is damaged or of a kind that cannot be read.")
	}
	return outputs, err
}

func (e *Engine) convert(ctx context.Context, job convert.Job) ([]string, error) {
	selection, err := job.Options.Selection()
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The parameter pages %s.", err)
	}
	d, err := open(ctx, e.library, job.In, job.Options.Password)
	if err != nil {
		return nil, err
	}
	defer d.End(ctx)
	numbers, err := selection.Of(d.pages)
	if err != nil {
		return nil, err
	}
	if job.To == "txt" {
		return []string{job.Out()}, writeText(ctx, d, numbers, job)
	}
	var outputs []string
	for i, n := range numbers {
		path := filepath.Join(job.Dir, fmt.Sprintf("page-%d.%s", i+1, job.To))
		if err := drawPage(ctx, d, n, path, job); err != nil {
			return nil, err
		}
		outputs = append(outputs, path)
		job.Progress(100 * (i + 1) / len(numbers))
	}
	return outputs, nil
}

// maxPageTime is how long one page may take. It is generous: a page takes a fraction of a second.
const maxPageTime = 2 * time.Minute

func drawPage(ctx context.Context, d *document, number int, path string, job convert.Job) error {
	ctx, cancel := pageContext(ctx, number)
	defer cancel()
	p, err := d.page(ctx, number)
	if err != nil {
		return err
	}
	r, err := job.Options.Raster(p.width, p.height, job.Limits.Pixels)
	if err != nil {
		return err
	}
	img, err := p.draw(ctx, r)
	if err != nil {
		return err
	}
	if err := p.close(ctx); err != nil {
		return err
	}
	return picture.Save(ctx, path, img, job)
}

func pageContext(ctx context.Context, number int) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, maxPageTime,
		engine.Errorf(engine.TooLarge, "Page %d of the PDF takes longer than %s.", number, maxPageTime))
}

// writeText puts a form feed behind every page, as pdftotext does.
func writeText(ctx context.Context, d *document, numbers []int, job convert.Job) (err error) {
	f, err := os.Create(job.Out())
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	w := bufio.NewWriter(f)
	defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	for i, n := range numbers {
		text, err := pageText(ctx, d, n)
		if err != nil {
			return err
		}
		if _, err := w.WriteString(text + "\n\f"); err != nil {
			return err
		}
		job.Progress(100 * (i + 1) / len(numbers))
	}
	return nil
}

func pageText(ctx context.Context, d *document, number int) (string, error) {
	ctx, cancel := pageContext(ctx, number)
	defer cancel()
	p, err := d.page(ctx, number)
	if err != nil {
		return "", err
	}
	text, err := p.words(ctx)
	if err != nil {
		return "", err
	}
	return text, p.close(ctx)
}
