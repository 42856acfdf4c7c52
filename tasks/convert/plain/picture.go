package plain

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/jpeg"
	"image/png"
	"net/url"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"github.com/disintegration/imaging"
	"golang.org/x/net/html"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
)

// pointsPerPixel is how large a pixel of CSS is.
const pointsPerPixel = 72.0 / 96

// imageBudget counts the pixels that the pictures of one document may still have.
type imageBudget struct {
	pixels int64
	count  int
}

// image draws a picture from a data URI. Any other picture, and one that cannot be read, becomes its alternative text:
// a document must not make this server open files or addresses.
func (r *renderer) image(ctx context.Context, n *html.Node, f face) error {
	img, err := r.images.decode(ctx, attribute(n, "src"))
	if err != nil {
		return err
	}
	if img == nil {
		if alt := attribute(n, "alt"); alt != "" {
			r.add("["+alt+"]", f)
		}
		return nil
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	var buf bytes.Buffer
	kind := "PNG"
	if _, photo := img.(*image.YCbCr); photo {
		kind, err = "JPG", jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90})
	} else {
		err = png.Encode(&buf, imaging.Clone(img))
	}
	if err != nil {
		return err
	}
	r.place(&buf, kind, img.Bounds().Size())
	return nil
}

func (r *renderer) place(picture *bytes.Buffer, kind string, size image.Point) {
	w, h := float64(size.X)*pointsPerPixel, float64(size.Y)*pointsPerPixel
	if scale := min(1, r.width()/w, (pageHeight-2*margin)/h); scale < 1 {
		w, h = w*scale, h*scale
	}
	r.images.count++
	name := strconv.Itoa(r.images.count)
	options := fpdf.ImageOptions{ImageType: kind}
	r.pdf.RegisterImageOptionsReader(name, options, picture)
	r.room(h)
	r.pdf.ImageOptions(name, r.left(), r.y, w, h, false, options, 0, "")
	r.y += h + 4
}

// decode is nil for what is no readable picture in a data URI.
func (b *imageBudget) decode(ctx context.Context, src string) (image.Image, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	meta, content, ok := strings.Cut(src, ",")
	if !ok || !strings.HasPrefix(meta, "data:image/") {
		return nil, nil
	}
	raw := []byte(content)
	if strings.HasSuffix(meta, ";base64") {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), "")); err != nil {
			return nil, nil
		}
	} else if text, err := url.PathUnescape(content); err == nil {
		raw = []byte(text)
	}
	return b.picture(ctx, raw)
}

func (b *imageBudget) picture(ctx context.Context, raw []byte) (image.Image, error) {
	format, err := filetype.Detect(bytes.NewReader(raw), int64(len(raw)), "")
	if err != nil {
		return nil, nil
	}
	img, err := picture.Decode(ctx, raw, format, b.pixels)
	if engine.CodeOf(err) == engine.TooLarge {
		return nil, err
	}
	if err != nil {
		return nil, context.Cause(ctx)
	}
	b.pixels -= int64(img.Bounds().Dx()) * int64(img.Bounds().Dy())
	return img, nil
}
