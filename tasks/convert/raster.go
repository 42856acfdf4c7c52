package convert

import (
	"image"
	"math"

	"github.com/gantry-engine/gantry/engine"
)

// Raster is how a page becomes a picture: the size at which it is drawn, and which part of that is kept.
type Raster struct {
	Width, Height int
	Part          image.Rectangle
}

const (
	defaultDensity = 150
	pointsPerInch  = 72
	maxSide        = 65_535 // of a JPEG
)

// Raster returns how a page of width by height points is drawn. Without Options.Width and Height it is as large as
// PixelDensity says. With them it fits in (max), fills (crop) or takes (scale) that size; max makes a page no larger than
// PixelDensity says if that is given too. More than limit pixels are an error with the code engine.TooLarge, so that a
// page's size is known to be bearable before it is drawn.
func (o Options) Raster(width, height float64, limit int64) (Raster, error) {
	if !(width > 0 && height > 0) || math.IsInf(width, 0) || math.IsInf(height, 0) {
		return Raster{}, engine.Errorf(engine.Invalid, "A page of the document has no size.")
	}
	density := float64(defaultDensity)
	if o.PixelDensity > 0 {
		density = float64(o.PixelDensity)
	}
	w, h := width*density/pointsPerInch, height*density/pointsPerInch
	keepW, keepH := 0.0, 0.0
	if o.Resizes() {
		w, h = o.scaled(w, h)
		if o.Fit == "crop" && o.Width > 0 && o.Height > 0 {
			keepW, keepH = float64(o.Width), float64(o.Height)
		}
	}
	w, h = max(1, math.Round(w)), max(1, math.Round(h))
	if w > maxSide || h > maxSide || w*h > float64(limit) {
		return Raster{}, engine.Errorf(engine.TooLarge, "A page would become larger than the limit of %d megapixels or %d pixels a side: "+
			"give a smaller pixel_density, width or height.", limit/1_000_000, maxSide)
	}
	r := Raster{Width: int(w), Height: int(h)}
	r.Part = image.Rect(0, 0, r.Width, r.Height)
	if keepW > 0 {
		at := image.Pt(max(0, int(w-keepW)/2), max(0, int(h-keepH)/2))
		r.Part = image.Rectangle{Min: at, Max: at.Add(image.Pt(o.Width, o.Height))}.Intersect(r.Part)
	}
	return r, nil
}

// scaled is the size at which a page of w by h pixels is drawn so that it becomes what width, height and fit ask for.
func (o Options) scaled(w, h float64) (float64, float64) {
	byWidth, byHeight := float64(o.Width)/w, float64(o.Height)/h
	scale := math.Min(byWidth, byHeight)
	switch {
	case o.Width > 0 && o.Height > 0 && o.Fit == "scale":
		return float64(o.Width), float64(o.Height)
	case o.Width > 0 && o.Height > 0 && o.Fit == "crop", o.Width == 0, o.Height == 0:
		scale = math.Max(byWidth, byHeight)
	}
	if o.PixelDensity > 0 && (o.Fit == "" || o.Fit == "max") {
		scale = math.Min(scale, 1)
	}
	return w * scale, h * scale
}
