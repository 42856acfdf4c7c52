// Package vector draws SVG, with librsvg where that is installed and with resvg in the tools folder. A picture that an SVG names
// is never read, neither from the disk nor from the network.
package vector

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/disintegration/imaging"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Librsvg is the program rsvg-convert. It is safe for concurrent use.
type Librsvg struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

// NewLibrsvg returns the engine, or nil where rsvg-convert is not installed.
func NewLibrsvg(ctx context.Context, box *toolbox.Box) *Librsvg {
	tool, found := box.Find(ctx, toolbox.Program{
		Name: "librsvg", Files: []string{"rsvg-convert"}, Version: regexp.MustCompile(`rsvg-convert (?:version )?(\d[\d.]*)`),
	})
	if !found {
		return nil
	}
	return &Librsvg{box: box, tool: tool}
}

// Name is "librsvg".
func (*Librsvg) Name() string { return "librsvg" }

// Version is that of librsvg.
func (e *Librsvg) Version() string { return e.tool.Version }

var (
	pages    = []convert.Format{"pdf", "ps", "eps"}
	pictures = []convert.Format{"bmp", "gif", "jpg", "png", "tiff", "webp"}
)

// Pairs lists svg to pdf, ps and eps as drawings, and to pictures.
func (*Librsvg) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, to := range pages {
		pairs = append(pairs, convert.Pair{From: "svg", To: to})
	}
	return append(pairs, picturePairs()...)
}

func picturePairs() (pairs []convert.Pair) {
	for _, to := range pictures {
		names := []string{"width", "height", "fit", "pixel_density"}
		if to == "jpg" {
			names = append(names, "quality")
		}
		pairs = append(pairs, convert.Pair{From: "svg", To: to, Options: convert.Fields(names...)})
	}
	return pairs
}

// wall bounds one drawing: what takes longer is made to take long.
const wall = 2 * time.Minute

// Convert makes one file.
func (e *Librsvg) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	if slices.Contains(pages, job.To) {
		return []string{job.Out()}, e.draw(ctx, job, job.Out(), "--format="+string(job.To))
	}
	r, err := rasterOf(job)
	if err != nil {
		return nil, err
	}
	drawn := filepath.Join(job.Dir, "drawn.png")
	err = e.draw(ctx, job, drawn, "--format=png", "--width="+strconv.Itoa(r.Width), "--height="+strconv.Itoa(r.Height))
	if err != nil {
		return nil, err
	}
	defer os.Remove(drawn)
	job.Progress(70)
	if job.To == "png" && r.Part == image.Rect(0, 0, r.Width, r.Height) {
		return []string{job.Out()}, os.Rename(drawn, job.Out())
	}
	img, err := readPNG(drawn)
	if err != nil {
		return nil, err
	}
	return []string{job.Out()}, picture.Save(ctx, job.Out(), imaging.Crop(img, r.Part), job)
}

// rasterOf is the size of the picture: by default one pixel for each that the drawing itself counts in.
func rasterOf(job convert.Job) (convert.Raster, error) {
	w, h, err := Size(job.In)
	if err != nil {
		return convert.Raster{}, err
	}
	o := job.Options
	if o.PixelDensity == 0 && o.Width == 0 && o.Height == 0 {
		o.PixelDensity = pixelsPerInch
	}
	return o.Raster(w*pointsPerInch/pixelsPerInch, h*pointsPerInch/pixelsPerInch, job.Limits.Pixels)
}

const pixelsPerInch, pointsPerInch = 96, 72 // CSS 2.1, 4.3.2

func (e *Librsvg) draw(ctx context.Context, job convert.Job, out string, args ...string) error {
	c := e.box.Command(e.tool, job.Dir)
	c.Bounds.Wall = wall
	c.Args = append(args, "--output="+c.Path(out), c.In(job.In))
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if outcome.Err() != nil {
		return engine.Wrap(outcome.Err(), engine.Invalid, "The svg file is damaged or too complex to be drawn.")
	}
	return nil
}

func readPNG(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the drawing: %w", err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("read the drawing: %w", err)
	}
	return img, nil
}
