package filetype

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
)

// oleMagic begins every file of Microsoft's compound format: doc, xls, ppt and more.
const oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// oleKinds tell compound files apart by the streams at their root. The first format is meant unless the name claims one of
// the others, which look the same inside.
var oleKinds = []struct {
	stream  string
	formats []Format
}{
	{"EncryptedPackage", []Format{
		"docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "xlsb", "pptx", "pptm", "ppsx", "potx", "potm",
	}},
	{"WordDocument", []Format{"doc", "dot"}},
	{"Workbook", []Format{"xls", "xlt", "et"}},
	{"Book", []Format{"xls", "xlt"}},
	{"PowerPoint Document", []Format{"ppt", "pps", "pot", "dps"}},
	{"VisioDocument", []Format{"vsd"}},
	{"Quill", []Format{"pub"}},
	{"MatOST", []Format{"wps"}},
	{"StarWriterDocument", []Format{"sdw"}},
	{"StarCalcDocument", []Format{"sdc"}},
	{"StarDrawDocument3", []Format{"sdd", "sda"}},
	{"StarDrawDocument", []Format{"sdd", "sda"}},
	{"__properties_version1.0", []Format{"msg"}},
}

// oleFamily tells what a compound file is, or "" when it is nothing known.
func oleFamily(r io.ReaderAt, size int64, claimed Format) Format {
	streams := oleStreams(r, size)
	for _, kind := range oleKinds {
		if !slices.Contains(streams, kind.stream) {
			continue
		}
		if slices.Contains(kind.formats, claimed) {
			return claimed
		}
		return kind.formats[0]
	}
	return ""
}

// Of [MS-CFB]: sectors follow a header of one sector, 109 places of the allocation table stand in the header.
const (
	oleHeader    = 512
	oleEntry     = 128
	oleTable     = 76
	oleTables    = 109
	oleDirectory = 64 // sectors of directory that are read
)

// oleStreams lists the names in a compound file's directory, as far as it reads.
func oleStreams(r io.ReaderAt, size int64) []string {
	header := make([]byte, oleHeader)
	if n, _ := r.ReadAt(header, 0); n < len(header) || string(header[:8]) != oleMagic {
		return nil
	}
	shift := binary.LittleEndian.Uint16(header[30:])
	if shift != 9 && shift != 12 {
		return nil
	}
	o := ole{r: r, size: size, sector: 1 << shift, header: header}
	var names []string
	at := binary.LittleEndian.Uint32(header[48:])
	for range oleDirectory {
		block := o.read(at)
		if block == nil {
			break
		}
		for entry := range slices.Chunk(block, oleEntry) {
			names = append(names, oleName(entry))
		}
		at = o.next(at)
	}
	return names
}

type ole struct {
	r      io.ReaderAt
	size   int64
	sector int64
	header []byte
}

// read returns a sector, or nil when the file has none of that number.
func (o ole) read(number uint32) []byte {
	at := (int64(number) + 1) * o.sector
	if at < 0 || at >= o.size {
		return nil
	}
	block := make([]byte, o.sector)
	n, _ := o.r.ReadAt(block, at)
	return block[:n/oleEntry*oleEntry]
}

// next follows the allocation table, as far as its places stand in the header.
func (o ole) next(number uint32) uint32 {
	const none = 0xffffffff
	perSector := uint32(o.sector / 4)
	if number/perSector >= oleTables {
		return none
	}
	place := binary.LittleEndian.Uint32(o.header[oleTable+4*(number/perSector):])
	block := o.read(place)
	if at := int(number%perSector) * 4; at+4 <= len(block) {
		return binary.LittleEndian.Uint32(block[at:])
	}
	return none
}

// oleName reads the name of a directory entry: UTF-16 and its length in bytes with the final zero.
func oleName(entry []byte) string {
	if len(entry) < oleEntry {
		return ""
	}
	length := int(binary.LittleEndian.Uint16(entry[64:]))
	if length < 2 || length > 64 {
		return ""
	}
	units := make([]uint16, length/2-1)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(entry[2*i:])
	}
	return strings.TrimLeft(string(utf16.Decode(units)), "\x00\x01\x02\x03\x04\x05\x06")
}
