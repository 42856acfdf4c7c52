package eot_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/eot"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

var fonts = eot.New()

// TestEOT wraps a font and takes it out again.
func TestEOT(t *testing.T) {
	wrapped := converttest.Output(t, fonts, goregular.TTF, convert.Job{From: "ttf", To: "eot"})
	if got, err := filetype.Detect(bytes.NewReader(wrapped), int64(len(wrapped)), ""); err != nil || got != "eot" {
		t.Errorf("got %s, %v, want eot", got, err)
	}
	if !bytes.Contains(wrapped, []byte("G\x00o\x00 \x00R\x00e\x00g\x00u\x00l\x00a\x00r\x00")) {
		t.Error("the header does not say what the font is called")
	}
	if again := converttest.Output(t, fonts, wrapped, convert.Job{From: "eot", To: "ttf"}); !bytes.Equal(again, goregular.TTF) {
		t.Error("the font is another one")
	}
	masked := bytes.Clone(wrapped)
	masked[15] = 0x10
	for i := len(masked) - len(goregular.TTF); i < len(masked); i++ {
		masked[i] ^= 0x50
	}
	if again := converttest.Output(t, fonts, masked, convert.Job{From: "eot", To: "ttf"}); !bytes.Equal(again, goregular.TTF) {
		t.Error("the font is not what it was before it was masked")
	}
	wrapped[12] |= 4
	converttest.Refused(t, fonts, wrapped, convert.Job{From: "eot", To: "ttf"}, "compressed")
	converttest.Refused(t, fonts, wrapped[:200], convert.Job{From: "eot", To: "ttf"}, "damaged")
	converttest.Refused(t, fonts, goregular.TTF[:2000], convert.Job{From: "ttf", To: "eot"}, "damaged")
}

// FuzzEOT takes fonts out of what strangers send, and puts such into one.
func FuzzEOT(f *testing.F) {
	f.Add(make([]byte, 100), true)
	f.Add([]byte("\x00\x01\x00\x00\x00\x02OS/2"), false)
	f.Add(goregular.TTF[:4000], false)
	f.Fuzz(func(t *testing.T, content []byte, out bool) {
		job := convert.Job{From: "ttf", To: "eot"}
		if out {
			job.From = "eot"
		}
		_, err := converttest.Convert(t.Context(), t, fonts, content, job) // what it makes may be no font, which Convert sees
		if err != nil && strings.Contains(err.Error(), "panic") {
			t.Error(err)
		}
	})
}
