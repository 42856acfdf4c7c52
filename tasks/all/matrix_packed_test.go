package all_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// padded is a text that fills a field.
func padded(text string, size int) []byte {
	return append([]byte(text), make([]byte, size-len(text))...)
}

// zoo is an archive of Zoo 2.10 with one member as it is.
func zoo(name, content string) string {
	le := binary.LittleEndian
	const tag, head, entry = 0xfdc4a7dc, 34, 51
	member := func(next, at uint32, name, content string) []byte {
		b := append(le.AppendUint32(nil, tag), 1, 0) // stored
		b = le.AppendUint32(le.AppendUint32(b, next), at)
		b = le.AppendUint16(le.AppendUint32(b, 0x6000_5a21), crc16(content)) // when, in DOS's way
		b = le.AppendUint32(le.AppendUint32(b, uint32(len(content))), uint32(len(content)))
		return slices.Concat(b, []byte{1, 0}, make([]byte, 8), padded(name, 13))
	}
	b := le.AppendUint32(le.AppendUint32(padded("ZOO 2.10 Archive.\x1a", 20), tag), head)
	var start uint32 = head
	b = append(le.AppendUint32(b, -start), 1, 0)
	at := uint32(head + entry)
	return string(b) + string(member(at+uint32(len(content)), at, name, content)) + content + string(member(0, 0, "", ""))
}

// alz is an archive of ALZip with one member as it is.
func alz(name, content string) string {
	le := binary.LittleEndian
	b := le.AppendUint16([]byte("ALZ\x01\x0a\x00\x00\x00BLZ\x01"), uint16(len(name)))
	b = append(le.AppendUint32(append(b, 0x20), 0x5a21_6000), 0x40, 0, 0, 0) // sizes of four bytes; stored
	b = le.AppendUint32(b, crc32.ChecksumIEEE([]byte(content)))
	b = le.AppendUint32(le.AppendUint32(b, uint32(len(content))), uint32(len(content)))
	return string(b) + name + content + "CLZ\x01" + strings.Repeat("\x00", 8) + "CLZ\x02"
}

// sit is an archive of StuffIt 1 with one member as it is.
func sit(name, content string) string {
	be := binary.BigEndian
	size := uint32(len(content))
	b := slices.Concat([]byte{0, 0, byte(len(name))}, padded(name, 63), []byte("TEXTttxt"), make([]byte, 14))
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, size), 0), size)
	b = append(be.AppendUint16(append(b, 0, 0), crc16(content)), make([]byte, 6)...)
	b = be.AppendUint16(b, crc16(string(b)))
	head := be.AppendUint32([]byte("SIT!\x00\x01"), 22+uint32(len(b))+size)
	return string(head) + "rLau\x01" + strings.Repeat("\x00", 7) + string(b) + content
}

// dmg is a disk image of Apple's with one partition as it is.
func dmg(content string) string {
	be := binary.BigEndian
	long := func(b []byte, n ...uint64) []byte {
		for _, v := range n {
			b = be.AppendUint64(b, v)
		}
		return b
	}
	const sector = 512
	count := uint64(len(content)+sector-1) / sector
	data := padded(content, int(count)*sector)
	blocks := long([]byte("mish\x00\x00\x00\x01"), 0, count, 0)
	blocks = slices.Concat(blocks, make([]byte, 32), []byte{0, 0, 0, 2, 0, 0, 0, 32}, be.AppendUint32(nil, crc32.ChecksumIEEE(data)),
		make([]byte, 124), []byte{0, 0, 0, 2})
	blocks = long(append(blocks, 0, 0, 0, 1, 0, 0, 0, 0), 0, count, 0, uint64(len(data)))             // as it is
	blocks = long(append(blocks, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), count, 0, uint64(len(data)), 0) // the end
	list := `<?xml version="1.0"?><plist version="1.0"><dict><key>resource-fork</key><dict><key>blkx</key><array><dict><key>Data</key><data>` +
		base64.StdEncoding.EncodeToString(blocks) + `</data><key>ID</key><string>0</string><key>Name</key><string>disk</string></dict></array></dict></dict></plist>`
	koly := long([]byte("koly\x00\x00\x00\x04\x00\x00\x02\x00\x00\x00\x00\x01"), 0, 0, uint64(len(data)), 0, 0)
	koly = slices.Concat(koly, []byte{0, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 16+8+128))
	koly = long(koly, uint64(len(data)), uint64(len(list)))
	koly = long(append(append(koly, make([]byte, 120+8+128)...), 0, 0, 0, 1), count)
	return string(data) + list + string(append(koly, make([]byte, 12)...))
}
