package picture

import (
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"io"
	"slices"
)

// firstFrame is a GIF's first picture on its whole canvas.
func firstFrame(r io.Reader, canvas image.Rectangle) (image.Image, error) {
	img, err := gif.Decode(r)
	if err != nil || img.Bounds() == canvas {
		return img, err
	}
	full := image.NewNRGBA(canvas)
	draw.Draw(full, img.Bounds(), img, img.Bounds().Min, draw.Src)
	return full, nil
}

// resizeGIF resizes every frame of an animation. Each frame of the result covers the whole canvas.
func resizeGIF(g *gif.GIF, resize func(image.Image) image.Image) *gif.GIF {
	canvas := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	out := &gif.GIF{LoopCount: g.LoopCount, Delay: g.Delay}
	for i, frame := range g.Image {
		var before *image.NRGBA
		disposal := g.Disposal[i]
		if disposal == gif.DisposalPrevious {
			before = &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect}
		}
		draw.Draw(canvas, frame.Rect, frame, frame.Rect.Min, draw.Over)
		small := resize(canvas)
		out.Image = append(out.Image, toPaletted(small, withTransparent(frame.Palette)))
		out.Disposal = append(out.Disposal, gif.DisposalBackground)
		switch disposal {
		case gif.DisposalBackground:
			draw.Draw(canvas, frame.Rect, image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas = before
		}
	}
	out.Config.Width, out.Config.Height = out.Image[0].Rect.Dx(), out.Image[0].Rect.Dy()
	return out
}

// withTransparent is p with a fully transparent colour; a full palette loses its second entry for it.
func withTransparent(p color.Palette) color.Palette {
	for _, c := range p {
		if _, _, _, a := c.RGBA(); a == 0 {
			return p
		}
	}
	p = slices.Clone(p)
	if len(p) < 256 {
		return append(p, color.Transparent)
	}
	p[1] = color.Transparent
	return p
}

// toPaletted reduces a picture to a GIF's 256 colours, with dithering where it is opaque.
func toPaletted(img image.Image, p color.Palette) *image.Paletted {
	if already, ok := img.(*image.Paletted); ok {
		return already
	}
	if len(p) == 0 {
		p = palette.Plan9
		if !opaque(img) {
			p = withTransparent(p)
		}
	}
	out := image.NewPaletted(image.Rectangle{Max: img.Bounds().Size()}, p)
	if opaque(img) {
		draw.FloydSteinberg.Draw(out, out.Rect, img, img.Bounds().Min)
	} else {
		draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	}
	return out
}
