package charset_test

import (
	"io"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert/charset"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

func TestEncodings(t *testing.T) {
	for name, raw := range map[string]string{
		"utf-8": "café.", "utf-8 with mark": "\xef\xbb\xbfcafé.", "windows-1252": "caf\xe9.",
		"utf-16, low byte first": "\xff\xfec\x00a\x00f\x00\xe9\x00.\x00", "utf-16, high byte first": "\xfe\xff\x00c\x00a\x00f\x00\xe9\x00.",
	} {
		t.Run(name, func(t *testing.T) {
			if got := charset.Decode([]byte(raw), "txt"); got != "café." {
				t.Errorf("got %q, want café.", got)
			}
			got, err := io.ReadAll(charset.Reader(strings.NewReader(raw), []byte(raw)[:min(len(raw), charset.HeadLen)]))
			if err != nil || string(got) != "café." {
				t.Errorf("as a stream: got %q, %v, want café.", got, err)
			}
		})
	}
}

func TestHTMLNamesItsEncoding(t *testing.T) {
	const head = `<meta charset="iso-8859-7">`
	for format, want := range map[filetype.Format]string{"html": "Ω", "txt": "Ù"} {
		if got := charset.Decode([]byte(head+"\xd9"), format); got != head+want {
			t.Errorf("%s: got %q, want %q", format, got, head+want)
		}
	}
}

// TestEnds has texts whose start, or whole, ends in the middle of a character or with what could begin one.
func TestEnds(t *testing.T) {
	long := strings.Repeat("x", charset.HeadLen-1)
	for raw, want := range map[string]string{long + "é": long + "é", "caf\xe9": "café", "": ""} {
		got, err := io.ReadAll(charset.Reader(strings.NewReader(raw), []byte(raw)[:min(len(raw), charset.HeadLen)]))
		if err != nil || string(got) != want {
			t.Errorf("got %.9q, %v, want %.9q", got, err, want)
		}
	}
}
