package picture

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"codeberg.org/go-pdf/fpdf"
	"github.com/disintegration/imaging"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// A PDF page of a picture is as large as the picture at 96 pixels an inch; ISO 32000 ends pages at 14,400 points.
const (
	pointsPerPixel = 72.0 / 96
	maxPagePoints  = 14_400
)

// endsAsJPEG reports whether the file's last bytes hold the end of the picture, so that it can be taken over unread.
func endsAsJPEG(s *source) bool {
	tail := make([]byte, min(s.size, 64<<10))
	if _, err := s.file.ReadAt(tail, s.size-int64(len(tail))); err != nil {
		return false
	}
	return bytes.LastIndex(tail, []byte{0xff, 0xd9}) >= 0
}

// jpegToPDF puts a JPEG into a PDF byte for byte, but for the metadata that is to be stripped. An orientation becomes a
// turn of the page's coordinates.
func jpegToPDF(ctx context.Context, s *source, job convert.Job) error {
	picture := s.reader(ctx)
	if job.Options.Strip {
		picture = convert.Reader(ctx, bareJPEG(s.file, s.size))
	}
	return convert.Save(ctx, job.Out(), func(w io.Writer) error {
		return onePage(w, picture, "JPG", image.Pt(s.config.Width, s.config.Height), s.turn)
	})
}

// pictureToPDF puts decoded pixels into a PDF: photographs as JPEG, the rest without loss.
func pictureToPDF(w io.Writer, img image.Image, photo bool) error {
	var buf bytes.Buffer
	kind, err := "PNG", error(nil)
	if photo && opaque(img) {
		kind, err = "JPG", jpeg.Encode(&buf, img, &jpeg.Options{Quality: 92})
	} else {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, eightBit(img))
	}
	if err != nil {
		return err
	}
	return onePage(w, &buf, kind, img.Bounds().Size(), 1)
}

// eightBit is img with at most eight bits a channel, which is all the PDF writer takes.
func eightBit(img image.Image) image.Image {
	switch img.(type) {
	case *image.Gray16, *image.RGBA64, *image.NRGBA64:
		return imaging.Clone(img)
	}
	return img
}

func onePage(w io.Writer, picture io.Reader, kind string, size image.Point, turn int) error {
	width, height := float64(size.X)*pointsPerPixel, float64(size.Y)*pointsPerPixel
	if most := max(width, height); most > maxPagePoints {
		width, height = width*maxPagePoints/most, height*maxPagePoints/most
	}
	page := fpdf.SizeType{Wd: width, Ht: height}
	if turn >= 5 {
		page = fpdf.SizeType{Wd: height, Ht: width}
	}
	pdf := fpdf.NewCustom(&fpdf.InitType{OrientationStr: "P", UnitStr: "pt", Size: page})
	pdf.SetMargins(0, 0, 0)
	pdf.SetAutoPageBreak(false, 0)
	pdf.AddPageFormat("P", page)
	options := fpdf.ImageOptions{ImageType: kind}
	pdf.RegisterImageOptionsReader("picture", options, picture)
	pdf.TransformBegin()
	pdf.Transform(turned(turn, width, height, page.Ht))
	pdf.ImageOptions("picture", 0, 0, width, height, false, options, 0, "")
	pdf.TransformEnd()
	return pdf.Output(w)
}

// turned is the matrix that shows a picture of w by h points, lying at the top left of a page of pageHeight, as an EXIF
// orientation asks. PDF coordinates grow upwards.
func turned(turn int, w, h, pageHeight float64) fpdf.TransformMatrix {
	m := map[int]fpdf.TransformMatrix{
		2: {A: -1, D: 1, E: w}, 3: {A: -1, D: -1, E: w, F: h}, 4: {A: 1, D: -1, F: h},
		5: {B: -1, C: -1, E: h, F: w}, 6: {B: -1, C: 1, F: w}, 7: {B: 1, C: 1}, 8: {B: 1, C: -1, E: h},
	}[turn]
	if turn < 2 || turn > 8 {
		m = fpdf.TransformMatrix{A: 1, D: 1}
	}
	// The picture is drawn with its lower edge at pageHeight-h; the matrices above want it at 0.
	down := pageHeight - h
	m.E -= m.C * down
	m.F -= m.D * down
	return m
}
