package text_test

import (
	"archive/zip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/text"
)

// newEngine returns pandoc in a box of its own, or skips the test.
func newEngine(t *testing.T) *text.Engine {
	t.Helper()
	return converttest.Engine(t, "pandoc", text.New)
}

// run converts in a fresh folder, and returns what came out.
func run(ctx context.Context, t *testing.T, e convert.Engine, content string, from, to convert.Format) (string, error) {
	t.Helper()
	outputs, err := converttest.Convert(ctx, t, e, content, convert.Job{From: from, To: to})
	if err != nil {
		return "", err
	}
	made, err := os.ReadFile(outputs[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(made), nil
}

const sample = "# Title\n\nA *fine* day, `code`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"

// TestEveryFormatThereAndBack writes each format, and reads it again where pandoc can.
func TestEveryFormatThereAndBack(t *testing.T) {
	e := newEngine(t)
	back := map[convert.Format]bool{}
	for _, p := range e.Pairs() {
		back[p.From] = true
	}
	for _, p := range e.Pairs() {
		if p.From != "md" {
			continue
		}
		t.Run(string(p.To), func(t *testing.T) {
			made, err := run(t.Context(), t, e, sample, "md", p.To)
			if err != nil {
				t.Fatal(err)
			}
			if back[p.To] {
				if made, err = run(t.Context(), t, e, made, p.To, "txt"); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []string{"Title", "fine", "day", "code"} {
				if !strings.Contains(made, want) {
					t.Errorf("got %q, want %q in it", made, want)
				}
			}
		})
	}
}

// unpacked is a file, with what lies in it where it is a ZIP.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(file), int64(len(file)))
	if err != nil {
		return file
	}
	var all strings.Builder
	for _, member := range z.File {
		r, err := member.Open()
		if err == nil {
			_, err = io.Copy(&all, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestNothingOutsideIsRead tries what each reader knows to take in other files, and the network.
func TestNothingOutsideIsRead(t *testing.T) {
	e := newEngine(t)
	canary := filepath.Join(t.TempDir(), "canary.txt")
	if err := os.WriteFile(canary, []byte("canary-7f3a9c"), 0o644); err != nil {
		t.Fatal(err)
	}
	pwned := filepath.Join(t.TempDir(), "pwned")
	for name, c := range map[string]struct {
		content  string
		from, to convert.Format
	}{
		"input": {`\documentclass{article}\begin{document}seen \input{` + canary + `}\include{` + canary + `}` +
			`\verbatiminput{` + canary + `}\lstinputlisting{` + canary + `}\immediate\write18{touch ` + pwned + `}\end{document}`,
			"tex", "md"},
		"include":           {"seen\n\n.. include:: " + canary + "\n\n.. csv-table::\n   :file: " + canary + "\n", "rst", "html"},
		"org include":       {"seen\n\n#+INCLUDE: \"" + canary + "\"\n", "org", "html"},
		"picture of docx":   {"seen ![x](" + canary + ") ![y](file://" + canary + ")\n", "md", "docx"},
		"picture of epub":   {"seen ![x](" + canary + ")\n", "md", "epub"},
		"picture of html":   {`<p>seen<img src="` + canary + `"><iframe src="` + canary + `"></iframe>`, "html", "odt"},
		"the machine users": {"seen ![x](/etc/passwd)\n", "md", "docx"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := run(t.Context(), t, e, c.content, c.from, c.to)
			if engine.CodeOf(err) == engine.Invalid && !strings.Contains(engine.MessageOf(err), os.TempDir()) {
				return // refused for what it asks for
			}
			if err != nil {
				t.Fatal(err)
			}
			if read, err := run(t.Context(), t, e, made, c.to, "txt"); err != nil || !strings.Contains(read, "seen") {
				t.Errorf("got %q, %v, want the text itself", read, err)
			}
			if all := unpacked(t, made); strings.Contains(all, "canary-7f3a9c") || strings.Contains(all, "daemon:") {
				t.Errorf("the output holds a file of the machine")
			}
		})
	}
	if _, err := os.Stat(pwned); err == nil {
		t.Error("a command ran")
	}
}

func TestBrokenInputIsRefused(t *testing.T) {
	e := newEngine(t)
	for name, c := range map[string]struct {
		content  string
		from, to convert.Format
	}{
		"docx": {"PK\x03\x04 not a zip", "docx", "md"}, "epub": {"PK", "epub", "md"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t.Context(), t, e, c.content, c.from, c.to)
			if message := engine.MessageOf(err); engine.CodeOf(err) != engine.Invalid || strings.Contains(message, os.TempDir()) {
				t.Errorf("got %v, want that the file is at fault, and no path", err)
			}
		})
	}
}
