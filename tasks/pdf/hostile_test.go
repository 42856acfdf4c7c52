package pdf_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// TestHostile gives every hostile file to everything that an engine does.
func TestHostile(t *testing.T) {
	files := pdftest.Hostile(t)
	each(t, func(t *testing.T, e pdf.Engine) {
		for name, content := range files {
			t.Run(name, func(t *testing.T) { everything(t, e, content) })
		}
	})
}

// everything does all that an engine can with a file. An error that is not the file's fault fails the test, and so does an
// output that is not whole.
func everything(t *testing.T, e pdf.Engine, content []byte) {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "in.pdf")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) bool {
		code := engine.CodeOf(err)
		if err != nil && (code != engine.Invalid && code != engine.TooLarge || strings.Contains(engine.MessageOf(err), dir)) {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
		return err != nil
	}
	count, err := e.Count(t.Context(), in, "")
	refused("count", err)
	for what, do := range map[string]func(out string) error{
		"assemble": func(out string) error { return e.Assemble(t.Context(), out, pdf.Part{Path: in}) },
		"rotate": func(out string) error {
			return e.Rotate(t.Context(), in, out, []int{1}, pdf.Turn{Degrees: 90, Relative: true})
		},
		"encrypt": func(out string) error {
			return e.Encrypt(t.Context(), in, out, pdf.Lock{Owner: "x", Modify: "all", Print: "full"})
		},
		"decrypt": func(out string) error { return e.Decrypt(t.Context(), in, out, "x") },
	} {
		out := filepath.Join(t.TempDir(), "out.pdf")
		if err := do(out); !refused(what, err) && count > 0 {
			refused("check of "+what, pdf.Check(t.Context(), e, out, "", count))
		}
	}
	_, err = e.Split(t.Context(), in, t.TempDir(), max(count, 1), func(int) {})
	refused("split", err)
}

// TestHostilePrograms gives every hostile file to the programs behind pdf/ocr and pdf/a, but those that are refused before a
// program sees them.
func TestHostilePrograms(t *testing.T) {
	for name, content := range pdftest.Hostile(t) {
		in := filepath.Join(t.TempDir(), "in.pdf")
		if err := os.WriteFile(in, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pdf.NewLibrary().Count(t.Context(), in, ""); err != nil {
			continue
		}
		for _, c := range []struct {
			operation, engine string
			start             func(t *testing.T, files ...stored) *enginetest.Server
		}{{"pdf/ocr", "tesseract", scanning}, {"pdf/a", "ghostscript", archiving}} {
			t.Run(name+" to "+c.engine, func(t *testing.T) {
				o := run(t, c.start(t, stored{"a.pdf", content}), c.operation, `{"engine":"`+c.engine+`"}`)
				refused := o.Code == engine.Invalid || o.Code == engine.TooLarge
				if o.Status != engine.StatusFinished && !refused || strings.Contains(o.Message, os.TempDir()) {
					t.Errorf("got %q %q, want a refusal", o.Code, o.Message)
				}
			})
		}
	}
}

// TestVeryManyPages holds that a small file cannot keep the library busy for minutes.
func TestVeryManyPages(t *testing.T) {
	const pages = 100_001
	in := filepath.Join(t.TempDir(), "in.pdf")
	content := pdftest.Written("<</Type/Catalog/Pages 2 0 R>>", fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]>>", pages, strings.Repeat("3 0 R ", pages)),
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := pdf.NewLibrary().Count(t.Context(), in, ""); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("got %d pages, %v", n, err)
	}
}

func TestNoPDF(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"postscript": {"%!PS-Adobe-3.0\n(/etc/passwd) (r) file\n", "not a PDF but"},
		"eps":        {"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n", "not a PDF but eps"},
		"text":       {"hello", "not a pdf file"}, "nothing": {"", "empty"}, "picture": {"\x89PNG\r\n\x1a\n0000", "not a PDF but png"},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, pdf.NewLibrary(), "pdf/split-pages", "", stored{"a.pdf", []byte(c.content)}).refused(t, engine.Invalid, c.want)
		})
	}
}

func TestMistakes(t *testing.T) {
	s := enginetest.New(t, enginetest.Config{Operations: append(pdf.Operations(pdf.NewLibrary()), imports())})
	for _, c := range []struct{ operation, params, want string }{
		{"pdf/extract-pages", `{}`, "tasks.out.pages is required"},
		{"pdf/extract-pages", `{"pages":"2-1"}`, "tasks.out.pages has the range 2-1, which runs backwards"},
		{"pdf/extract-pages", `{"pages":"x"}`, "tasks.out.pages must be numbers"},
		{"pdf/rotate-pages", `{"pages":"0"}`, "tasks.out.rotation is required"},
		{"pdf/rotate-pages", `{"rotation":"45"}`, "tasks.out.rotation must be +90"},
		{"pdf/rotate-pages", `{"rotation":"left"}`, "tasks.out.rotation must be +90"},
		{"pdf/encrypt", `{}`, "tasks.out.set_password is required unless"},
		{"pdf/encrypt", `{"set_password":"a\nb"}`, "tasks.out.set_password must not have control"},
		{"pdf/encrypt", `{"set_password":"a","allow_modify":"some"}`, "tasks.out.allow_modify must be one of"},
		{"pdf/encrypt", `{"set_password":"` + strings.Repeat("x", 128) + `"}`, "tasks.out.set_password must be at most"},
		{"pdf/decrypt", `{}`, "tasks.out.password is required"},
		{"pdf/split-pages", `{"engine":"acrobat"}`, "tasks.out.engine must be one of pdfcpu"},
		{"pdf/split-pages", `{"engine":"pdfcpu","engine_version":"0"}`, "tasks.out.engine_version must be"},
	} {
		t.Run(c.operation+c.params[:min(len(c.params), 40)], func(t *testing.T) {
			_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
				enginetest.Task("in", "import/test", ""), enginetest.Task("out", c.operation, c.params, "in"),
			}})
			var e *engine.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want problems", err)
			}
			var got []string
			for _, p := range e.Problems {
				got = append(got, p.Field+" "+p.Message)
			}
			if all := strings.Join(got, "; "); !strings.HasPrefix(all, c.want) {
				t.Errorf("got %q, want %q", all, c.want)
			}
		})
	}
}

// TestCancel ends the context before the work: nothing is made, and the cause comes back.
func TestCancel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.pdf")
	if err := os.WriteFile(path, pdftest.Pages(t, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(engine.ErrCanceled)
	each(t, func(t *testing.T, e pdf.Engine) {
		if _, err := e.Count(ctx, path, ""); !errors.Is(err, engine.ErrCanceled) {
			t.Errorf("count: got %v", err)
		}
		if err := e.Assemble(ctx, path+".out", pdf.Part{Path: path}); !errors.Is(err, engine.ErrCanceled) {
			t.Errorf("assemble: got %v", err)
		}
	})
}

// FuzzLibrary gives bytes to the embedded engine; a panic, a hang or an error that is not the file's fault fails it.
func FuzzLibrary(f *testing.F) {
	for name, content := range pdftest.Hostile(f) {
		if !strings.HasSuffix(name, "bomb") {
			f.Add(content)
		}
	}
	f.Add(pdftest.Pages(f, 2))
	f.Fuzz(func(t *testing.T, content []byte) { everything(t, pdf.NewLibrary(), content) })
}
