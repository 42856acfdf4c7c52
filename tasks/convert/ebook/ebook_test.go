package ebook_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/ebook"
)

// newEngine returns calibre in a box of its own, or skips the test.
func newEngine(t *testing.T) *ebook.Engine {
	t.Helper()
	return converttest.Engine(t, "calibre", ebook.New)
}

// run converts in a fresh folder, and returns what came out and the percents on the way.
func run(t *testing.T, e convert.Engine, content string, from, to convert.Format) (string, []int, error) {
	t.Helper()
	var percents []int
	outputs, err := converttest.Convert(t.Context(), t, e, content, convert.Job{From: from, To: to,
		Progress: func(n int) { percents = append(percents, n) }})
	if err != nil {
		return "", percents, err
	}
	made, err := os.ReadFile(outputs[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(made), percents, nil
}

const page = `<!doctype html><title>Book</title><h1>One</h1><p>A fine day.<h1>Two</h1><p>And another.`

// TestBooksThereAndBack writes formats, and reads them again.
func TestBooksThereAndBack(t *testing.T) {
	e := newEngine(t)
	for _, to := range []convert.Format{"epub", "mobi", "fb2"} {
		t.Run(string(to), func(t *testing.T) {
			made, percents, err := run(t, e, page, "html", to)
			if err != nil {
				t.Fatal(err)
			}
			if len(percents) < 2 {
				t.Errorf("got percents %v", percents)
			}
			back, _, err := run(t, e, made, to, "txt")
			if err != nil || !strings.Contains(back, "A fine day.") || !strings.Contains(back, "And another.") {
				t.Errorf("got %q, %v", back, err)
			}
		})
	}
}

func TestBookBecomesPDF(t *testing.T) {
	e := newEngine(t)
	book, _, err := run(t, e, page, "html", "epub")
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := run(t, e, book, "epub", "pdf")
	if err != nil || !strings.HasPrefix(made, "%PDF-") {
		t.Errorf("got %.20q, %v, want a PDF", made, err)
	}
}

func TestNothingOutsideIsRead(t *testing.T) {
	e := newEngine(t)
	canary := filepath.Join(t.TempDir(), "canary.html")
	if err := os.WriteFile(canary, []byte("<p>canary-7f3a9c"), 0o644); err != nil {
		t.Fatal(err)
	}
	hostile := `<!doctype html><p>seen<a href="` + canary + `">x</a><a href="file://` + canary + `">y</a>` +
		`<img src="` + canary + `"><iframe src="` + canary + `"></iframe><a href="../../../../../../../etc/passwd">z</a>`
	made, _, err := run(t, e, hostile, "html", "txtz")
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := run(t, e, made, "txtz", "txt")
	if err != nil || !strings.Contains(text, "seen") || strings.Contains(text, "canary-7f3a9c") || strings.Contains(text, "daemon:") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestBrokenBookIsRefused(t *testing.T) {
	e := newEngine(t)
	_, _, err := run(t, e, "PK\x03\x04 no more", "epub", "mobi")
	if message := engine.MessageOf(err); engine.CodeOf(err) != engine.Invalid || strings.Contains(message, "/") {
		t.Errorf("got %v, want that the file is at fault, and no path", err)
	}
}
