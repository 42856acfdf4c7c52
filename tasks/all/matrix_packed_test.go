package all_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/gantry-engine/gantry/tasks/convert/converttest"
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

// relations lists the targets of a part of one of Microsoft's packages, each with its type.
func relations(pairs ...string) string {
	list := `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	for i := 0; i < len(pairs); i += 2 {
		list += `<Relationship Id="rId1" Type="` + pairs[i] + `" Target="` + pairs[i+1] + `"/>`
	}
	return list + `</Relationships>`
}

// partTypes lists the types of parts.
func partTypes(pairs ...string) string {
	list := `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`
	for i := 0; i < len(pairs); i += 2 {
		list += `<Override PartName="` + pairs[i] + `" ContentType="application/vnd.` + pairs[i+1] + `"/>`
	}
	return list + `</Types>`
}

const officeRelations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

// xlsb is a table of one cell, in records of a number, a length and fields ([MS-XLSB]).
func xlsb(text string) string {
	le := binary.LittleEndian
	record := func(number int, fields ...byte) string {
		if number >= 0x80 {
			return string([]byte{byte(number&0x7f | 0x80), byte(number >> 7), byte(len(fields))}) + string(fields)
		}
		return string([]byte{byte(number), byte(len(fields))}) + string(fields)
	}
	wide := func(s string) []byte {
		units := utf16.Encode([]rune(s))
		b := le.AppendUint32(nil, uint32(len(units)))
		for _, u := range units {
			b = le.AppendUint16(b, u)
		}
		return b
	}
	sheet := slices.Concat([]byte{0, 0, 0, 0, 1, 0, 0, 0}, wide("rId1"), wide("Sheet1"))
	row := slices.Concat(make([]byte, 8), []byte{44, 1, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 8))
	book := record(131) + record(143) + record(156, sheet...) + record(144) + record(132)
	cells := record(129) + record(145) + record(0, row...) + record(6, append(make([]byte, 8), wide(text)...)...) + record(146) + record(130)
	return converttest.ZIP(
		[2]string{"[Content_Types].xml", partTypes("/xl/workbook.bin", "ms-excel.sheet.binary.macroEnabled.main",
			"/xl/worksheets/sheet1.bin", "ms-excel.worksheet")},
		[2]string{"_rels/.rels", relations(officeRelations+"/officeDocument", "xl/workbook.bin")},
		[2]string{"xl/_rels/workbook.bin.rels", relations(officeRelations+"/worksheet", "worksheets/sheet1.bin")},
		[2]string{"xl/workbook.bin", book}, [2]string{"xl/worksheets/sheet1.bin", cells})
}

// visio is a drawing of one line with a text; the kind says whether it may have macros.
func visio(kind, text string) string {
	const relation = "http://schemas.microsoft.com/visio/2010/relationships"
	const space = ` xmlns="http://schemas.microsoft.com/office/visio/2012/main" xmlns:r="` + officeRelations + `"`
	const shape = `<PageContents` + space + `><Shapes><Shape ID="1" Type="Shape"><Cell N="PinX" V="4"/><Cell N="PinY" V="5"/><Cell N="Width" V="4"/>` +
		`<Cell N="Height" V="1"/><Cell N="LocPinX" V="2"/><Cell N="LocPinY" V="0.5"/><Section N="Geometry" IX="0"><Row T="MoveTo" IX="1">` +
		`<Cell N="X" V="0"/><Cell N="Y" V="0"/></Row><Row T="LineTo" IX="2"><Cell N="X" V="4"/><Cell N="Y" V="1"/></Row></Section><Text>`
	return converttest.ZIP(
		[2]string{"[Content_Types].xml", partTypes("/visio/document.xml", "ms-visio."+kind+".main+xml",
			"/visio/pages/pages.xml", "ms-visio.pages+xml", "/visio/pages/page1.xml", "ms-visio.page+xml")},
		[2]string{"_rels/.rels", relations(relation+"/document", "visio/document.xml")},
		[2]string{"visio/document.xml", `<VisioDocument` + space + `/>`},
		[2]string{"visio/_rels/document.xml.rels", relations(relation+"/pages", "pages/pages.xml")},
		[2]string{"visio/pages/pages.xml", `<Pages` + space + `><Page ID="0" Name="p"><PageSheet><Cell N="PageWidth" V="8"/>` +
			`<Cell N="PageHeight" V="11"/></PageSheet><Rel r:id="rId1"/></Page></Pages>`},
		[2]string{"visio/pages/_rels/pages.xml.rels", relations(relation+"/page", "page1.xml")},
		[2]string{"visio/pages/page1.xml", shape + text + "\n</Text></Shape></Shapes></PageContents>"})
}

// cr2 is the negative behind Canon's mark, for which its list of properties moves to the end.
func cr2(negative string) string {
	le := binary.LittleEndian
	b := []byte(negative)
	list := slices.Clone(b[8 : 8+2+12*int(le.Uint16(b[8:]))+4])
	le.PutUint32(b[4:], uint32(len(b)))
	copy(b[8:], "CR\x02\x00")
	return string(append(b, list...))
}
