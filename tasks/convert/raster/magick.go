package raster

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// policy allows the coders below and nothing else: none that reads other files, calls others or runs a language.
//
//go:embed policy.xml
var policy []byte

// Magick is ImageMagick. It is safe for concurrent use.
type Magick struct {
	box    *toolbox.Box
	tool   toolbox.Tool
	policy string // folder
}

// NewMagick returns the engine, or nil where ImageMagick is not installed. Its policy lies in a folder that goes with the box.
func NewMagick(ctx context.Context, box *toolbox.Box) *Magick {
	tool, found := box.Find(ctx, toolbox.Program{
		Name: "imagemagick", Files: []string{"convert-im6.q16", "magick", "convert"}, Args: []string{"-version"},
		Version: regexp.MustCompile(`ImageMagick (\d[\d.-]*)`),
	})
	if !found {
		return nil
	}
	dir, err := box.Folder()
	if err != nil {
		return nil
	}
	if err := os.WriteFile(filepath.Join(dir, "policy.xml"), policy, 0o644); err != nil {
		return nil
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil
	}
	return &Magick{box: box, tool: tool, policy: dir}
}

// Name is "imagemagick".
func (*Magick) Name() string { return "imagemagick" }

// Version is that of ImageMagick.
func (e *Magick) Version() string { return e.tool.Version }

// coders are ImageMagick's names of the formats; the policy lists them too. They stand before every name of a file, so that
// no name chooses another.
var coders = map[convert.Format]string{
	"avif": "AVIF", "bmp": "BMP", "cin": "CIN", "dcm": "DCM", "dds": "DDS", "dpx": "DPX", "fits": "FITS", "gif": "GIF",
	"hdr": "HDR", "heic": "HEIC", "ico": "ICO", "jp2": "JP2", "jpg": "JPEG", "pbm": "PBM", "pcx": "PCX", "pgm": "PGM",
	"pict": "PICT", "png": "PNG", "pnm": "PNM", "ppm": "PPM", "psb": "PSB", "psd": "PSD", "ras": "SUN", "sgi": "SGI",
	"tga": "TGA", "tiff": "TIFF", "webp": "WEBP", "wbmp": "WBMP", "xcf": "XCF", "xpm": "XPM",
}

// readOnly formats cannot be written.
var readOnly = []convert.Format{"dcm", "xcf", "psb", "pnm"}

// Pairs lists every coder into every one that can be written. It comes behind libraries that know a format themselves.
func (*Magick) Pairs() []convert.Pair {
	var pairs []convert.Pair
	formats := slices.Sorted(maps.Keys(coders))
	for _, from := range formats {
		for _, to := range formats {
			if !slices.Contains(readOnly, to) {
				pairs = append(pairs, convert.Pair{From: from, To: to, Options: convert.Fields(optionsOf(to)...), Merit: -1})
			}
		}
	}
	return pairs
}

// flat formats have no transparency.
var flat = []convert.Format{"jpg", "ppm", "pgm", "pbm", "pcx", "wbmp"}

// maxIcon is the largest side of a picture in an icon.
const maxIcon = 256

// Convert makes one file of the first picture.
func (e *Magick) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	if err := pixels.CheckFile(job.In, job.From, job.Limits.Pixels); err != nil {
		return nil, err
	}
	if err := checkAsked(job.Options, job.Limits.Pixels); err != nil {
		return nil, err
	}
	c := e.box.Command(e.tool, job.Dir)
	c.Bounds.Wall = wall
	c.Env = []string{"MAGICK_CONFIGURE_PATH=" + c.In(e.policy), "MAGICK_THREAD_LIMIT=2"}
	c.Args = []string{"-limit", "area", strconv.FormatInt(job.Limits.Pixels, 10), "-limit", "time", "120"}
	c.Args = append(c.Args, coders[job.From]+":"+c.In(job.In)+"[0]", "-auto-orient")
	if job.Options.Strip {
		c.Args = append(c.Args, "-strip")
	}
	c.Args = append(c.Args, geometry(job.Options)...)
	if slices.Contains(flat, job.To) {
		c.Args = append(c.Args, "-background", "white", "-flatten")
	}
	if job.To == "ico" {
		c.Args = append(c.Args, "-resize", fmt.Sprintf("%dx%d>", maxIcon, maxIcon))
	}
	if slices.Contains(lossy, job.To) {
		c.Args = append(c.Args, "-quality", strconv.Itoa(cmp.Or(job.Options.Quality, convert.DefaultOptions().Quality)))
	}
	c.Args = append(c.Args, coders[job.To]+":"+c.Path(job.Out()))
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if outcome.Err() != nil {
		return nil, convert.Damaged(ctx, job.From, outcome.Err())
	}
	return []string{job.Out()}, nil
}

// geometry says width, height and fit in ImageMagick's words.
func geometry(o convert.Options) []string {
	if o.Width == 0 && o.Height == 0 {
		return nil
	}
	size := "x"
	if o.Width > 0 {
		size = strconv.Itoa(o.Width) + size
	}
	if o.Height > 0 {
		size += strconv.Itoa(o.Height)
	}
	both := o.Width > 0 && o.Height > 0
	switch {
	case both && o.Fit == "crop":
		return []string{"-resize", size + "^", "-gravity", "center", "-extent", size}
	case both && o.Fit == "scale":
		return []string{"-resize", size + "!"}
	case o.Fit == "" || o.Fit == "max":
		return []string{"-resize", size + ">"}
	}
	return []string{"-resize", size}
}
