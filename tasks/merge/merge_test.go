package merge_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/embedded"
	"github.com/gantry-engine/gantry/tasks/merge"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

type stored struct{ Name, Content string }

// document is a PDF whose pages say its name and their number.
func document(t *testing.T, name string, count int) string {
	t.Helper()
	d := fpdf.New("P", "pt", "A4", "")
	d.SetFont("Helvetica", "", 40)
	for n := range count {
		d.AddPage()
		d.Text(100, 100, fmt.Sprintf("%s page %d", name, n+1))
	}
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 20, 20))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// server is an engine with an import of the files, and merge with the engine.
func server(t *testing.T, e pdf.Engine, files ...stored) *enginetest.Server {
	t.Helper()
	return enginetest.Start(t, enginetest.Bringing("import/test", files...), merge.Operation(convert.New(embedded.Engines()...), e))
}

func run(t *testing.T, e pdf.Engine, params string, files ...stored) (engine.Task, string) {
	t.Helper()
	s := server(t, e, files...)
	job := s.MustEnd(t, s.MustSubmit(t,
		enginetest.Task("in", "import/test", ""), enginetest.Task("out", "merge", params, "in")).ID)
	task := enginetest.Named(t, job, "out")
	if task.Status != engine.StatusFinished {
		return task, ""
	}
	path := filepath.Join(t.TempDir(), "out.pdf")
	if err := os.WriteFile(path, []byte(s.Content(t, task.Result.Files[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	return task, path
}

// texts are the words of each page, by poppler, after qpdf has found nothing wrong with the file.
func texts(t *testing.T, path string) []string {
	t.Helper()
	converttest.Tool(t, "qpdf", "--check", path)
	all := strings.Split(strings.TrimSuffix(converttest.Tool(t, "pdftotext", "-layout", path, "-"), "\f"), "\f")
	for i, text := range all {
		all[i] = strings.TrimSpace(text)
	}
	return all
}

func TestMerge(t *testing.T) {
	for _, e := range []pdf.Engine{pdf.NewLibrary()} {
		t.Run(e.Name(), func(t *testing.T) {
			task, path := run(t, e, `{"output_format":"pdf"}`, stored{"b.pdf", document(t, "b", 2)},
				stored{"note.md", "# a note"}, stored{"a.pdf", document(t, "a", 1)}, stored{"p.png", picture(t)})
			if task.Status != engine.StatusFinished || task.Result.Files[0].Name != "merged.pdf" || task.Engine != e.Name() {
				t.Fatalf("got %s %s, %v by %s", task.Code, task.Message, task.Result.Files, task.Engine)
			}
			if got, want := texts(t, path), []string{"b page 1", "b page 2", "a note", "a page 1", ""}; !slices.Equal(got, want) {
				t.Errorf("got pages %q, want %q", got, want)
			}
		})
	}
}

func TestMergeOfOne(t *testing.T) {
	task, path := run(t, pdf.NewLibrary(), `{"output_format":"pdf","filename":"x.pdf"}`, stored{"a.pdf", document(t, "a", 2)})
	if task.Status != engine.StatusFinished || task.Result.Files[0].Name != "x.pdf" {
		t.Fatalf("got %s %s, %v", task.Code, task.Message, task.Result.Files)
	}
	if got := texts(t, path); !slices.Equal(got, []string{"a page 1", "a page 2"}) {
		t.Errorf("got %q", got)
	}
}

func TestMergeRefusals(t *testing.T) {
	whole := document(t, "a", 1)
	for name, c := range map[string]struct {
		bad  stored
		code engine.Code
		want string
	}{
		"damaged":    {stored{"b.pdf", whole[:300]}, engine.Invalid, "b.pdf: The PDF is damaged"},
		"no way":     {stored{"b.mp3", "ID3\x03\x00\x00\x00\x00\x00\x00"}, engine.Unsupported, "b.mp3: This server cannot convert"},
		"postscript": {stored{"b.pdf", "%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file"}, engine.Unsupported, "eps"},
	} {
		t.Run(name, func(t *testing.T) {
			task, _ := run(t, pdf.NewLibrary(), `{"output_format":"pdf"}`, stored{"a.pdf", whole}, c.bad)
			if task.Code != c.code || !strings.Contains(task.Message, c.want) {
				t.Errorf("got %s %q, want %s %q", task.Code, task.Message, c.code, c.want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if task, _ := run(t, pdf.NewLibrary(), `{"output_format":"pdf"}`); task.Code != engine.NoFiles {
			t.Errorf("got %s, want NO_FILES", task.Code)
		}
	})
}

func TestMergeMistakes(t *testing.T) {
	s := server(t, pdf.NewLibrary())
	for params, field := range map[string]string{
		`{}`: "tasks.out.output_format", `{"output_format":"docx"}`: "tasks.out.output_format",
		`{"output_format":"pdf","engine":"x"}`: "tasks.out.engine",
	} {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
			enginetest.Task("in", "import/test", ""), enginetest.Task("out", "merge", params, "in"),
		}})
		var e *engine.Error
		if !errors.As(err, &e) || len(e.Problems) != 1 || e.Problems[0].Field != field {
			t.Errorf("%s: got %v, want a problem of %s", params, err, field)
		}
	}
}
