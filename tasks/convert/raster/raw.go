package raster

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Raw is LibRaw, which develops what cameras write. It is safe for concurrent use.
type Raw struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

// NewRaw returns the engine, or nil where LibRaw's dcraw_emu is not installed.
func NewRaw(ctx context.Context, box *toolbox.Box) *Raw {
	const program = "dcraw_emu" // does not say its version; another program of the same package does
	tool, found := box.Find(ctx, toolbox.Program{
		Name: "libraw", Files: []string{"simple_dcraw"}, Args: []string{}, Version: regexp.MustCompile(`LibRaw (\d+\.\d[\w.-]*)`),
	})
	if !found || !box.Has(program) {
		return nil
	}
	tool.Path = filepath.Join(filepath.Dir(tool.Path), program)
	return &Raw{box: box, tool: tool}
}

// Name is "libraw".
func (*Raw) Name() string { return "libraw" }

// Version is that of LibRaw.
func (e *Raw) Version() string { return e.tool.Version }

var cameras = []convert.Format{"3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "kdc", "mef", "mos", "mrw", "nef", "nrw",
	"orf", "pef", "raf", "raw", "rw2", "sr2", "srf", "srw", "x3f"}

// Pairs lists what cameras write to jpg, png, webp, tiff, gif and bmp.
func (*Raw) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range cameras {
		for _, to := range []convert.Format{"jpg", "png", "webp", "tiff", "gif", "bmp"} {
			names := []string{"width", "height", "fit"}
			if to == "jpg" {
				names = append(names, "quality")
			}
			pairs = append(pairs, convert.Pair{From: from, To: to, Options: convert.Fields(names...)})
		}
	}
	return pairs
}

// Convert develops one picture with the camera's own white balance, upright.
func (e *Raw) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	developed := filepath.Join(job.Dir, "developed.ppm")
	defer os.Remove(developed)
	c := e.box.Command(e.tool, job.Dir)
	c.Bounds.Wall = wall
	c.Args = []string{"-w", "-Z", c.Path(developed), c.In(job.In)}
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if outcome.Err() != nil {
		return nil, convert.Damaged(ctx, job.From, outcome.Err())
	}
	job.Progress(60)
	img, err := readPPM(developed, job.Limits.Pixels)
	if err != nil {
		return nil, convert.Damaged(ctx, job.From, err)
	}
	if img, err = picture.Resize(img, job.Options, job.Limits.Pixels); err != nil {
		return nil, err
	}
	return []string{job.Out()}, picture.Save(ctx, job.Out(), img, job)
}

// readPPM reads a picture of 8 bits a colour.
func readPPM(path string, limit int64) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the picture: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var kind string
	var w, h, depth int
	if _, err := fmt.Fscan(r, &kind, &w, &h, &depth); err != nil || kind != "P5" && kind != "P6" || depth != 255 {
		return nil, fmt.Errorf("not a picture of 8 bits: %s, %d", kind, depth)
	}
	if _, err := r.ReadByte(); err != nil || w <= 0 || h <= 0 || int64(h) > limit/int64(w) {
		return nil, engine.Errorf(engine.TooLarge, "The picture is larger than the limit of %d megapixels.", limit/1_000_000)
	}
	channels := 3
	if kind == "P5" {
		channels = 1
	}
	img, row := image.NewRGBA(image.Rect(0, 0, w, h)), make([]byte, w*channels)
	for y := range h {
		if _, err := io.ReadFull(r, row); err != nil {
			return nil, fmt.Errorf("read the picture: %w", err)
		}
		for x := range w {
			p := row[x*channels:]
			copy(img.Pix[y*img.Stride+4*x:], []byte{p[0], p[channels/2], p[channels-1], 255})
		}
	}
	return img, nil
}
