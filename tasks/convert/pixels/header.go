package pixels

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// headerSizes read the size of formats that no decoder of this program knows; 0 where the header does not tell.
var headerSizes = map[filetype.Format]func([]byte) (width, height int){
	"heic": heifSize, "avif": heifSize, "jp2": jp2Size, "jxl": jxlSize,
	"psd": func(b []byte) (int, int) { return at32(b, 18), at32(b, 14) },
	"psb": func(b []byte) (int, int) { return at32(b, 18), at32(b, 14) },
	"xcf": func(b []byte) (int, int) { return at32(b, 14), at32(b, 18) },
	"ras": func(b []byte) (int, int) { return at32(b, 4), at32(b, 8) },
	"sgi": func(b []byte) (int, int) { return at16(b, 6, binary.BigEndian), at16(b, 8, binary.BigEndian) },
	"tga": func(b []byte) (int, int) { return at16(b, 12, binary.LittleEndian), at16(b, 14, binary.LittleEndian) },
	"pcx": pcxSize,
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

// pcxSize is what lies between the corners of the picture.
func pcxSize(b []byte) (width, height int) {
	if len(b) < 12 {
		return 0, 0
	}
	le := binary.LittleEndian
	return at16(b, 8, le) - at16(b, 4, le) + 1, at16(b, 10, le) - at16(b, 6, le) + 1
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
