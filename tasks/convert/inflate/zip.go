package inflate

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/gantry-engine/gantry/engine"
)

// Sizes and signatures of APPNOTE.TXT 4.3.
const (
	endLen      = 22
	end64Len    = 56
	locator64   = 20
	dirEntryLen = 46
	dirEntrySig = "PK\x01\x02"
)

var errDirectory = engine.Errorf(engine.Invalid, "The ZIP file's directory is damaged or ambiguous.")

// ZIP opens a ZIP file of size bytes. It refuses more than maxEntries entries before anything allocates memory for them, and a
// directory that two programs could find at two places (as in CVE-2024-24789). Errors that are the file's fault have the codes
// engine.Invalid and engine.TooLarge.
func ZIP(r io.ReaderAt, size int64, maxEntries int) (*zip.Reader, error) {
	if err := checkDirectory(r, size, maxEntries); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, errDirectory
	}
	return z, nil
}

// checkDirectory reads a ZIP file's directory without keeping it.
func checkDirectory(r io.ReaderAt, size int64, maxEntries int) error {
	start, length, err := zipDirectory(r, size)
	if err != nil {
		return err
	}
	dir := bufio.NewReader(io.NewSectionReader(r, start, length))
	entry := make([]byte, dirEntryLen)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(dir, entry); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil || string(entry[:4]) != dirEntrySig {
			return errDirectory
		}
		if n >= maxEntries {
			return engine.Errorf(engine.TooLarge, "The archive has more than %d entries.", maxEntries)
		}
		u16 := binary.LittleEndian.Uint16
		if _, err := dir.Discard(int(u16(entry[28:])) + int(u16(entry[30:])) + int(u16(entry[32:]))); err != nil {
			return errDirectory
		}
	}
}

// zipDirectory finds the central directory: where it starts and how long it is.
func zipDirectory(r io.ReaderAt, size int64) (start, length int64, err error) {
	tail := make([]byte, min(size, endLen+1<<16))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < endLen {
		return 0, 0, engine.Errorf(engine.Invalid, "The ZIP file has no directory: it is cut short or damaged.")
	}
	end := size - int64(len(tail)-at)
	length = int64(binary.LittleEndian.Uint32(tail[at+12:]))
	offset := int64(binary.LittleEndian.Uint32(tail[at+16:]))
	if length == 1<<32-1 || offset == 1<<32-1 || binary.LittleEndian.Uint16(tail[at+10:]) == 1<<16-1 {
		if e, l, o, ok := zip64Directory(r, end); ok {
			end, length, offset = e, l, o
		}
	}
	start = end - length
	if length < 0 || offset < 0 || start < 0 || offset > start {
		return 0, 0, errDirectory
	}
	if offset != start && length > 0 && isEntry(r, offset) {
		return 0, 0, errDirectory
	}
	return start, length, nil
}

func zip64Directory(r io.ReaderAt, end int64) (at, length, offset int64, ok bool) {
	loc := make([]byte, locator64)
	if _, err := r.ReadAt(loc, end-locator64); err != nil || string(loc[:4]) != "PK\x06\x07" {
		return 0, 0, 0, false
	}
	at = int64(binary.LittleEndian.Uint64(loc[8:]))
	rec := make([]byte, end64Len)
	if at < 0 {
		return 0, 0, 0, false
	}
	if _, err := r.ReadAt(rec, at); err != nil || string(rec[:4]) != "PK\x06\x06" {
		return 0, 0, 0, false
	}
	return at, int64(binary.LittleEndian.Uint64(rec[40:])), int64(binary.LittleEndian.Uint64(rec[48:])), true
}

func isEntry(r io.ReaderAt, at int64) bool {
	got := make([]byte, len(dirEntrySig))
	_, err := r.ReadAt(got, at)
	return err == nil && string(got) == dirEntrySig
}

// CheckOverlap refuses a ZIP whose members share bytes: the trick of the bombs that need no nesting. It reads the head of each.
func CheckOverlap(files []*zip.File) error {
	type span struct{ from, to int64 }
	spans := make([]span, 0, len(files))
	for _, f := range files {
		at, err := f.DataOffset()
		if err != nil || f.CompressedSize64 > 1<<62 {
			return errDirectory
		}
		spans = append(spans, span{at, at + int64(f.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return engine.Errorf(engine.Invalid, "The ZIP file's members overlap.")
		}
	}
	return nil
}
