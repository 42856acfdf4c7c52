package pdfium

import (
	"context"
	"encoding/binary"
	"image"
	"io"
	"math"
	"os"
	"unicode/utf16"

	"github.com/tetratelabs/wazero/api"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/wasm"
)

// maxFile is the largest document: it lies whole in the library's memory.
const maxFile = 512 << 20

var errMemory = engine.Errorf(engine.TooLarge, "The PDF needs more memory than the %d MiB it may have.", maxMemory>>20)

// What FPDF_GetLastError says (fpdfview.h).
const (
	lastPassword = 4
	lastSecurity = 5
)

// document is an open PDF.
type document struct {
	instance
	handle uint64
	pages  int
}

// open reads the file at path into a new instance. The document is closed with its instance.
func open(ctx context.Context, library *wasm.Library, path string, password param.Secret) (*document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, engine.Errorf(engine.TooLarge, "The PDF is larger than the %d MiB that pdfium can open.", maxFile>>20)
	}
	i, err := start(ctx, library)
	if err != nil {
		return nil, err
	}
	d := &document{instance: i}
	if err := d.read(ctx, f, uint64(info.Size()), password); err != nil {
		i.End(ctx)
		return nil, err
	}
	return d, nil
}

func (d *document) read(ctx context.Context, f io.Reader, size uint64, password param.Secret) error {
	at, err := d.alloc(ctx, size)
	if err != nil {
		return err
	}
	view, ok := d.Memory().Read(at, uint32(size))
	if !ok {
		return errMemory
	}
	if _, err := io.ReadFull(f, view); err != nil {
		return err
	}
	key, err := d.text(ctx, password.Reveal())
	if err != nil {
		return err
	}
	if d.handle, err = d.Call(ctx, "FPDF_LoadMemDocument", uint64(at), size, uint64(key)); err != nil {
		return err
	}
	if d.handle == 0 {
		return d.refusal(ctx, password)
	}
	count, err := d.Call(ctx, "FPDF_GetPageCount", d.handle)
	if err != nil {
		return err
	}
	if d.pages = int(int32(count)); d.pages < 1 {
		return engine.Errorf(engine.Invalid, "The PDF has no pages.")
	}
	return nil
}

// text puts a C string into the library's memory; none at all for an empty one.
func (d *document) text(ctx context.Context, s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	at, err := d.alloc(ctx, uint64(len(s)+1))
	if err == nil && !d.Memory().Write(at, append([]byte(s), 0)) {
		err = errMemory
	}
	return at, err
}

func (d *document) refusal(ctx context.Context, password param.Secret) error {
	last, err := d.Call(ctx, "FPDF_GetLastError")
	switch {
	case err != nil:
		return err
	case last == lastPassword && password != "":
		return engine.Errorf(engine.Invalid, "The parameter password is wrong: the PDF does not open with it.")
	case last == lastPassword:
		return engine.Errorf(engine.Invalid, "The PDF is protected by a password: give it as the parameter password.")
	case last == lastSecurity:
		return engine.Errorf(engine.Invalid, "The PDF is protected in a way that this server cannot open.")
	}
	return engine.Errorf(engine.Invalid, "The PDF is damaged or of a kind that cannot be read.")
}

// page is an open page.
type page struct {
	*document
	handle        uint64
	width, height float64 // in points
}

// page opens the page of that number, from 1 on. Close it.
func (d *document) page(ctx context.Context, number int) (*page, error) {
	handle, err := d.Call(ctx, "FPDF_LoadPage", d.handle, uint64(number-1))
	if err != nil {
		return nil, err
	}
	if handle == 0 {
		return nil, engine.Errorf(engine.Invalid, "Page %d of the PDF is damaged.", number)
	}
	p := &page{document: d, handle: handle}
	for name, to := range map[string]*float64{"FPDF_GetPageWidthF": &p.width, "FPDF_GetPageHeightF": &p.height} {
		v, err := d.Call(ctx, name, handle)
		if err != nil {
			return nil, err
		}
		*to = float64(api.DecodeF32(v))
	}
	return p, nil
}

func (p *page) close(ctx context.Context) error {
	_, err := p.Call(ctx, "FPDF_ClosePage", p.handle)
	return err
}

// How pages are drawn: with their annotations, in the order of bytes that image.NRGBA has (fpdfview.h), on white. A strip
// bounds the pixels that lie in the library's memory at a time.
const (
	drawAnnotations = 0x01
	drawRGBA        = 0x10
	white           = 0xffffffff
	stripPixels     = 16_000_000
)

// draw returns the part of the page that r keeps.
func (p *page) draw(ctx context.Context, r convert.Raster) (image.Image, error) {
	part := r.Part
	img := image.NewRGBA(image.Rectangle{Max: part.Size()})
	rows := min(max(1, stripPixels/part.Dx()), part.Dy())
	bitmap, err := p.Call(ctx, "FPDFBitmap_Create", uint64(part.Dx()), uint64(rows), 0)
	if err != nil {
		return nil, err
	}
	if bitmap == 0 {
		return nil, errMemory
	}
	buffer, err := p.Call(ctx, "FPDFBitmap_GetBuffer", bitmap)
	if err != nil {
		return nil, err
	}
	for y := 0; y < part.Dy(); y += rows {
		if _, err := p.Call(ctx, "FPDFBitmap_FillRect", bitmap, 0, 0, uint64(part.Dx()), uint64(rows), white); err != nil {
			return nil, err
		}
		left, top := api.EncodeI32(int32(-part.Min.X)), api.EncodeI32(int32(-part.Min.Y-y))
		if _, err := p.Call(ctx, "FPDF_RenderPageBitmap", bitmap, p.handle, left, top, uint64(r.Width), uint64(r.Height), 0,
			drawAnnotations|drawRGBA); err != nil {
			return nil, err
		}
		strip := img.Pix[y*img.Stride : min(y+rows, part.Dy())*img.Stride]
		view, ok := p.Memory().Read(uint32(buffer), uint32(len(strip)))
		if !ok {
			return nil, errMemory
		}
		copy(strip, view)
	}
	_, err = p.Call(ctx, "FPDFBitmap_Destroy", bitmap)
	opaque(img)
	return img, err
}

// opaque sets the byte of each pixel that the library leaves undefined in a bitmap without transparency.
func opaque(img *image.RGBA) {
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = math.MaxUint8
	}
}

// words returns the text of the page, with \n at the end of its lines.
func (p *page) words(ctx context.Context) (string, error) {
	text, err := p.Call(ctx, "FPDFText_LoadPage", p.handle)
	if err != nil || text == 0 {
		return "", err
	}
	count, err := p.Call(ctx, "FPDFText_CountChars", text)
	if err != nil || int32(count) <= 0 {
		return "", err
	}
	at, err := p.alloc(ctx, 2*count+2)
	if err != nil {
		return "", err
	}
	written, err := p.Call(ctx, "FPDFText_GetText", text, 0, count, uint64(at))
	if err != nil {
		return "", err
	}
	raw, ok := p.Memory().Read(at, 2*uint32(min(written, count+1)))
	if !ok {
		return "", errMemory
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i+1 < len(raw); i += 2 {
		if u := binary.LittleEndian.Uint16(raw[i:]); u != 0 && u != '\r' {
			units = append(units, u)
		}
	}
	for _, done := range []struct {
		name string
		arg  uint64
	}{{"free", uint64(at)}, {"FPDFText_ClosePage", text}} {
		if _, err := p.Call(ctx, done.name, done.arg); err != nil {
			return "", err
		}
	}
	return string(utf16.Decode(units)), nil
}
