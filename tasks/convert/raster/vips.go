// Package raster converts pictures with installed programs: libvips for what is common, ImageMagick for what is rare, LibRaw
// for what cameras write. Sizes are checked before any of them sees a file, and none chooses by itself what a file is.
package raster

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Vips is libvips. It is safe for concurrent use.
type Vips struct {
	box       *toolbox.Box
	thumbnail toolbox.Tool
	coders    string // what it reads and writes
}

// NewVips returns the engine, or nil where libvips' programs are not installed.
func NewVips(ctx context.Context, box *toolbox.Box) *Vips {
	version := regexp.MustCompile(`vips[- ](\d[\d.]*)`)
	vips, found := box.Find(ctx, toolbox.Program{Name: "vips", Version: version})
	thumbnail, foundToo := box.Find(ctx, toolbox.Program{Name: "vips", Files: []string{"vipsthumbnail"},
		Args: []string{"--vips-version"}, Version: regexp.MustCompile(`(\d+\.\d[\d.]*)`)})
	if !found || !foundToo {
		return nil
	}
	thumbnail.Version = vips.Version
	var list strings.Builder
	c := box.Command(vips, "", "-l", "foreign")
	c.Stdout = &list
	if outcome, err := c.Run(ctx); err != nil || outcome.Err() != nil {
		return nil
	}
	return &Vips{box: box, thumbnail: thumbnail, coders: list.String()}
}

// Name is "vips".
func (*Vips) Name() string { return "vips" }

// Version is that of libvips.
func (e *Vips) Version() string { return e.thumbnail.Version }

// vipsCoders are libvips' names of the formats.
var vipsCoders = map[convert.Format]string{
	"avif": "heif", "gif": "gif", "heic": "heif", "jp2": "jp2k", "jpg": "jpeg", "jxl": "jxl", "png": "png", "tiff": "tiff",
	"webp": "webp",
}

// lossy formats have a quality.
var lossy = []convert.Format{"avif", "heic", "jp2", "jpg", "jxl", "webp"}

// untrusted formats have coders that libvips itself would keep from files of strangers; here they are fenced in.
var untrusted = []convert.Format{"jp2", "jxl"}

// optionsOf are what a pair obeys.
func optionsOf(to convert.Format) []string {
	names := []string{"width", "height", "fit", "strip"}
	if slices.Contains(lossy, to) {
		names = append(names, "quality")
	}
	return names
}

// Pairs lists what this libvips reads and writes of jpg, png, webp, gif, tiff, heic, avif, jxl and jp2.
func (e *Vips) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for from, load := range vipsCoders {
		for to, save := range vipsCoders {
			if strings.Contains(e.coders, "("+load+"load)") && strings.Contains(e.coders, "("+save+"save)") {
				pairs = append(pairs, convert.Pair{From: from, To: to, Options: convert.Fields(optionsOf(to)...)})
			}
		}
	}
	slices.SortFunc(pairs, func(a, b convert.Pair) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return pairs
}

// wall bounds one picture: what takes longer is made to take long.
const wall = 2 * time.Minute

// percent is in the lines by which libvips reports progress.
var percent = regexp.MustCompile(`(\d{1,3})% complete`)

// Convert makes one file.
func (e *Vips) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	if err := pixels.CheckFile(job.In, job.From, job.Limits.Pixels); err != nil {
		return nil, err
	}
	size, err := sizeOf(job)
	if err != nil {
		return nil, err
	}
	c := e.box.Command(e.thumbnail, job.Dir)
	c.Bounds.Wall = wall
	if !slices.Contains(untrusted, job.From) && !slices.Contains(untrusted, job.To) {
		c.Env = []string{"VIPS_BLOCK_UNTRUSTED=1"} // only coders that were made for files of strangers
	}
	in := c.In(job.In)
	if animated(job.From) && animated(job.To) {
		in += "[n=-1]"
	}
	c.Args = []string{"--vips-progress", "--size", size}
	if job.Options.Fit == "crop" && job.Options.Width > 0 && job.Options.Height > 0 {
		c.Args = append(c.Args, "--smartcrop", "centre")
	}
	c.Args = append(c.Args, "--output", c.Path(job.Out())+"["+strings.Join(saving(job), ",")+"]", in)
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
	if outcome.Err() != nil {
		return nil, convert.Damaged(ctx, job.From, outcome.Err())
	}
	return []string{job.Out()}, nil
}

func animated(f convert.Format) bool { return f == "gif" || f == "webp" }

// saving are the options of the output.
func saving(job convert.Job) []string {
	var options []string
	if job.Options.Strip {
		options = append(options, "strip")
	}
	quality := cmp.Or(job.Options.Quality, convert.DefaultOptions().Quality)
	if slices.Contains(lossy, job.To) {
		options = append(options, fmt.Sprintf("Q=%d", quality))
	}
	switch job.To {
	case "jpg":
		options = append(options, "background=255")
	case "avif":
		options = append(options, "compression=av1", "effort=2")
	case "heic":
		options = append(options, "compression=hevc", "effort=2")
	case "jxl":
		options = append(options, "effort=3")
	case "tiff":
		options = append(options, "compression=deflate", "predictor=horizontal")
	}
	return options
}

// sizeOf says width, height and fit in vips' words. Without any the picture is only turned upright.
func sizeOf(job convert.Job) (string, error) {
	o := job.Options
	if err := checkAsked(o, job.Limits.Pixels); err != nil {
		return "", err
	}
	side := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	both := side(o.Width) + "x" + side(o.Height)
	switch {
	case o.Width == 0 && o.Height == 0:
		return "10000000x10000000>", nil
	case o.Fit == "" || o.Fit == "max":
		return both + ">", nil
	case o.Fit == "scale" && o.Width > 0 && o.Height > 0:
		return both + "!", nil
	}
	return both, nil
}

// checkAsked refuses a size that no picture may have.
func checkAsked(o convert.Options, limit int64) error {
	const most = 65_535
	if o.Width > most || o.Height > most || int64(o.Width)*int64(o.Height) > limit {
		return engine.Errorf(engine.TooLarge, "The asked size is larger than the limit of %d megapixels or %d pixels a side.",
			limit/1_000_000, most)
	}
	return nil
}
