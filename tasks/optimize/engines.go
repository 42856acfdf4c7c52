package optimize

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/pdftools"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engines returns all engines that work here: pictures are written anew by what the catalog prefers, PDFs by pdfcpu, and
// pngquant and Ghostscript help where the box finds them.
func Engines(ctx context.Context, box *toolbox.Box, c *convert.Catalog) []Engine {
	var engines []Engine
	quant, found := box.Find(ctx, toolbox.Program{Name: "pngquant", Version: regexp.MustCompile(`(\d+\.\d[\d.]*)`)})
	if found {
		engines = append(engines, pngquant{box, quant})
	}
	engines = append(engines, Rewriting(c)...)
	engines = append(engines, library{pdf.NewLibrary()})
	if gs := pdftools.NewGhostscript(ctx, box); gs != nil {
		engines = append(engines, ghostscript{gs})
	}
	return engines
}

// Rewriting returns the engines that write a jpg or png anew, by the catalog's preferred engine for each.
func Rewriting(c *convert.Catalog) (engines []Engine) {
	for _, f := range []convert.Format{"jpg", "png"} {
		if route, err := c.Route(f, f, ""); err == nil {
			engines = append(engines, picture{route, f})
		}
	}
	return engines
}

// picture writes pictures anew with an engine of conversions.
type picture struct {
	route  convert.Route
	format convert.Format
}

func (e picture) Name() string              { return e.route.Engine() }
func (e picture) Version() string           { return e.route.Version() }
func (e picture) Formats() []convert.Format { return []convert.Format{e.format} }

func (e picture) Shrink(ctx context.Context, s convert.Source, p Params) (string, error) {
	s.Progress = func(int) {}
	job, err := s.Job(s.Format, convert.Options{Quality: p.quality(), Strip: p.strips(), Fit: "max"})
	if err != nil {
		return "", err
	}
	made, err := convert.Follow(ctx, e.route, job)
	if err != nil {
		return "", err
	}
	return made[0], nil
}

// pngquant chooses 256 colours.
type pngquant struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

func (pngquant) Name() string              { return "pngquant" }
func (e pngquant) Version() string         { return e.tool.Version }
func (pngquant) Formats() []convert.Format { return []convert.Format{"png"} }

// What pngquant answers when it left the picture as it is: more colours are needed for the quality, or it became no smaller.
const (
	tooPoor   = 99
	noSmaller = 98
)

func (e pngquant) Shrink(ctx context.Context, s convert.Source, p Params) (string, error) {
	if !p.strips() { // print and archive keep every colour
		return s.In, nil
	}
	out := filepath.Join(s.Dir, "quant.png")
	c := e.box.Command(e.tool, s.Dir)
	c.Bounds.Wall = 2 * time.Minute
	c.Args = []string{"--quality=0-" + strconv.Itoa(p.quality()), "--speed=3", "--strip", "--skip-if-larger", "--output=" + c.Path(out),
		"--", c.In(s.In)}
	outcome, err := c.Run(ctx)
	if err != nil {
		return "", err
	}
	if outcome.Exit == tooPoor || outcome.Exit == noSmaller {
		return s.In, nil
	}
	if err := outcome.Err(); err != nil {
		return "", engine.Wrap(err, engine.Invalid, "The png file is damaged or of a kind that cannot be read.")
	}
	return out, nil
}

// library is pdfcpu, which takes out of a PDF what is there twice.
type library struct{ *pdf.Library }

func (library) Formats() []convert.Format { return []convert.Format{"pdf"} }

func (e library) Shrink(ctx context.Context, s convert.Source, _ Params) (string, error) {
	out := filepath.Join(s.Dir, "library.pdf")
	pages, err := e.Count(ctx, s.In, "")
	if err != nil {
		return "", err
	}
	if err := e.Optimize(ctx, s.In, out); err != nil {
		return "", err
	}
	return out, pdf.Check(ctx, e.Library, out, "", pages)
}

// ghostscript makes the pictures in a PDF coarser.
type ghostscript struct{ *pdftools.Ghostscript }

func (ghostscript) Formats() []convert.Format { return []convert.Format{"pdf"} }

func (e ghostscript) Shrink(ctx context.Context, s convert.Source, p Params) (string, error) {
	profile, known := map[string]pdftools.Profile{
		"web": pdftools.ProfileEbook, "print": pdftools.ProfilePrinter, "mrc": pdftools.ProfileEbook, "max": pdftools.ProfileScreen,
	}[p.Profile]
	if !known { // an archive keeps its pictures
		return s.In, nil
	}
	check := pdf.NewLibrary()
	pages, err := check.Count(ctx, s.In, "")
	if err != nil {
		return "", err
	}
	out := filepath.Join(s.Dir, "ghostscript.pdf")
	if err := e.Ghostscript.Shrink(ctx, s.In, out, profile); err != nil {
		return "", err
	}
	return out, pdf.Check(ctx, check, out, "", pages)
}
