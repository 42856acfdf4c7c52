package watermark

import (
	"context"
	"image"
	"image/draw"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/media"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// Operation returns the operation "watermark". The catalog's engines read and write pictures; film is nil where films
// cannot be marked.
func Operation(c *convert.Catalog, film *media.Engine) engine.Operation {
	h := handler{catalog: c, film: film, library: pdf.NewLibrary()}
	op := engine.Define("watermark", "Put a text or a picture on PDFs, pictures and films.", engine.LaneCPU, defaults(), h)
	op.Check = engine.CheckWith(check)
	op.Match = convert.MatchBy(Params.want)
	op.Rows = h.rows
	return op
}

type handler struct {
	catalog *convert.Catalog
	film    *media.Engine
	library *pdf.Library
}

// ours is the engine's name for pictures: they are drawn on by this program.
const ours = "imagelib"

func (h handler) rows() []engine.Row {
	rows := []engine.Row{{InputFormat: "pdf", OutputFormat: "pdf", Engine: h.library.Name(), EngineVersion: h.library.Version()}}
	for _, f := range h.catalog.Inputs("png") {
		if h.isPicture(f) {
			rows = append(rows, engine.Row{InputFormat: string(f), OutputFormat: string(f), Engine: ours, EngineVersion: h.version()})
		}
	}
	if h.film != nil {
		for _, f := range media.Films() {
			rows = append(rows, engine.Row{InputFormat: string(f), OutputFormat: string(f), Engine: h.film.Name(), EngineVersion: h.film.Version()})
		}
	}
	return rows
}

func (h handler) version() string {
	if r, err := h.catalog.Route("png", "png", ours); err == nil {
		return r.Version()
	}
	return "1"
}

// isPicture reports whether the format can be read as pixels and written again.
func (h handler) isPicture(f convert.Format) bool {
	for _, r := range []convert.Format{"pdf", "svg"} {
		if f == r {
			return false
		}
	}
	_, in := h.catalog.Route(f, "png", "")
	_, out := h.catalog.Route("png", f, "")
	return in == nil && out == nil
}

// Run marks each input file.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	mark, err := h.mark(ctx, run, p)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	result.Files, err = convert.Each(ctx, run, files, p.Filename,
		func(ctx context.Context, s convert.Source) (paths []string, _ convert.Format, err error) {
			switch {
			case s.Format == "pdf":
				result.Engine, result.Version = h.library.Name(), h.library.Version()
				paths, err = h.onPages(ctx, s, p, mark)
			case h.film != nil && media.IsFilm(s.Format):
				result.Engine, result.Version = h.film.Name(), h.film.Version()
				paths, err = h.onFilm(ctx, s, p, mark)
			case h.isPicture(s.Format):
				result.Engine, result.Version = ours, h.version()
				paths, err = h.onPicture(ctx, s, p, mark)
			default:
				want := p.want()
				want.From = s.Format
				err = run.Elsewhere(convert.Unsupported(want, run.Offered()), want.Fits)
			}
			return paths, s.Format, err
		})
	return result, err
}

// mark is the picture that the parameters name, as a PNG on the disk; empty for a text.
func (h handler) mark(ctx context.Context, run *engine.Run, p Params) (string, error) {
	if p.Image == "" {
		return "", nil
	}
	inputs, err := run.Inputs(ctx)
	if err != nil {
		return "", err
	}
	for _, in := range inputs {
		if (in.Name == p.Image || string(in.Task) == p.Image) && len(in.Files) > 0 {
			return h.fetchMark(ctx, run, in.Files[0])
		}
	}
	return "", engine.Errorf(engine.NoFiles, "The task of the parameter image has no file.")
}

func (h handler) fetchMark(ctx context.Context, run *engine.Run, f engine.File) (string, error) {
	s, err := convert.Fetch(ctx, run, f, f.Name)
	if err != nil {
		return "", convert.About(err, f, 2)
	}
	path, err := h.through(ctx, s, "png")
	return path, convert.About(err, f, 2)
}

// through converts the source by the catalog's preferred way, and returns the first output. Every picture is read by an
// engine, so that what it really is counts, and it stands upright.
func (h handler) through(ctx context.Context, s convert.Source, to convert.Format) (string, error) {
	route, err := h.catalog.Route(s.Format, to, "")
	if err != nil {
		return "", err
	}
	options := convert.DefaultOptions()
	options.Quality = keptQuality
	job, err := s.Job(to, options)
	if err != nil {
		return "", err
	}
	job.Progress = func(int) {}
	made, err := convert.Follow(ctx, route, job)
	if err != nil {
		return "", err
	}
	return made[0], nil
}

// keptQuality is that of lossy pictures, which are encoded once more.
const keptQuality = 92

