package watermark

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/gantry-engine/gantry/engine"
)

// stampFor is the watermark as a picture with transparency, as it will lie on something of that size. Picture is the one that
// a task names; nil for a text.
func (p Params) stampFor(on image.Point, picture image.Image, limit int64) (image.Image, error) {
	stamp := picture
	if picture == nil {
		text, err := p.drawText(on, limit)
		if err != nil {
			return nil, err
		}
		stamp = text
	} else {
		w, h := p.pictureSize(on, picture.Bounds().Size())
		if w <= 0 || h <= 0 || int64(w)*int64(h) > limit {
			return nil, engine.Errorf(engine.TooLarge, "The watermark would be larger than the limit of %d megapixels.", limit/1_000_000)
		}
		stamp = imaging.Resize(picture, w, h, imaging.Lanczos)
	}
	if p.Rotation != 0 {
		stamp = imaging.Rotate(stamp, -p.Rotation, color.Transparent)
	}
	return faded(stamp, p.Opacity), nil
}

// pictureSize is the size at which the picture is drawn.
func (p Params) pictureSize(on, own image.Point) (w, h int) {
	w, h = p.ImageWidth, p.ImageHeight
	if p.ImageWidthPercent > 0 {
		w, h = max(1, int(float64(on.X)*p.ImageWidthPercent/100)), 0
	}
	switch {
	case w == 0 && h == 0:
		return own.X, own.Y
	case h == 0:
		return w, max(1, w*own.Y/own.X)
	case w == 0:
		return max(1, h*own.X/own.Y), h
	}
	return w, h
}

// typeface is the nearest of the Go fonts, which hold Latin, Greek and Cyrillic.
func (p Params) typeface() []byte {
	name := strings.ToLower(p.FontName)
	bold, italic := strings.Contains(name, "bold"), strings.Contains(name, "italic")
	switch {
	case strings.Contains(name, "courier"), strings.Contains(name, "mono"):
		return gomono.TTF
	case bold && italic:
		return gobolditalic.TTF
	case bold:
		return gobold.TTF
	case italic:
		return goitalic.TTF
	}
	return goregular.TTF
}

func (p Params) drawText(on image.Point, limit int64) (image.Image, error) {
	parsed, err := opentype.Parse(p.typeface())
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	face, err := newFace(parsed, float64(p.FontSize))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.ReplaceAll(p.Text, "\r\n", "\n"), "\n")
	if p.FontWidthPercent > 0 {
		want, have := float64(on.X)*p.FontWidthPercent/100, float64(widest(face, lines))
		if face, err = newFace(parsed, min(2000, float64(p.FontSize)*want/max(1, have))); err != nil {
			return nil, err
		}
	}
	defer face.Close()
	height := face.Metrics().Height.Ceil()
	size := image.Pt(max(1, widest(face, lines)), max(1, height*len(lines)))
	if int64(size.X)*int64(size.Y) > limit {
		return nil, engine.Errorf(engine.TooLarge, "The watermark would be larger than the limit of %d megapixels.", limit/1_000_000)
	}
	rgb, _ := parseColor(p.FontColor)
	img := image.NewNRGBA(image.Rectangle{Max: size})
	d := font.Drawer{Dst: img, Src: image.NewUniform(color.NRGBA{rgb[0], rgb[1], rgb[2], 255}), Face: face}
	for i, line := range lines {
		free := size.X - d.MeasureString(line).Ceil()
		x := map[string]int{"left": 0, "right": free}[p.FontAlign]
		if p.FontAlign == "" || p.FontAlign == "center" {
			x = free / 2
		}
		d.Dot = fixed.P(x, i*height+face.Metrics().Ascent.Ceil())
		d.DrawString(line)
	}
	return img, nil
}

func newFace(f *opentype.Font, size float64) (font.Face, error) {
	const dotsPerInch = 72 // so that a point is a pixel
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: max(1, size), DPI: dotsPerInch, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	return face, nil
}

func widest(face font.Face, lines []string) (width int) {
	for _, line := range lines {
		width = max(width, font.MeasureString(face, line).Ceil())
	}
	return width
}

// faded takes away from the picture's opacity.
func faded(img image.Image, percent int) image.Image {
	if percent >= 100 {
		return img
	}
	out := image.NewNRGBA(image.Rectangle{Max: img.Bounds().Size()})
	mask := image.NewUniform(color.Alpha{A: uint8(math.Round(float64(percent) * 255 / 100))})
	draw.DrawMask(out, out.Rect, img, img.Bounds().Min, mask, image.Point{}, draw.Over)
	return out
}

// at is where the upper left corner of a stamp lies.
func (p Params) at(on, stamp image.Point) image.Point {
	place := func(on, stamp, margin int, near, far bool) int {
		switch {
		case near:
			return margin
		case far:
			return on - stamp - margin
		}
		return (on - stamp) / 2
	}
	return image.Pt(
		place(on.X, stamp.X, p.MarginHorizontal, p.PositionHorizontal == "left", p.PositionHorizontal == "right"),
		place(on.Y, stamp.Y, p.MarginVertical, p.PositionVertical == "top", p.PositionVertical == "bottom"))
}

func readPNG(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the picture: %w", err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return nil, engine.Wrap(err, engine.Invalid, "The png file is damaged or of a kind that cannot be read.")
	}
	return img, nil
}

func writePNG(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the picture: %w", err)
	}
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(f, img); err != nil {
		f.Close()
		return fmt.Errorf("write the picture: %w", err)
	}
	return f.Close()
}
