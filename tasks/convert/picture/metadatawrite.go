package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
)

// Where metadata stands: behind the SOI of a JPEG, behind the signature and the IHDR of a PNG.
const (
	jpegHead = 2
	pngHead  = 8 + 8 + 13 + 4
)

// inserting returns a writer that puts extra behind the first at bytes.
func inserting(w io.Writer, at int, extra []byte) io.Writer {
	if len(extra) == 0 {
		return w
	}
	return &inserter{w: w, left: at, extra: extra}
}

type inserter struct {
	w     io.Writer
	left  int // bytes that come before
	extra []byte
}

// Write implements io.Writer.
func (i *inserter) Write(p []byte) (n int, err error) {
	if i.extra == nil {
		return i.w.Write(p)
	}
	head := min(i.left, len(p))
	n, err = i.w.Write(p[:head])
	if i.left -= n; err != nil || i.left > 0 {
		return n, err
	}
	if _, err := i.w.Write(i.extra); err != nil {
		return n, err
	}
	i.extra = nil
	more, err := i.w.Write(p[n:])
	return n + more, err
}

func pngChunk(tag string, content []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, tag...), content...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}

// extendedWebP puts metadata beside the picture of a plain lossless WebP file (RFC 9649, 2.7).
func extendedWebP(w io.Writer, plain []byte, img image.Image, m metadata) error {
	const riffHead = 12
	size, flags := img.Bounds().Size(), byte(0)
	if len(m.profile) > 0 {
		flags |= 1 << 5
	}
	if !opaque(img) {
		flags |= 1 << 4
	}
	if len(m.exif) > 0 {
		flags |= 1 << 3
	}
	canvas := binary.LittleEndian.AppendUint64(nil, uint64(size.X-1)|uint64(size.Y-1)<<24)[:6]
	body := bytes.Join([][]byte{
		riffChunk("VP8X", append([]byte{flags, 0, 0, 0}, canvas...)), riffChunk("ICCP", m.profile),
		plain[riffHead:], riffChunk("EXIF", m.exif),
	}, nil)
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	if _, err := w.Write(append(head, "WEBP"...)); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// riffChunk returns a chunk, padded to an even length; nothing if it is empty.
func riffChunk(tag string, content []byte) []byte {
	if len(content) == 0 {
		return nil
	}
	chunk := binary.LittleEndian.AppendUint32([]byte(tag), uint32(len(content)))
	chunk = append(chunk, content...)
	return append(chunk, make([]byte, len(content)&1)...)
}

// bareJPEG reads a JPEG without its metadata: the APP segments but those of JFIF and Adobe, which say how to read the
// colours, and the comments.
func bareJPEG(file io.ReaderAt, size int64) io.Reader {
	var kept []io.Reader
	from := int64(0)
	for s := range sections(file, size, "jpg") {
		if s.tag == "" || s.tag == "APP0" || s.tag == "APP14" {
			continue
		}
		kept = append(kept, io.NewSectionReader(file, from, s.from-from))
		from = s.end()
	}
	return io.MultiReader(append(kept, io.NewSectionReader(file, from, size-from))...)
}
