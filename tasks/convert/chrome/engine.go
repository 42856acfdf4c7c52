package chrome

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/convert/plain"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine converts HTML, Markdown and text as a browser shows them. What they refer to is not loaded, whether it lies on the disk or
// in a network. It is safe for concurrent use.
type Engine struct{ browser *Browser }

// New returns the engine, nil where Chromium is not installed or bubblewrap does not work.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	browser := NewBrowser(ctx, box, Offline)
	if browser == nil {
		return nil
	}
	return &Engine{browser}
}

// Name is "chrome".
func (*Engine) Name() string { return "chrome" }

// Version is that of Chromium.
func (e *Engine) Version() string { return e.browser.Version() }

// Pairs lists html, md and txt to pdf, png and jpg.
func (*Engine) Pairs() (pairs []convert.Pair) {
	for _, from := range []convert.Format{"html", "md", "txt"} {
		for _, to := range []convert.Format{"pdf", "png", "jpg"} {
			options := OptionsOf(to)
			if to != "pdf" {
				options = append(options, convert.Fields("width", "height", "fit")...)
			}
			pairs = append(pairs, convert.Pair{From: from, To: to, Options: options, Merit: merit})
		}
	}
	return pairs
}

// merit is above that of what is not a browser.
const merit = 2

// OptionsOf describes the options that hold for a format.
func OptionsOf(to convert.Format) []param.Field {
	names := []string{"zoom", "wait_until", "wait_for_element", "wait_time"}
	switch to {
	case "pdf":
		names = append(names, "pages", "page_width", "page_height", "margin_top", "margin_bottom", "margin_left", "margin_right",
			"print_background", "display_header_footer", "header_template", "footer_template")
	case "jpg":
		names = append(names, "quality")
		fallthrough
	default:
		names = append(names, "screen_width", "screen_height")
	}
	return convert.Fields(names...)
}

// mostDocument is how much HTML is drawn.
const mostDocument = 32 << 20

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	document, err := html(ctx, job)
	if err != nil {
		return nil, err
	}
	if err := CheckPrint(job.To, job.Options.Print); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(document)
	visit := Visit{
		Document: document, Format: job.To, Pages: Pages(job.Options), Quality: job.Options.Quality, Print: Print{job.Options.Print},
	}
	if job.To == "pdf" || !job.Options.Resizes() {
		return []string{job.Out()}, e.browser.Draw(ctx, hex.EncodeToString(sum[:]), visit, job.Out())
	}
	shot := filepath.Join(job.Dir, "shot.png")
	defer os.Remove(shot)
	visit.Format = "png"
	if err := e.browser.Draw(ctx, hex.EncodeToString(sum[:]), visit, shot); err != nil {
		return nil, err
	}
	job.In, job.From = shot, "png"
	return picture.New().Convert(ctx, job)
}

// Pages is the selection of an Options as Chromium has it.
func Pages(o convert.Options) string {
	return strings.ReplaceAll(o.Pages+o.PageRange, " ", "")
}

// CheckPrint finds what is wrong with options for a format; nil if nothing is.
func CheckPrint(to convert.Format, p convert.Print) error {
	if to == "pdf" && p.Zoom != nil && *p.Zoom > MostZoom {
		return engine.Errorf(engine.Invalid, "The zoom of a PDF must be at most %g.", MostZoom)
	}
	return nil
}

// html reads the input; Markdown and text become HTML first.
func html(ctx context.Context, job convert.Job) ([]byte, error) {
	in := job.In
	if job.From != "html" {
		dir := filepath.Join(job.Dir, "html")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a scratch folder: %w", err)
		}
		defer os.RemoveAll(dir)
		step := job
		step.To, step.Dir, step.Progress = "html", dir, func(int) {}
		made, err := plain.New().Convert(ctx, step)
		if err != nil {
			return nil, err
		}
		in = made[0]
	}
	f, err := os.Open(in)
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, mostDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	if len(document) > mostDocument {
		return nil, engine.Errorf(engine.TooLarge, "A page may have %d MiB.", mostDocument>>20)
	}
	return document, nil
}
