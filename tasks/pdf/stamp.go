package pdf

import (
	"context"
	"fmt"
	"os"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

// Optimize writes the PDF in as out without what is there twice or used by nothing. The output can be the larger one.
func (*Library) Optimize(ctx context.Context, in, out string) error {
	c := settings(model.OPTIMIZE)
	c.Optimize, c.OptimizeBeforeWriting = true, true
	return guard(ctx, func() error {
		d, err := read(ctx, in, c)
		if err != nil {
			return err
		}
		defer d.close()
		if err := api.OptimizeContext(d.Context); err != nil {
			return err
		}
		return write(ctx, d.Context, out)
	})
}

// Stamp is what is put on pages: a text, or the picture in a file (jpg, png, tiff or webp).
type Stamp struct {
	Text     string
	Picture  string // path; "" for a text
	Above    bool   // the page's content, not below
	Font     Font
	FontSize int     // in points
	Color    [3]byte // red, green, blue; of a text
	Anchor   Anchor
	MarginX  float64 // to the edge of the page, in points
	MarginY  float64
	Width    float64 // of a picture, as a part of the page's from 0 to 1; 0 keeps its own size at 72 dots per inch
	Opacity  float64 // from 0 to 1
	Rotation float64 // degrees, counterclockwise
}

// Font is one of the fonts that every reader of PDF has (ISO 32000-1, 9.6.2.2).
type Font string

// The fonts, each in its four styles: FontTimes+"-Bold" is another.
const (
	FontHelvetica Font = "Helvetica"
	FontTimes     Font = "Times-Roman"
	FontCourier   Font = "Courier"
)

// Anchor is where on a page something lies.
type Anchor string

// The anchors: top, middle or bottom; left, center or right.
const (
	TopLeft      Anchor = "tl"
	TopCenter    Anchor = "tc"
	TopRight     Anchor = "tr"
	Left         Anchor = "l"
	Center       Anchor = "c"
	Right        Anchor = "r"
	BottomLeft   Anchor = "bl"
	BottomCenter Anchor = "bc"
	BottomRight  Anchor = "br"
)

// Stamp puts a stamp on the named pages.
func (*Library) Stamp(ctx context.Context, in, out string, pages []int, s Stamp) error {
	return guard(ctx, func() error {
		d, err := read(ctx, in, settings(model.ADDWATERMARKS))
		if err != nil {
			return err
		}
		defer d.close()
		wm, done, err := s.watermark()
		if err != nil {
			return err
		}
		defer done()
		on := types.IntSet{}
		for _, n := range pages {
			on[n] = true
		}
		if err := pdfcpu.AddWatermarks(d.Context, on, wm); err != nil {
			return err
		}
		return write(ctx, d.Context, out)
	})
}

// watermark is the stamp in pdfcpu's own words. Done releases what it reads.
func (s Stamp) watermark() (wm *model.Watermark, done func(), err error) {
	dx, dy := s.offset()
	details := fmt.Sprintf("pos:%s, off:%.2f %.2f, rot:%.2f, op:%.3f, ", s.Anchor, dx, dy, s.Rotation, s.Opacity)
	if s.Picture == "" {
		details += fmt.Sprintf("font:%s, points:%d, scale:1 abs, fillc:#%02x%02x%02x", s.Font, max(s.FontSize, 1),
			s.Color[0], s.Color[1], s.Color[2])
		wm, err = api.TextWatermark(s.Text, details, s.Above, false, types.POINTS)
		return wm, func() {}, err
	}
	scale := "1 abs"
	if s.Width > 0 {
		scale = fmt.Sprintf("%.4f rel", min(s.Width, 1))
	}
	f, err := os.Open(s.Picture)
	if err != nil {
		return nil, nil, fmt.Errorf("open the picture: %w", err)
	}
	wm, err = api.ImageWatermarkForReader(f, details+"scale:"+scale, s.Above, false, types.POINTS)
	return wm, func() { f.Close() }, err
}

// offset turns margins, which lead away from the edges, into distances to the right and up.
func (s Stamp) offset() (dx, dy float64) {
	dx, dy = s.MarginX, s.MarginY
	switch s.Anchor {
	case TopCenter, Center, BottomCenter:
		dx = 0
	case TopRight, Right, BottomRight:
		dx = -dx
	}
	switch s.Anchor {
	case Left, Center, Right:
		dy = 0
	case TopLeft, TopCenter, TopRight:
		dy = -dy
	}
	return dx, dy
}
