package picture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"github.com/disintegration/imaging"
	"github.com/sergeymakinen/go-ico"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/picture/heif"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
)

// source is an open picture whose header has been read and found within bounds.
type source struct {
	file   *os.File
	size   int64
	format convert.Format
	config image.Config
	frames int // of an animation that can be kept; else 1
	turn   int // EXIF orientation
}

// openPicture reads the header of job.In and refuses what would be too large before anything is decoded.
func openPicture(ctx context.Context, job convert.Job) (*source, error) {
	f, err := os.Open(job.In)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the input: %w", err)
	}
	s := &source{file: f, size: info.Size(), format: job.From, frames: 1}
	if err := s.readHeader(ctx, job.Limits.Pixels); err != nil {
		f.Close()
		return nil, err
	}
	s.turn = orientation(f, s.size, job.From)
	return s, nil
}

func (s *source) Close() error { return s.file.Close() }

// reader starts at the first byte and fails when the conversion's context ends.
func (s *source) reader(ctx context.Context) io.Reader {
	return bufio.NewReader(convert.Reader(ctx, io.NewSectionReader(s.file, 0, s.size)))
}

// Decode decodes a jpg, png, bmp, tiff or webp and turns it upright. More than limit pixels are an error with the code
// engine.TooLarge, of which nothing has been decoded; other formats are errors.ErrUnsupported.
func Decode(ctx context.Context, raw []byte, format filetype.Format, limit int64) (image.Image, error) {
	decode := decoders[format]
	if decode == nil || format == "ico" { // which may hold another size than it says
		return nil, errors.ErrUnsupported
	}
	config, err := pixels.DecodeConfig(bytes.NewReader(raw), format)
	if err != nil {
		return nil, convert.Damaged(ctx, format, err)
	}
	if err := pixels.Check(config.Width, config.Height, limit); err != nil {
		return nil, err
	}
	img, err := decode(convert.Reader(ctx, bytes.NewReader(raw)))
	if err != nil {
		return nil, convert.Damaged(ctx, format, err)
	}
	return upright(plain(img), orientation(bytes.NewReader(raw), int64(len(raw)), format)), nil
}

var decoders = map[convert.Format]func(io.Reader) (image.Image, error){
	"jpg": jpeg.Decode, "png": png.Decode, "bmp": bmp.Decode, "tiff": tiff.Decode, "webp": webp.Decode, "ico": ico.Decode,
}

func (s *source) readHeader(ctx context.Context, limit int64) error {
	if s.format == "heic" {
		return nil // its decoder asks before it decodes
	}
	if s.format == "ico" {
		if err := checkIcons(s.file, limit); err != nil {
			return err
		}
	}
	var err error
	if s.config, err = pixels.DecodeConfig(s.reader(ctx), s.format); err != nil {
		return convert.Damaged(ctx, s.format, err)
	}
	if err := pixels.Check(s.config.Width, s.config.Height, limit); err != nil {
		return err
	}
	if s.format != "gif" {
		return nil
	}
	frames, total, err := pixels.GIF(s.reader(ctx))
	if err != nil && frames == 0 {
		return convert.Damaged(ctx, s.format, err)
	}
	s.frames = max(frames, 1)
	return pixels.Check(1, int(max(total, int64(s.config.Width)*int64(s.config.Height))), limit)
}

// checkIcons reads the true size of each picture in an icon file; the directory's own numbers end at 256 and may lie.
func checkIcons(r io.ReaderAt, limit int64) error {
	head := make([]byte, 6)
	if _, err := r.ReadAt(head, 0); err != nil {
		return engine.Errorf(engine.Invalid, "The ico file is damaged.")
	}
	entry := make([]byte, 16)
	for i := range int64(binary.LittleEndian.Uint16(head[4:])) {
		if _, err := r.ReadAt(entry, 6+16*i); err != nil {
			return engine.Errorf(engine.Invalid, "The ico file is damaged.")
		}
		at := int64(binary.LittleEndian.Uint32(entry[12:]))
		width, height, err := iconSize(r, at)
		if err != nil {
			return engine.Errorf(engine.Invalid, "The ico file is damaged.")
		}
		if err := pixels.Check(width, height, limit); err != nil {
			return err
		}
	}
	return nil
}

// iconSize reads the header of a PNG or of a Windows bitmap, whose height counts the mask as well.
func iconSize(r io.ReaderAt, at int64) (width, height int, err error) {
	if hasSignature(r, at, "\x89PNG") {
		c, err := png.DecodeConfig(io.NewSectionReader(r, at, 1<<10))
		return c.Width, c.Height, err
	}
	head := make([]byte, 12)
	if _, err := r.ReadAt(head, at); err != nil {
		return 0, 0, err
	}
	u32 := func(b []byte) int { return int(int32(binary.LittleEndian.Uint32(b))) }
	w, h := u32(head[4:]), u32(head[8:])
	return max(w, -w), max(h, -h), nil
}

// decode decodes the first picture and turns it upright.
func (s *source) decode(ctx context.Context, heic *heif.Decoder, limit int64) (image.Image, error) {
	var img image.Image
	var err error
	switch s.format {
	case "heic":
		return s.decodeHEIC(ctx, heic, limit)
	case "gif":
		img, err = firstFrame(s.reader(ctx), image.Rect(0, 0, s.config.Width, s.config.Height))
	case "tiff":
		img, err = tiff.Decode(io.NewSectionReader(s.file, 0, s.size))
	default:
		img, err = decoders[s.format](s.reader(ctx))
	}
	if err != nil {
		return nil, convert.Damaged(ctx, s.format, err)
	}
	return upright(img, s.turn), nil
}

func (s *source) decodeHEIC(ctx context.Context, heic *heif.Decoder, limit int64) (image.Image, error) {
	if s.size > limit { // a picture that takes more bytes than it may have pixels
		return nil, engine.Errorf(engine.TooLarge, "The heic file is too large.")
	}
	file := make([]byte, s.size)
	if _, err := io.ReadFull(s.reader(ctx), file); err != nil {
		return nil, convert.Damaged(ctx, s.format, err)
	}
	img, err := heic.Decode(ctx, file, func(w, h int) error { return pixels.Check(w, h, limit) })
	if errors.Is(err, heif.ErrDecode) {
		return nil, engine.Errorf(engine.Invalid, "The heic file is damaged or of a kind that cannot be read.")
	}
	return img, err
}

// upright applies an EXIF orientation to the pixels.
func upright(img image.Image, turn int) image.Image {
	turns := map[int]func(image.Image) *image.NRGBA{
		2: imaging.FlipH, 3: imaging.Rotate180, 4: imaging.FlipV, 5: imaging.Transpose,
		6: imaging.Rotate270, 7: imaging.Transverse, 8: imaging.Rotate90,
	}
	if f, ok := turns[turn]; ok {
		return f(plain(img))
	}
	return img
}

// plain replaces the colour table of a picture by its colours. A damaged picture may point outside of its table; here
// that panics where it is caught, inside imaging's own goroutines it would end the process.
func plain(img image.Image) image.Image {
	p, ok := img.(*image.Paletted)
	if !ok {
		return img
	}
	table := make([]color.NRGBA, len(p.Palette))
	for i, c := range p.Palette {
		table[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
	}
	b := p.Bounds()
	out := image.NewNRGBA(image.Rectangle{Max: b.Size()})
	for y := range b.Dy() {
		row := p.Pix[y*p.Stride : y*p.Stride+b.Dx()]
		for x, index := range row {
			c := table[index]
			copy(out.Pix[y*out.Stride+4*x:], []byte{c.R, c.G, c.B, c.A})
		}
	}
	return out
}
