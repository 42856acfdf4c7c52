package filestore

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"path"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/gantry-engine/gantry/engine"
)

const (
	chunk    = 256 << 10
	sniffing = 8 << 10 // bytes from which the media type is told
)

// measure learns what is to be known of bytes while they pass.
type measure struct {
	name   string
	size   int64
	head   []byte
	sha256 hash.Hash
	md5    hash.Hash
	crc    uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newMeasure(name string) *measure {
	return &measure{name: name, sha256: sha256.New(), md5: md5.New()}
}

func (m *measure) add(p []byte) {
	m.size += int64(len(p))
	if need := sniffing - len(m.head); need > 0 {
		m.head = append(m.head, p[:min(need, len(p))]...)
	}
	m.crc = crc32.Update(m.crc, castagnoli, p)
	if len(p) < 64<<10 {
		m.sha256.Write(p)
		m.md5.Write(p)
		return
	}
	done := make(chan struct{})
	go func() { m.md5.Write(p); close(done) }() // the slower half, beside the other
	m.sha256.Write(p)
	<-done
}

// file is what was learned, under a fresh blob.
func (m *measure) file() engine.File {
	return engine.File{
		Blob: engine.NewID(), Name: m.name, Size: m.size, MIME: detect(m.head, m.name),
		SHA256: hex.EncodeToString(m.sha256.Sum(nil)),
		MD5:    hex.EncodeToString(m.md5.Sum(nil)),
		CRC32C: hex.EncodeToString(binary.BigEndian.AppendUint32(nil, m.crc)),
	}
}

// plainTypes are kinds of text that only their names tell apart, and that are as harmless as plain text.
var plainTypes = map[string]string{".md": "text/markdown", ".markdown": "text/markdown", ".csv": "text/csv", ".tsv": "text/tab-separated-values"}

// detect tells the media type by content; the name only chooses among kinds of plain text.
func detect(head []byte, name string) string {
	found, _, _ := strings.Cut(mimetype.Detect(head).String(), ";")
	if t, ok := plainTypes[strings.ToLower(path.Ext(name))]; ok && found == "text/plain" {
		return t
	}
	return found
}

// copyTo reads r to its end into dst (nil: nowhere) and the measure. Errors of r come back as they are.
func copyTo(ctx context.Context, dst io.Writer, m *measure, r io.Reader) error {
	buf := make([]byte, chunk)
	for {
		n, err := fill(r, buf)
		m.add(buf[:n])
		if dst != nil {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return storing(werr)
			}
		}
		switch {
		case err == io.EOF: // a wrapped EOF is no end: it says that something was cut off
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// fill reads until buf is full or r returns an error, which io.ReadFull would make unclear: only io.EOF is the end.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
