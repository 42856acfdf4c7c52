// Package heif decodes HEIC pictures with libheif and libde265, compiled to WebAssembly and run inside a sandbox of
// wazero: no system library is loaded, memory is capped and a decode ends with its context.
//
// heif.wasm.gz is libheif 1.18.2 with libde265 1.0.15 as built by github.com/gen2brain/heic v0.4.5, whose exported
// function decode is what this package calls. Both libraries are under the LGPL version 3, see the LICENSE files; the
// file can be replaced by another build with the same function.
package heif

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Version is that of libheif.
const Version = "1.18.2"

// maxPages caps the memory of one decode at 2 GiB; a page is 64 KiB.
const maxPages = 2 << 30 >> 16

//go:embed heif.wasm.gz
var packed []byte

// ErrDecode says that the bytes are no HEIC picture or a damaged one.
var ErrDecode = errors.New("heif: not a picture that can be decoded")

// Decoder decodes pictures. The zero value is ready, compiles the library at its first use, which takes about a second,
// and may be used from any number of goroutines.
type Decoder struct {
	once    sync.Once
	runtime wazero.Runtime
	code    wazero.CompiledModule
	err     error
}

// Decode decodes the primary picture of an HEIC file, turned upright. Before any pixel is decoded it asks accept about
// the picture's size and returns its error, if any. Broken pictures are ErrDecode.
func (d *Decoder) Decode(ctx context.Context, file []byte, accept func(width, height int) error) (image.Image, error) {
	d.once.Do(d.compile)
	if d.err != nil {
		return nil, d.err
	}
	mod, err := d.runtime.InstantiateModule(ctx, d.code, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, fmt.Errorf("heif: start the decoder: %w", err)
	}
	defer mod.Close(context.WithoutCancel(ctx))
	p := picture{ctx: ctx, mod: mod}
	if err := p.load(file); err != nil {
		return nil, err
	}
	if err := accept(int(p.width), int(p.height)); err != nil {
		return nil, err
	}
	return p.pixels()
}

func (d *Decoder) compile() {
	ctx := context.Background()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		d.err = fmt.Errorf("heif: unpack the library: %w", err)
		return
	}
	code, err := io.ReadAll(z)
	if err != nil {
		d.err = fmt.Errorf("heif: unpack the library: %w", err)
		return
	}
	d.runtime = wazero.NewRuntimeWithConfig(ctx,
		wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages).WithCloseOnContextDone(true))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, d.runtime); err != nil {
		d.err = fmt.Errorf("heif: prepare the sandbox: %w", err)
		return
	}
	if d.code, err = d.runtime.CompileModule(ctx, code); err != nil {
		d.err = fmt.Errorf("heif: compile the library: %w", err)
	}
}

// picture is one decode: a fresh instance of the module with the file in its memory.
type picture struct {
	ctx                                       context.Context //nolint:containedctx // lives as long as one call
	mod                                       api.Module
	in, size, header                          uint32
	width, height, space, chroma, premultiply uint32
}

// load copies the file in and reads the picture's header.
func (p *picture) load(file []byte) error {
	p.size = uint32(len(file))
	var err error
	if p.in, err = p.alloc(uint64(len(file))); err != nil {
		return err
	}
	if !p.mod.Memory().Write(p.in, file) {
		return ErrDecode
	}
	if p.header, err = p.alloc(5 * 4); err != nil {
		return err
	}
	if err := p.decode(1, 0); err != nil {
		return err
	}
	for i, field := range []*uint32{&p.width, &p.height, &p.space, &p.chroma, &p.premultiply} {
		v, ok := p.mod.Memory().ReadUint32Le(p.header + uint32(4*i))
		if !ok {
			return ErrDecode
		}
		*field = v
	}
	return nil
}

func (p *picture) alloc(n uint64) (uint32, error) {
	if n >= maxPages<<16 {
		return 0, ErrDecode
	}
	res, err := p.mod.ExportedFunction("malloc").Call(p.ctx, n)
	if err != nil || res[0] == 0 {
		return 0, p.failure()
	}
	return uint32(res[0]), nil
}

func (p *picture) decode(headerOnly uint64, out uint32) error {
	h := uint64(p.header)
	res, err := p.mod.ExportedFunction("decode").Call(p.ctx, uint64(p.in), uint64(p.size), headerOnly,
		h, h+4, h+8, h+12, h+16, uint64(out))
	if err != nil || res[0] == 0 {
		return p.failure()
	}
	return nil
}

// failure is the context's error if that is why the module stopped.
func (p *picture) failure() error {
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	return ErrDecode
}

// What libheif's heif_colorspace and heif_chroma say.
const (
	spaceYCbCr, spaceRGB, spaceGray = 0, 1, 2
	chroma420, chroma422, chroma444 = 1, 2, 3
	rowAlign                        = 16
)

// pixels decodes the picture into the module's memory and copies it out.
func (p *picture) pixels() (image.Image, error) {
	rect := image.Rect(0, 0, int(p.width), int(p.height))
	switch p.space {
	case spaceYCbCr:
		return p.yCbCr(rect)
	case spaceGray:
		stride := stride(rect.Dx(), 1)
		pix, err := p.plane(stride * rect.Dy())
		return &image.Gray{Pix: pix, Stride: stride, Rect: rect}, err
	case spaceRGB:
		stride := stride(rect.Dx(), 4)
		pix, err := p.plane(stride * rect.Dy())
		if p.premultiply == 1 {
			return &image.RGBA{Pix: pix, Stride: stride, Rect: rect}, err
		}
		return &image.NRGBA{Pix: pix, Stride: stride, Rect: rect}, err
	}
	return nil, ErrDecode
}

func (p *picture) yCbCr(rect image.Rectangle) (image.Image, error) {
	cw, ch, ratio := (rect.Dx()+1)/2, (rect.Dy()+1)/2, image.YCbCrSubsampleRatio420
	switch p.chroma {
	case chroma420:
	case chroma422:
		ch, ratio = rect.Dy(), image.YCbCrSubsampleRatio422
	case chroma444:
		cw, ch, ratio = rect.Dx(), rect.Dy(), image.YCbCrSubsampleRatio444
	default:
		return nil, ErrDecode
	}
	yStride, cStride := stride(rect.Dx(), 1), stride(cw, 1)
	y, c := yStride*rect.Dy(), cStride*ch
	pix, err := p.plane(y + 2*c)
	if err != nil {
		return nil, err
	}
	return &image.YCbCr{
		Y: pix[:y:y], Cb: pix[y : y+c : y+c], Cr: pix[y+c:],
		YStride: yStride, CStride: cStride, SubsampleRatio: ratio, Rect: rect,
	}, nil
}

func (p *picture) plane(n int) ([]byte, error) {
	out, err := p.alloc(uint64(n))
	if err != nil {
		return nil, err
	}
	if err := p.decode(0, out); err != nil {
		return nil, err
	}
	view, ok := p.mod.Memory().Read(out, uint32(n))
	if !ok {
		return nil, ErrDecode
	}
	return bytes.Clone(view), nil
}

// stride is how far apart libheif puts the rows of a plane: it rounds the width up to an even number and to 64 at
// least, and the row to 16 bytes.
func stride(width, bytesPerPixel int) int {
	width = max((width+1)&^1, 64)
	return (width*bytesPerPixel + rowAlign - 1) &^ (rowAlign - 1)
}
