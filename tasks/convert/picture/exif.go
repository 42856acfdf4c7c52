package picture

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/gantry-engine/gantry/tasks/convert"
)

const (
	exifSignature  = "Exif\x00\x00"
	orientationTag = 0x0112
)

// orientation is how a picture has to be turned to stand upright: the Orientation tag of EXIF 2.32, from 1 (as it is)
// to 8. Files without a readable tag are 1.
func orientation(r io.ReaderAt, size int64, format convert.Format) int {
	if format == "tiff" {
		return tiffOrientation(r, 0)
	}
	for s := range sections(r, size, format) {
		if at, ok := exifAt(r, s); ok {
			return tiffOrientation(r, at)
		}
	}
	return 1
}

// exifAt is where the TIFF structure of an EXIF section begins, and whether the section is one.
func exifAt(r io.ReaderAt, s section) (at int64, ok bool) {
	switch signed := hasSignature(r, s.at, exifSignature); s.tag {
	case "APP1":
		return s.at + int64(len(exifSignature)), signed
	case "eXIf", "EXIF":
		if signed { // it does not belong there, but some write it
			return s.at + int64(len(exifSignature)), true
		}
		return s.at, true
	}
	return 0, false
}

// tiffOrientation reads the tag from the first directory of the TIFF structure at base.
func tiffOrientation(r io.ReaderAt, base int64) int {
	turn := 1
	eachOrientation(r, base, func(order binary.ByteOrder, _ int64, value []byte) bool {
		v := int(order.Uint16(value))
		if v >= 1 && v <= 8 {
			turn = v
		}
		return turn != v
	})
	return turn
}

// uprightEXIF returns the TIFF structure with an Orientation of 1, since the pixels have been turned.
func uprightEXIF(tiff []byte) []byte {
	out := bytes.Clone(tiff)
	eachOrientation(bytes.NewReader(tiff), 0, func(order binary.ByteOrder, at int64, _ []byte) bool {
		order.PutUint16(out[at:], 1)
		return true
	})
	return out
}

func hasSignature(r io.ReaderAt, at int64, sig string) bool {
	got := make([]byte, len(sig))
	_, err := r.ReadAt(got, at)
	return err == nil && string(got) == sig
}

// eachOrientation visits the values of the tag in the first directory, with their place, until visit returns false.
func eachOrientation(r io.ReaderAt, base int64, visit func(order binary.ByteOrder, at int64, value []byte) bool) {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, base); err != nil {
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	at := base + int64(order.Uint32(head[4:]))
	count := make([]byte, 2)
	if _, err := r.ReadAt(count, at); err != nil {
		return
	}
	entry := make([]byte, 12)
	for i := range int64(order.Uint16(count)) {
		place := at + 2 + 12*i
		if _, err := r.ReadAt(entry, place); err != nil {
			return
		}
		if order.Uint16(entry) == orientationTag && !visit(order, place+8, entry[8:10]) {
			return
		}
	}
}
