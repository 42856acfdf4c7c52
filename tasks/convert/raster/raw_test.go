package raster_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/raster"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// negative is a DNG of 64 by 48 points behind a filter of red, green, green and blue.
func negative() []byte {
	const w, h = 64, 48
	type entry struct {
		tag, kind uint16
		count     uint32
		value     []byte
	}
	le := binary.LittleEndian
	short := func(n ...uint16) (b []byte) {
		for _, v := range n {
			b = le.AppendUint16(b, v)
		}
		return b
	}
	long := func(n ...uint32) (b []byte) {
		for _, v := range n {
			b = le.AppendUint32(b, v)
		}
		return b
	}
	matrix := long(1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
	entries := []entry{
		{254, 4, 1, long(0)}, {256, 4, 1, long(w)}, {257, 4, 1, long(h)}, {258, 3, 1, short(16)}, {259, 3, 1, short(1)},
		{262, 3, 1, short(32803)}, {271, 2, 5, []byte("Test\x00")}, {272, 2, 5, []byte("Case\x00")}, {273, 4, 1, nil}, {277, 3, 1, short(1)},
		{278, 4, 1, long(h)}, {279, 4, 1, long(w * h * 2)}, {284, 3, 1, short(1)}, {33421, 3, 2, short(2, 2)},
		{33422, 1, 4, []byte{0, 1, 1, 2}}, {50706, 1, 4, []byte{1, 4, 0, 0}}, {50708, 2, 5, []byte("Case\x00")},
		{50721, 10, 9, matrix}, {50728, 5, 3, long(1, 1, 1, 1, 1, 1)}, {50778, 3, 1, short(21)},
	}
	dir := 8 + 2 + 12*len(entries) + 4
	var far bytes.Buffer
	out := append([]byte("II*\x00"), long(8)...)
	out = le.AppendUint16(out, uint16(len(entries)))
	for _, e := range entries {
		out = le.AppendUint16(le.AppendUint16(out, e.tag), e.kind)
		out = le.AppendUint32(out, e.count)
		switch {
		case e.value == nil:
			out = le.AppendUint32(out, 1024) // the pixels
		case len(e.value) > 4:
			out = le.AppendUint32(out, uint32(dir+far.Len()))
			far.Write(e.value)
			if far.Len()%2 == 1 {
				far.WriteByte(0)
			}
		default:
			out = append(out, append(e.value, 0, 0, 0, 0)[:4]...)
		}
	}
	out = append(append(out, 0, 0, 0, 0), far.Bytes()...)
	out = append(out, make([]byte, 1024-len(out))...)
	for i := range w * h {
		out = le.AppendUint16(out, uint16(i*20))
	}
	return out
}

func TestNegative(t *testing.T) {
	e := converttest.Engine(t, "LibRaw", raster.NewRaw)
	if from, err := convert.Detect(bytes.NewReader(negative()), int64(len(negative())), "x.dng"); err != nil || from != "dng" {
		t.Errorf("detected %s, %v, want dng", from, err)
	}
	out, err := run(t, e, negative(), "dng", "png", convert.Options{Width: 32, Fit: "max"})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, out).Bounds().Size(); got != image.Pt(32, 24) {
		t.Errorf("got %v, want 32 by 24", got)
	}
	if _, err := run(t, e, []byte("II*\x00 no more"), "dng", "jpg", convert.Options{}); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want that the file is at fault", err)
	}
}
