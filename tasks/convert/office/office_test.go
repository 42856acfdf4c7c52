package office_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/office"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
)

// TestMain makes this test binary be a worker when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == lok.Argument {
		os.Exit(lok.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// newEngine returns LibreOffice in a box of its own, or skips the test.
func newEngine(t *testing.T) *office.Engine {
	t.Helper()
	return converttest.Engine(t, "LibreOffice", office.New)
}

// input is one conversion of a test.
type input struct {
	content  string
	from, to convert.Format
	options  convert.Options
	progress func(int)
}

// run converts in a fresh folder, and returns the path of the output.
func (in input) run(ctx context.Context, t *testing.T, e convert.Engine) (string, error) {
	t.Helper()
	outputs, err := converttest.Convert(ctx, t, e, in.content, convert.Job{From: in.from, To: in.to, Options: in.options, Progress: in.progress})
	if err != nil {
		return "", err
	}
	return outputs[0], nil
}

// must is run that may not fail.
func (in input) must(t *testing.T, e convert.Engine) string {
	t.Helper()
	path, err := in.run(t.Context(), t, e)
	if err != nil {
		t.Fatalf("%s to %s: %v", in.from, in.to, err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// pdfText is what pdftotext reads of a PDF.
func pdfText(t *testing.T, path string) string {
	t.Helper()
	return strings.Join(strings.Fields(converttest.Tool(t, "pdftotext", path, "-")), " ")
}

// pages is how many pdfinfo counts.
func pages(t *testing.T, path string) string {
	t.Helper()
	for line := range strings.Lines(converttest.Tool(t, "pdfinfo", path)) {
		if n, ok := strings.CutPrefix(line, "Pages:"); ok {
			return strings.TrimSpace(n)
		}
	}
	return ""
}

func TestDocumentsBecomePDF(t *testing.T) {
	e := newEngine(t)
	for _, c := range []struct {
		from    convert.Format
		content string
	}{
		{"docx", docx("a fine day")}, {"fodt", fodt("a fine day")}, {"fods", fods("a fine day")}, {"fodp", fodp("a fine day")},
		{"fodg", fodg("a fine day")}, {"xlsx", xlsx(t, "a fine day")}, {"rtf", `{\rtf1\ansi a fine day}`},
		{"txt", "a fine day"}, {"html", "<!doctype html><p>a fine <b>day</b>"}, {"csv", "a fine day,x\n"},
	} {
		t.Run(string(c.from), func(t *testing.T) {
			out := input{content: c.content, from: c.from, to: "pdf"}.must(t, e)
			if got := pdfText(t, out); !strings.Contains(got, "a fine day") || pages(t, out) != "1" {
				t.Errorf("got %q on %s pages", got, pages(t, out))
			}
		})
	}
}

// TestEveryOutput writes every format of each application; that the output is of its format is checked by Convert.
func TestEveryOutput(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	e := newEngine(t)
	sources := map[convert.Format]string{"fodt": fodt("a fine day"), "fods": fods("a fine day"), "fodp": fodp("a fine day"),
		"fodg": fodg("a fine day")}
	for _, p := range e.Pairs() {
		if content, ok := sources[p.From]; ok {
			t.Run(string(p.From+" to "+p.To), func(t *testing.T) {
				input{content: content, from: p.From, to: p.To}.must(t, e)
			})
		}
	}
}
