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
			got, err := io.ReadAll(charset.Reader(strings.NewReader(raw), []byte(raw)))
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

// TestHeadEndsInsideACharacter has a start of a file that is no whole text.
func TestHeadEndsInsideACharacter(t *testing.T) {
	got, err := io.ReadAll(charset.Reader(strings.NewReader("caféé"), []byte("café")[:4]))
	if err != nil || string(got) != "caféé" {
		t.Errorf("got %q, %v, want caféé", got, err)
	}
}
