package convert

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"os"
)

// headerLen is how much of a file is searched for its size in pixels.
const headerLen = 256 << 10

// CheckHeader refuses a picture that says of itself that it has more than limit pixels, all frames of a GIF together, before
// any program sees it. What does not say so in a way that is known here, or is damaged, is for the engine to judge.
func CheckHeader(path string, format Format, limit int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	if format == "gif" {
		_, pixels, err := gifSize(bufio.NewReader(f))
		if err == nil && pixels > limit {
			return tooLarge("The frames are together larger than the limit of %d megapixels.", limit/1_000_000)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read the input: %w", err)
		}
	}
	size, err := pictureSize(f, format)
	if err != nil || size == (image.Point{}) {
		return err
	}
	return checkPixels(max(size.X, 1), max(size.Y, 1), limit)
}

// PictureSize is what the header of a picture says of its size in pixels; zero where it does not say so in a way that is known
// here, or is damaged.
func PictureSize(path string, format Format) (image.Point, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.Point{}, fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	return pictureSize(f, format)
}

func pictureSize(f *os.File, format Format) (image.Point, error) {
	if decode := configDecoders[format]; decode != nil {
		config, _ := decode(bufio.NewReader(f)) // zero where it is damaged
		return image.Pt(config.Width, config.Height), nil
	}
	head, err := io.ReadAll(io.NewSectionReader(f, 0, headerLen))
	if err != nil {
		return image.Point{}, fmt.Errorf("read the input: %w", err)
	}
	if size := headerSizes[format]; size != nil {
		if w, h := size(head); w > 0 && h > 0 {
			return image.Pt(w, h), nil
		}
	}
	return image.Point{}, nil
}

// headerSizes read the size of formats that no decoder of this package knows; 0 where the header does not tell.
var headerSizes = map[Format]func([]byte) (width, height int){
	"heic": heifSize, "avif": heifSize, "jp2": jp2Size, "jxl": jxlSize,
	"psd": func(b []byte) (int, int) { return at32(b, 18), at32(b, 14) },
	"psb": func(b []byte) (int, int) { return at32(b, 18), at32(b, 14) },
	"xcf": func(b []byte) (int, int) { return at32(b, 14), at32(b, 18) },
	"ras": func(b []byte) (int, int) { return at32(b, 4), at32(b, 8) },
	"sgi": func(b []byte) (int, int) { return at16(b, 6, binary.BigEndian), at16(b, 8, binary.BigEndian) },
	"tga": func(b []byte) (int, int) { return at16(b, 12, binary.LittleEndian), at16(b, 14, binary.LittleEndian) },
	"pcx": func(b []byte) (int, int) {
		return at16(b, 8, binary.LittleEndian) - at16(b, 4, binary.LittleEndian) + 1,
			at16(b, 10, binary.LittleEndian) - at16(b, 6, binary.LittleEndian) + 1
	},
	"pbm": pnmSize, "pgm": pnmSize, "ppm": pnmSize, "pnm": pnmSize,
}

func at32(b []byte, at int) int {
	if len(b) < at+4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(b[at:]))
}

func at16(b []byte, at int, order binary.ByteOrder) int {
	if len(b) < at+2 {
		return 0
	}
	return int(order.Uint16(b[at:]))
}

// heifSize is the largest picture that any property "ispe" (ISO/IEC 23008-12, 6.5.3) names: thumbnails and tiles have one too.
func heifSize(b []byte) (width, height int) {
	for {
		_, after, found := bytes.Cut(b, []byte("ispe"))
		if !found {
			return width, height
		}
		if w, h := at32(after, 4), at32(after, 8); w > 0 && h > 0 && uint64(w)*uint64(h) > uint64(width)*uint64(height) {
			width, height = w, h
		}
		b = after
	}
}

// jp2Size reads the box "ihdr" (ISO/IEC 15444-1, I.5.3.1).
func jp2Size(b []byte) (width, height int) {
	_, after, _ := bytes.Cut(b, []byte("ihdr"))
	return at32(after, 4), at32(after, 0)
}

func pnmSize(b []byte) (width, height int) {
	var kind string
	if _, err := fmt.Sscan(string(b[:min(len(b), 512)]), &kind, &width, &height); err != nil {
		return 0, 0
	}
	return width, height
}

// jxlSize reads SizeHeader (ISO/IEC 18181-1, 9.2) of a codestream, bare or in a box.
func jxlSize(b []byte) (width, height int) {
	if !bytes.HasPrefix(b, []byte("\xff\x0a")) {
		at := bytes.Index(b, []byte("jxl"))
		for at >= 0 && at+4 < len(b) && b[at+3] != 'c' && b[at+3] != 'p' {
			next := bytes.Index(b[at+3:], []byte("jxl"))
			if next < 0 {
				return 0, 0
			}
			at += 3 + next
		}
		if at < 0 || at+4 >= len(b) {
			return 0, 0
		}
		skip := 4
		if b[at+3] == 'p' {
			skip = 8
		}
		b = b[min(at+skip, len(b)):]
	}
	if len(b) < 14 || b[0] != 0xff || b[1] != 0x0a {
		return 0, 0
	}
	bits := bitReader{b[2:], 0}
	small := bits.read(1) == 1
	height = bits.side(small)
	if ratio := bits.read(3); ratio != 0 {
		r := [8][2]int{{}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}[ratio]
		return height * r[0] / r[1], height
	}
	return bits.side(small), height
}

// bitReader reads numbers whose lowest bit comes first.
type bitReader struct {
	b  []byte
	at int
}

func (r *bitReader) read(n int) (value int) {
	for i := range n {
		if r.at/8 < len(r.b) {
			value |= int(r.b[r.at/8]>>(r.at%8)&1) << i
		}
		r.at++
	}
	return value
}

func (r *bitReader) side(small bool) int {
	if small {
		return (1 + r.read(5)) * 8
	}
	return 1 + r.read([4]int{9, 13, 18, 30}[r.read(2)])
}
