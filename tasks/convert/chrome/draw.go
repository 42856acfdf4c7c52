package chrome

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/gantry-engine/gantry/engine"
)

// What a page is drawn on where the task does not say.
const (
	defaultWidth  = 1440 // pixels, as is the next
	defaultHeight = 900
	a4Width       = 21.0 // centimetres, as is the next
	a4Height      = 29.7
	margin        = 10.0 // millimetres
)

// What a drawing may take.
const (
	mostPixels = 40_000_000
	mostHeight = 16_384 // pixels; Chromium repeats what is below
	mostPDF    = 1 << 30
	MostZoom   = 2.0 // of a PDF
)

// chunk is how much of a PDF is read at a time.
const chunk = 1 << 20

// window is the size of the window in the page's own pixels, and how many of the picture's each takes.
func (p Print) window() (width, height int, zoom float64) {
	zoom = p.zoom()
	shrink := func(n int) int { return max(1, int(math.Round(float64(n)/zoom))) }
	return shrink(cmp.Or(p.ScreenWidth, defaultWidth)), shrink(cmp.Or(p.ScreenHeight, defaultHeight)), zoom
}

func (p Print) zoom() float64 {
	if p.Zoom == nil {
		return 1
	}
	return *p.Zoom
}

// inches returns a length that is given in units of which an inch has so many.
func inches(given *float64, otherwise, unit float64) float64 {
	if given != nil {
		return *given / unit
	}
	return otherwise / unit
}

// print makes a PDF.
func (t *tab) print(ctx context.Context, out string) error {
	p := t.Print
	const cm, mm = 2.54, 25.4
	settings := arguments{
		"printBackground": p.PrintBackground, "displayHeaderFooter": p.DisplayHeaderFooter, "scale": p.zoom(),
		"paperWidth": inches(p.PageWidth, a4Width, cm), "paperHeight": inches(p.PageHeight, a4Height, cm),
		"marginTop": inches(p.MarginTop, margin, mm), "marginBottom": inches(p.MarginBottom, margin, mm),
		"marginLeft": inches(p.MarginLeft, margin, mm), "marginRight": inches(p.MarginRight, margin, mm),
		"preferCSSPageSize": p.PageWidth == nil && p.PageHeight == nil, "pageRanges": t.Pages, "transferMode": "ReturnAsStream",
	}
	if p.DisplayHeaderFooter {
		// An empty template would be Chromium's own, with the date and the address.
		settings["headerTemplate"], settings["footerTemplate"] = cmp.Or(p.HeaderTemplate, "<span>"), cmp.Or(p.FooterTemplate, "<span>")
	}
	var made struct{ Stream string }
	if err := t.call(ctx, t.session, "Page.printToPDF", settings, &made); err != nil {
		return refused(err, "Chromium cannot print this page")
	}
	return save(out, func(w io.Writer) error { return t.fetch(ctx, made.Stream, w) })
}

// fetch copies a stream of Chromium.
func (t *tab) fetch(ctx context.Context, stream string, w io.Writer) error {
	total := 0
	for {
		var part struct {
			Data          string
			Base64Encoded bool
			EOF           bool
		}
		if err := t.call(ctx, t.session, "IO.read", arguments{"handle": stream, "size": chunk}, &part); err != nil {
			return err
		}
		content := []byte(part.Data)
		if part.Base64Encoded {
			var err error
			if content, err = base64.StdEncoding.DecodeString(part.Data); err != nil {
				return fmt.Errorf("read the PDF: %w", err)
			}
		}
		if total += len(content); total > mostPDF {
			return engine.Errorf(engine.TooLarge, "The PDF would be larger than 1 GiB.")
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
		if part.EOF {
			return t.call(ctx, t.session, "IO.close", arguments{"handle": stream}, nil)
		}
	}
}

// shoot makes a picture: of the window where its height is given, else of the whole page.
func (t *tab) shoot(ctx context.Context, out string) error {
	width, height, zoom := t.Print.window()
	if t.Print.ScreenHeight == 0 {
		var page struct {
			Size struct{ Height float64 } `json:"cssContentSize"`
		}
		if err := t.call(ctx, t.session, "Page.getLayoutMetrics", nil, &page); err != nil {
			return err
		}
		height = int(math.Ceil(max(page.Size.Height, 1)))
	}
	tall, wide := float64(height)*zoom, float64(width)*zoom
	if tall > mostHeight || tall*wide > mostPixels {
		return engine.Errorf(engine.TooLarge, "The picture would have %.0f x %.0f pixels; it may be %d pixels high, and have %d in all. "+
			"screen_height takes a part of the page.", wide, tall, mostHeight, mostPixels)
	}
	take := arguments{
		"format": map[bool]string{true: "jpeg", false: "png"}[t.Format == "jpg"], "captureBeyondViewport": true,
		"clip": arguments{"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
	}
	if t.Format == "jpg" {
		take["quality"] = cmp.Or(t.Quality, 85)
	}
	var made struct{ Data []byte }
	if err := t.call(ctx, t.session, "Page.captureScreenshot", take, &made); err != nil {
		return refused(err, "Chromium cannot draw this page")
	}
	return save(out, func(w io.Writer) error {
		_, err := w.Write(made.Data)
		return err
	})
}

func save(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the output: %w", err)
	}
	return errors.Join(write(f), f.Close())
}
