package picture

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// section is a part of a picture file that holds something else than pixels: a segment of a JPEG before its first scan,
// a chunk of a PNG or a WebP.
type section struct {
	tag      string // such as APP1, iCCP
	from     int64  // where it begins with its header
	at, size int64  // of its content
}

// end is where the next section begins in a JPEG.
func (s section) end() int64 { return s.at + s.size }

// maxSections is how far into a file is looked.
const maxSections = 10_000

// sections lists the sections of a picture. It ends at what cannot be read; formats without sections have none.
func sections(r io.ReaderAt, size int64, format convert.Format) iter.Seq[section] {
	return func(yield func(section) bool) {
		at, next := int64(0), (func(io.ReaderAt, int64) (section, int64, bool))(nil)
		switch format {
		case "jpg":
			at, next = 2, jpegSection
		case "png":
			at, next = 8, pngSection
		case "webp":
			at, next = 12, riffSection
		default:
			return
		}
		for range maxSections {
			s, after, ok := next(r, at)
			if !ok || s.end() > size || !yield(s) {
				return
			}
			at = after
		}
	}
}

func jpegSection(r io.ReaderAt, from int64) (s section, after int64, ok bool) {
	head := make([]byte, 4)
	for at := from; at < from+maxSections; at++ { // past fill bytes
		if _, err := r.ReadAt(head, at); err != nil || head[0] != 0xff || head[1] == 0xda {
			return s, 0, false
		}
		if head[1] == 0xff {
			continue
		}
		s = section{tag: jpegTag(head[1]), from: from, at: at + 4, size: int64(binary.BigEndian.Uint16(head[2:])) - 2}
		return s, s.end(), s.size >= 0
	}
	return s, 0, false
}

func jpegTag(marker byte) string {
	switch {
	case marker >= 0xe0 && marker <= 0xef:
		return fmt.Sprintf("APP%d", marker-0xe0)
	case marker == 0xfe:
		return "COM"
	}
	return ""
}

func pngSection(r io.ReaderAt, from int64) (section, int64, bool) {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, from); err != nil {
		return section{}, 0, false
	}
	s := section{tag: string(head[4:]), from: from, at: from + 8, size: int64(binary.BigEndian.Uint32(head))}
	return s, s.end() + 4, true
}

func riffSection(r io.ReaderAt, from int64) (section, int64, bool) {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, from); err != nil {
		return section{}, 0, false
	}
	s := section{tag: string(head[:4]), from: from, at: from + 8, size: int64(binary.LittleEndian.Uint32(head[4:]))}
	return s, s.end() + s.size&1, true
}
