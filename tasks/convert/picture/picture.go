// Package picture converts pictures with the codecs of Go and with libheif as WebAssembly, and saves what other engines draw.
package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/HugoSmits86/nativewebp"
	"github.com/disintegration/imaging"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture/heif"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
)

// Engine converts pictures with Go's own codecs and those of golang.org/x/image. EXIF and ICC profile are carried over
// from jpg, png and webp to jpg, png and webp unless its options say otherwise; other pairs carry neither, but a jpg
// that becomes a pdf page as it is. An EXIF orientation is applied to the pixels. Of a file with several pictures the
// first is taken, but GIF to GIF keeps the animation. WebP is written lossless.
type Engine struct {
	heic heif.Decoder
}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "imagelib".
func (*Engine) Name() string { return "imagelib" }

// Version is that of golang.org/x/image.
func (*Engine) Version() string { return convert.ModuleVersion("golang.org/x/image") }

// Pairs lists jpg, png, gif, bmp, tiff, webp, ico and heic to jpg, png, gif, bmp, tiff, webp and pdf.
func (*Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp", "ico", "heic"} {
		for _, to := range []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp", "pdf"} {
			names := []string{"width", "height", "fit", "strip"}
			if to == "jpg" {
				names = append(names, "quality")
			}
			pairs = append(pairs, convert.Pair{From: from, To: to, Options: convert.Fields(names...)})
		}
	}
	return pairs
}

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	s, err := openPicture(ctx, job)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if job.To == "pdf" && job.From == "jpg" && !job.Options.Resizes() && endsAsJPEG(s) {
		return []string{job.Out()}, jpegToPDF(ctx, s, job)
	}
	if job.From == "gif" && job.To == "gif" && s.frames > 1 {
		return []string{job.Out()}, convertAnimation(ctx, s, job)
	}
	img, err := s.decode(ctx, &e.heic, job.Limits.Pixels)
	if err != nil {
		return nil, err
	}
	var meta metadata
	if !job.Options.Strip {
		meta = s.metadata()
	}
	job.Progress(50)
	if job.To == "webp" {
		if err := fitsWebP(img.Bounds().Size(), job.Options); err != nil {
			return nil, err
		}
	}
	if img, err = Resize(img, job.Options, job.Limits.Pixels); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return []string{job.Out()}, convert.Save(ctx, job.Out(), func(w io.Writer) error {
		return encode(w, img, job, meta)
	})
}

// Save writes a picture as job.To, which is a format that Engine makes, to path.
func Save(ctx context.Context, path string, img image.Image, job convert.Job) error {
	return convert.Save(ctx, path, func(w io.Writer) error { return encode(w, img, job, metadata{}) })
}

func encode(w io.Writer, img image.Image, job convert.Job, meta metadata) error {
	switch job.To {
	case "jpg":
		img = onWhite(img)
		w = inserting(w, jpegHead, meta.of(img, job.To).segments())
		return jpeg.Encode(w, img, &jpeg.Options{Quality: quality(job.Options)})
	case "png":
		extra, err := meta.of(img, job.To).chunks()
		if err != nil {
			return err
		}
		return png.Encode(inserting(w, pngHead, extra), img)
	case "gif":
		return gif.EncodeAll(w, &gif.GIF{Image: []*image.Paletted{toPaletted(img, nil)}, Delay: []int{0}})
	case "bmp":
		return bmp.Encode(w, img)
	case "tiff":
		return tiff.Encode(w, img, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	case "webp":
		return encodeWebP(w, plain(img), meta)
	}
	return pictureToPDF(w, img, job.From == "jpg" || job.From == "heic")
}

func encodeWebP(w io.Writer, img image.Image, meta metadata) error {
	if meta = meta.of(img, "webp"); meta.empty() {
		return nativewebp.Encode(w, img, nil)
	}
	var b bytes.Buffer
	if err := nativewebp.Encode(&b, img, nil); err != nil {
		return err
	}
	return extendedWebP(w, b.Bytes(), img, meta)
}

func quality(o convert.Options) int {
	if o.Quality == 0 {
		return convert.DefaultOptions().Quality
	}
	return o.Quality
}

// Resize applies width, height and fit. More than limit pixels are an error with the code engine.TooLarge.
func Resize(img image.Image, o convert.Options, limit int64) (image.Image, error) {
	if !o.Resizes() {
		return img, nil
	}
	w, h := target(img.Bounds().Size(), o)
	if err := pixels.Check(w, h, limit); err != nil {
		return nil, engine.Errorf(engine.TooLarge, "The asked size is larger than the limit of %d megapixels.", limit/1_000_000)
	}
	if image.Pt(w, h) == img.Bounds().Size() {
		return img, nil
	}
	if o.Fit == "crop" && o.Width > 0 && o.Height > 0 {
		return imaging.Fill(plain(img), w, h, imaging.Center, imaging.Lanczos), nil
	}
	return imaging.Resize(plain(img), w, h, imaging.Lanczos), nil
}

// fitsWebP asks before the work is done, not after.
func fitsWebP(size image.Point, o convert.Options) error {
	const most = 16_384
	if o.Resizes() {
		size.X, size.Y = target(size, o)
	}
	if size.X > most || size.Y > most {
		return engine.Errorf(engine.TooLarge, "A webp image has at most %d pixels a side; give a smaller width or height.", most)
	}
	return nil
}

// target is the size of the output. A side that was not given follows from the other.
func target(in image.Point, o convert.Options) (w, h int) {
	w, h = o.Width, o.Height
	if w > 0 && h > 0 && o.Fit != "" && o.Fit != "max" {
		return w, h
	}
	scale := float64(w) / float64(in.X)
	if byHeight := float64(h) / float64(in.Y); w == 0 || h > 0 && byHeight < scale {
		scale = byHeight
	}
	if scale > 1 && (o.Fit == "" || o.Fit == "max") {
		return in.X, in.Y
	}
	round := func(side int) int { return max(1, int(float64(side)*scale+0.5)) }
	return round(in.X), round(in.Y)
}

// convertAnimation resizes a GIF and keeps all its frames.
func convertAnimation(ctx context.Context, s *source, job convert.Job) error {
	w, h := s.config.Width, s.config.Height
	if job.Options.Resizes() {
		w, h = target(image.Pt(w, h), job.Options)
		if err := pixels.Check(w, h*s.frames, job.Limits.Pixels); err != nil {
			return engine.Errorf(engine.TooLarge, "The %d frames are together larger than the limit of %d megapixels.", s.frames,
				job.Limits.Pixels/1_000_000)
		}
	}
	g, err := gif.DecodeAll(s.reader(ctx))
	if err != nil {
		return convert.Damaged(ctx, s.format, err)
	}
	job.Progress(30)
	if job.Options.Resizes() {
		g = resizeGIF(g, func(frame image.Image) image.Image {
			out, err := Resize(frame, job.Options, job.Limits.Pixels)
			if err = errors.Join(err, context.Cause(ctx)); err != nil {
				panic(err) // cannot be over the limit, that was asked before
			}
			return out
		})
	}
	return convert.Save(ctx, job.Out(), func(w io.Writer) error { return gif.EncodeAll(w, g) })
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// onWhite puts a picture with transparency on white, for formats that have none.
func onWhite(img image.Image) image.Image {
	if opaque(img) {
		return img
	}
	b := img.Bounds()
	out := image.NewRGBA(image.Rectangle{Max: b.Size()})
	draw.Draw(out, out.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, b.Min, draw.Over)
	return out
}