func (h handler) onPicture(ctx context.Context, s convert.Source, p Params, mark string) ([]string, error) {
	plain, err := h.through(ctx, s, "png")
	if err != nil {
		return nil, err
	}
	s.Progress(30)
	img, err := readPNG(plain)
	if err != nil {
		return nil, err
	}
	stamp, err := p.stampOn(img.Bounds().Size(), mark, s.Limits.Pixels)
	if err != nil {
		return nil, err
	}
	out := image.NewNRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	at := p.at(out.Rect.Size(), stamp.Bounds().Size())
	draw.Draw(out, stamp.Bounds().Sub(stamp.Bounds().Min).Add(at), stamp, stamp.Bounds().Min, draw.Over)
	s.Progress(60)
	marked := s
	marked.In, marked.Format = filepath.Join(s.Dir, "marked.png"), "png"
	if err := writePNG(marked.In, out); err != nil {
		return nil, err
	}
	if s.Format == "png" {
		return []string{marked.In}, nil
	}
	path, err := h.through(ctx, marked, s.Format)
	return []string{path}, err
}

// stampOn is stampFor with the picture at a path.
func (p Params) stampOn(on image.Point, mark string, limit int64) (image.Image, error) {
	if mark == "" {
		return p.stampFor(on, nil, limit)
	}
	picture, err := readPNG(mark)
	if err != nil {
		return nil, err
	}
	return p.stampFor(on, picture, limit)
}

func (h handler) onFilm(ctx context.Context, s convert.Source, p Params, mark string) ([]string, error) {
	job, err := s.Job(s.Format, convert.DefaultOptions())
	if err != nil {
		return nil, err
	}
	info, err := h.film.Probe(ctx, s.In, s.Format, s.Limits)
	if err != nil {
		return nil, err
	}
	if !info.Pictures {
		return nil, engine.Errorf(engine.Invalid, "The %s file has no moving pictures.", s.Format)
	}
	stamp, err := p.stampOn(image.Pt(info.Width, info.Height), mark, s.Limits.Pixels)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.Dir, "stamp.png")
	if err := writePNG(path, stamp); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	out, err := h.film.Overlay(ctx, job, path, p.at(image.Pt(info.Width, info.Height), stamp.Bounds().Size()))
	return []string{out}, err
}

// onPages marks a PDF. A text is written as text, so that it can be found and stays sharp; a text whose width is given, or
// that those fonts do not have, is a picture.
func (h handler) onPages(ctx context.Context, s convert.Source, p Params, mark string) ([]string, error) {
	selection, err := convert.ParsePages(p.Pages)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The parameter pages %s.", err)
	}
	count, err := h.library.Count(ctx, s.In, "")
	if err != nil {
		return nil, err
	}
	pages, err := selection.Of(count)
	if err != nil {
		return nil, err
	}
	rgb, _ := parseColor(p.FontColor)
	stamp := pdf.Stamp{
		Text: p.Text, Above: p.Layer != "below", Font: p.font(), FontSize: p.FontSize, Color: rgb, Anchor: p.anchor(),
		MarginX: float64(p.MarginHorizontal), MarginY: float64(p.MarginVertical), Opacity: float64(p.Opacity) / 100,
		Rotation: -p.Rotation,
	}
	if mark != "" || p.FontWidthPercent > 0 || !isLatin(p.Text) {
		if err := p.asPicture(&stamp, s, mark); err != nil {
			return nil, err
		}
	}
	out := filepath.Join(s.Dir, "marked.pdf")
	if err := h.library.Stamp(ctx, s.In, out, pages, stamp); err != nil {
		return nil, err
	}
	return []string{out}, pdf.Check(ctx, h.library, out, "", count)
}

func isLatin(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 0xff })
}

// asPicture gives the stamp a picture in place of its text.
func (p Params) asPicture(stamp *pdf.Stamp, s convert.Source, mark string) error {
	upright := p
	upright.Rotation, upright.Opacity = 0, 100 // the PDF turns and fades it
	const page = 595                           // points of A4's width, for what is measured against the page
	if p.FontWidthPercent > 0 {
		upright.FontSize, upright.FontWidthPercent = 100, 0
		stamp.Width = p.FontWidthPercent / 100
	}
	if mark != "" && p.ImageWidthPercent > 0 {
		upright.ImageWidthPercent = 0
		stamp.Width = p.ImageWidthPercent / 100
	}
	img, err := upright.stampOn(image.Pt(page, page), mark, s.Limits.Pixels)
	if err != nil {
		return err
	}
	stamp.Text, stamp.Picture = "", filepath.Join(s.Dir, "stamp.png")
	return writePNG(stamp.Picture, img)
}
