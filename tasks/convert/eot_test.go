package convert_test

import (
	"bytes"
	"testing"

	"golang.org/x/image/font/gofont/goregular"

	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// TestEOT wraps a font and takes it out again.
func TestEOT(t *testing.T) {
	wrapped := input{content: goregular.TTF, from: "ttf", to: "eot"}.output(t)
	if got, err := filetype.Detect(bytes.NewReader(wrapped), int64(len(wrapped)), ""); err != nil || got != "eot" {
		t.Errorf("got %s, %v, want eot", got, err)
	}
	if !bytes.Contains(wrapped, []byte("G\x00o\x00 \x00R\x00e\x00g\x00u\x00l\x00a\x00r\x00")) {
		t.Error("the header does not say what the font is called")
	}
	if again := (input{content: wrapped, from: "eot", to: "ttf"}).output(t); !bytes.Equal(again, goregular.TTF) {
		t.Error("the font is another one")
	}
	masked := bytes.Clone(wrapped)
	masked[15] = 0x10
	for i := len(masked) - len(goregular.TTF); i < len(masked); i++ {
		masked[i] ^= 0x50
	}
	if again := (input{content: masked, from: "eot", to: "ttf"}).output(t); !bytes.Equal(again, goregular.TTF) {
		t.Error("the font is not what it was before it was masked")
	}
	wrapped[12] |= 4
	input{content: wrapped, from: "eot", to: "ttf"}.refused(t, "compressed")
	input{content: wrapped[:200], from: "eot", to: "ttf"}.refused(t, "damaged")
	input{content: goregular.TTF[:2000], from: "ttf", to: "eot"}.refused(t, "damaged")
}

// FuzzEOT takes fonts out of what strangers send, and puts such into one.
func FuzzEOT(f *testing.F) {
	f.Add(make([]byte, 100), true)
	f.Add([]byte("\x00\x01\x00\x00\x00\x02OS/2"), false)
	f.Add(goregular.TTF[:4000], false)
	f.Fuzz(func(t *testing.T, content []byte, out bool) {
		in := input{content: content, from: "ttf", to: "eot"}
		if out {
			in.from, in.to = "eot", "eot"
		}
		if _, err := in.run(t.Context(), t); err != nil && !refusal(err) && !bytes.HasPrefix(content, []byte("EOT")) {
			t.Logf("refused: %v", err) // what it made was no font, which Convert sees
		}
	})
}
