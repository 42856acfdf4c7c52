package all_test

import (
	"encoding/binary"
	"slices"
	"strings"
)

// cr2 is the negative behind Canon's mark, for which its list of properties moves to the end.
func cr2(negative string) string {
	le := binary.LittleEndian
	b := []byte(negative)
	list := slices.Clone(b[8 : 8+2+12*int(le.Uint16(b[8:]))+4])
	le.PutUint32(b[4:], uint32(len(b)))
	copy(b[8:], "CR\x02\x00")
	return string(append(b, list...))
}

// mrw is a picture of a camera of Minolta's: its size, its maker in a TIFF, and points of two bytes.
func mrw() string {
	be := binary.BigEndian
	const w, h = 64, 48
	block := func(name string, content []byte) []byte {
		return append(be.AppendUint32([]byte("\x00"+name), uint32(len(content))), content...)
	}
	sides := []byte{0, h, 0, w, 0, h, 0, w, 16, 12, 0x52, 0, 0, 0, 0, 1}
	tiff := strings.Join([]string{"MM\x00*\x00\x00\x00\x08", "\x00\x02", // two properties: maker and model
		"\x01\x0f\x00\x02\x00\x00\x00\x08\x00\x00\x00\x26", "\x01\x10\x00\x02\x00\x00\x00\x05\x00\x00\x00\x2e", "\x00\x00\x00\x00",
		"Minolta\x00", "Test\x00\x00\x00\x00"}, "")
	blocks := slices.Concat(block("PRD", append([]byte("27820001"), sides...)), block("TTW", []byte(tiff)),
		block("WBG", []byte{2, 2, 2, 2, 1, 0, 1, 0, 1, 0, 1, 0}))
	out := block("MRM", blocks)
	for i := range w * h {
		out = be.AppendUint16(out, uint16(i*20%4096))
	}
	return string(out)
}
