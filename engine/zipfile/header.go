package zipfile

import (
	"encoding/binary"
	"math"
	"time"
)

// The fixed parts of PKWARE's APPNOTE 6.3.9. "Made by" stays 0, MS-DOS: so there are no modes and no owners.
const (
	localSignature     = 0x04034b50
	centralSignature   = 0x02014b50
	endSignature       = 0x06054b50
	end64Signature     = 0x06064b50
	locator64Signature = 0x07064b50
	extra64            = 1

	version20     = 20 // deflate
	version45     = 45 // ZIP64
	flagUTF8      = 1 << 11
	methodStore   = 0
	methodDeflate = 8
)

// max32 stands in a 32-bit field for "see ZIP64", so a value of that size needs it already.
const max32 = math.MaxUint32

// record is what becomes known of an entry while it is written.
type record struct {
	offset     int64
	compressed int64
	crc        uint32
	method     uint16
	local64    bool // the local header has room for 64-bit sizes
}

func newRecord(e Entry, offset int64) record {
	r := record{offset: offset, method: methodDeflate}
	if e.Store || e.Size == 0 {
		r.method = methodStore
	}
	// Deflate adds at most five bytes to 64 KiB that it cannot shrink, and to each block.
	largest := e.Size + e.Size>>10 + 1024
	r.local64 = e.Size >= max32 || r.method == methodDeflate && largest >= max32
	return r
}

// local returns the local header. Its length depends on the entry alone.
func (r record) local(e Entry, t dosTime) []byte {
	version, compressed, size := uint16(version20), uint32(r.compressed), uint32(e.Size)
	var extra []byte
	if r.local64 {
		version, compressed, size = version45, max32, max32
		extra = appendExtra(e.Size, r.compressed)
	}
	b := make([]byte, 0, 30+len(e.Name)+len(extra))
	b = append32(b, localSignature)
	b = append16(b, version, flagUTF8, r.method, t.time, t.date)
	b = append32(b, r.crc, compressed, size)
	b = append16(b, uint16(len(e.Name)), uint16(len(extra)))
	b = append(b, e.Name...)
	return append(b, extra...)
}

// central returns the header in the directory.
func (r record) central(e Entry, t dosTime) []byte {
	version, extra := uint16(version20), appendExtra(over(e.Size, r.compressed, r.offset)...)
	if r.local64 || len(extra) > 0 {
		version = version45
	}
	b := make([]byte, 0, 46+len(e.Name)+len(extra))
	b = append32(b, centralSignature)
	b = append16(b, version, version, flagUTF8, r.method, t.time, t.date)
	b = append32(b, r.crc, clip32(r.compressed), clip32(e.Size))
	b = append16(b, uint16(len(e.Name)), uint16(len(extra)), 0, 0, 0)
	b = append32(b, 0, clip32(r.offset))
	b = append(b, e.Name...)
	return append(b, extra...)
}

// end returns what follows the directory that has count entries and size bytes and begins at start.
func end(count int, start, size int64) []byte {
	var b []byte
	if count > math.MaxUint16 || start >= max32 || size >= max32 {
		b = append32(b, end64Signature)
		b = append64(b, 44) // the length of the rest of this record
		b = append16(b, version45, version45)
		b = append32(b, 0, 0)
		b = append64(b, int64(count), int64(count), size, start)
		b = append32(b, locator64Signature, 0)
		b = append64(b, start+size)
		b = append32(b, 1)
	}
	b = append32(b, endSignature)
	entries := uint16(min(count, math.MaxUint16))
	b = append16(b, 0, 0, entries, entries)
	b = append32(b, clip32(size), clip32(start))
	return append16(b, 0)
}

// over returns those values that a 32-bit field cannot hold.
func over(values ...int64) []int64 {
	var large []int64
	for _, v := range values {
		if v >= max32 {
			large = append(large, v)
		}
	}
	return large
}

// appendExtra returns the ZIP64 extra field of values, or nothing without any.
func appendExtra(values ...int64) []byte {
	if len(values) == 0 {
		return nil
	}
	return append64(append16(nil, extra64, uint16(8*len(values))), values...)
}

func clip32(v int64) uint32 { return uint32(min(v, max32)) }

func append16(b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func append32(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func append64(b []byte, values ...int64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// dosTime is a time as MS-DOS wrote it.
type dosTime struct{ date, time uint16 }

// toDOS converts to UTC, and what lies outside 1980 to 2107 to the nearest time inside.
func toDOS(t time.Time) dosTime {
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	t = t.UTC()
	if t.Before(first) {
		t = first
	} else if t.After(last) {
		t = last
	}
	return dosTime{
		date: uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day()),
		time: uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2),
	}
}
