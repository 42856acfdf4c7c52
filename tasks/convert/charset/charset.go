// Package charset reads texts of whatever encoding as UTF-8.
package charset

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Decode turns the bytes of a text into UTF-8 without a byte order mark. A mark decides the encoding, else HTML may
// name it, else it is UTF-8, and Windows-1252 if it cannot be that.
func Decode(raw []byte, format filetype.Format) string {
	var enc encoding.Encoding
	switch {
	case format == "html":
		enc, _, _ = charset.DetermineEncoding(raw[:min(len(raw), 1024)], "")
		if utf8.Valid(raw) && !marked(raw) {
			enc = encoding.Nop
		}
	case utf8.Valid(raw):
		enc = encoding.Nop
	default:
		enc = charmap.Windows1252
	}
	out, _, err := transform.Bytes(unicode.BOMOverride(enc.NewDecoder()), raw)
	if err != nil {
		out = raw
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

func marked(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff"))
}

// HeadLen is how much of a stream's start decides its encoding.
const HeadLen = 64 << 10

// Reader is Decode for a stream. Its first HeadLen bytes decide; a head that is shorter is the whole of it.
func Reader(r io.Reader, head []byte) io.Reader {
	if marked(head) || startsAsUTF8(head) {
		return transform.NewReader(r, unicode.BOMOverride(encoding.Nop.NewDecoder()))
	}
	return transform.NewReader(r, charmap.Windows1252.NewDecoder())
}

// startsAsUTF8 does not mind that head ends inside a character, unless it is the whole text.
func startsAsUTF8(head []byte) bool {
	whole := len(head) < HeadLen
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return !whole && !utf8.FullRune(head)
		}
		head = head[n:]
	}
	return true
}
