package convert

import (
	"encoding/binary"
	"io"
)

// orientation is how a picture has to be turned to stand upright: the Orientation tag of EXIF 2.32, from 1 (as it is)
// to 8. Files without a readable tag are 1.
func orientation(r io.ReaderAt, size int64, format Format) int {
	switch format {
	case "jpg":
		return jpegOrientation(r)
	case "png":
		return chunkOrientation(r, size, pngChunks)
	case "webp":
		return chunkOrientation(r, size, riffChunks)
	case "tiff":
		return tiffOrientation(r, 0)
	}
	return 1
}

// maxChunks is how far into a file the tag is looked for, in chunks.
const maxChunks = 10_000

func jpegOrientation(r io.ReaderAt) int {
	head := make([]byte, 10)
	for at, n := int64(2), 0; n < maxChunks; n++ {
		if _, err := r.ReadAt(head, at); err != nil || head[0] != 0xff || head[1] == 0xda {
			return 1
		}
		if head[1] == 0xff { // a fill byte
			at++
			continue
		}
		if head[1] == 0xe1 && string(head[4:10]) == "Exif\x00\x00" {
			return tiffOrientation(r, at+10)
		}
		at += 2 + int64(binary.BigEndian.Uint16(head[2:]))
	}
	return 1
}

// chunks describes a file made of tagged chunks.
type chunks struct {
	start, header, trailer int64
	exif                   string
	parse                  func(header []byte) (tag string, length int64)
}

var pngChunks = chunks{start: 8, header: 8, trailer: 4, exif: "eXIf", parse: func(h []byte) (string, int64) {
	return string(h[4:]), int64(binary.BigEndian.Uint32(h))
}}

var riffChunks = chunks{start: 12, header: 8, exif: "EXIF", parse: func(h []byte) (string, int64) {
	n := int64(binary.LittleEndian.Uint32(h[4:]))
	return string(h[:4]), n + n&1
}}

func chunkOrientation(r io.ReaderAt, size int64, c chunks) int {
	head := make([]byte, c.header)
	for at, n := c.start, 0; at < size && n < maxChunks; n++ {
		if _, err := r.ReadAt(head, at); err != nil {
			return 1
		}
		tag, length := c.parse(head)
		at += c.header
		if tag == c.exif {
			if hasSignature(r, at, "Exif\x00\x00") {
				at += 6
			}
			return tiffOrientation(r, at)
		}
		at += length + c.trailer
	}
	return 1
}

// tiffOrientation reads the tag from the first directory of the TIFF structure at base.
func tiffOrientation(r io.ReaderAt, base int64) int {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, base); err != nil {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	at := base + int64(order.Uint32(head[4:]))
	count := make([]byte, 2)
	if _, err := r.ReadAt(count, at); err != nil {
		return 1
	}
	entry := make([]byte, 12)
	for i := range int64(order.Uint16(count)) {
		if _, err := r.ReadAt(entry, at+2+12*i); err != nil {
			return 1
		}
		if v := int(order.Uint16(entry[8:])); order.Uint16(entry) == 0x0112 && v >= 1 && v <= 8 {
			return v
		}
	}
	return 1
}
