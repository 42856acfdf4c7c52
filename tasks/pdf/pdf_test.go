package pdf_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// engines are those that do everything, here.
func engines(t testing.TB) []pdf.Engine {
	t.Helper()
	return pdf.Engines(t.Context(), converttest.Box(t))
}

type stored struct {
	name    string
	content []byte
}

// imports is an operation that brings these files in.
func imports(files ...stored) engine.Operation {
	var all []enginetest.File
	for _, f := range files {
		all = append(all, enginetest.File{Name: f.name, Content: string(f.content)})
	}
	return enginetest.Bringing("import/test", all...)
}

// outcome is a task that has ended, with the paths of copies of its files.
type outcome struct {
	engine.Task
	paths []string
}

// do runs one operation over the files with the engine.
func do(t *testing.T, e pdf.Engine, operation, params string, files ...stored) outcome {
	t.Helper()
	s := enginetest.Start(t, append(pdf.Operations(e), imports(files...))...)
	return run(t, s, operation, params)
}

func run(t *testing.T, s *enginetest.Server, operation, params string) outcome {
	t.Helper()
	job := s.MustEnd(t, s.MustSubmit(t,
		enginetest.Task("in", "import/test", ""), enginetest.Task("out", operation, params, "in")).ID)
	o := outcome{Task: enginetest.Named(t, job, "out")}
	if o.Status != engine.StatusFinished {
		return o
	}
	dir := t.TempDir()
	for i, f := range o.Result.Files {
		path := filepath.Join(dir, fmt.Sprintf("%d.pdf", i))
		if err := os.WriteFile(path, []byte(s.Content(t, f)), 0o600); err != nil {
			t.Fatal(err)
		}
		o.paths = append(o.paths, path)
	}
	return o
}

// must fails the test unless the task made files of these names.
func (o outcome) must(t *testing.T, names ...string) outcome {
	t.Helper()
	if o.Status != engine.StatusFinished {
		t.Fatalf("got %s, %s", o.Code, o.Message)
	}
	var got []string
	for _, f := range o.Result.Files {
		got = append(got, f.Name)
	}
	if !slices.Equal(got, names) {
		t.Fatalf("got files %v, want %v", got, names)
	}
	return o
}

// refused fails the test unless the task ended with code, in a sentence that holds words and no path.
func (o outcome) refused(t *testing.T, code engine.Code, words string) {
	t.Helper()
	if o.Code != code || !strings.Contains(o.Message, words) || !strings.HasSuffix(o.Message, ".") ||
		strings.Contains(o.Message, os.TempDir()) {
		t.Errorf("got %q %q, want %s with %q and without a path", o.Code, o.Message, code, words)
	}
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

func each(t *testing.T, test func(t *testing.T, e pdf.Engine)) {
	for _, e := range engines(t) {
		t.Run(e.Name(), func(t *testing.T) { test(t, e) })
	}
}

// TestSplitOfMany splits a PDF about which a program has much to tell, and follows its progress.
func TestSplitOfMany(t *testing.T) {
	const pages = 60
	each(t, func(t *testing.T, e pdf.Engine) {
		in, percent := filepath.Join(t.TempDir(), "in.pdf"), 0
		if err := os.WriteFile(in, pdftest.Pages(t, pages), 0o600); err != nil {
			t.Fatal(err)
		}
		made, err := e.Split(t.Context(), in, t.TempDir(), pages, func(p int) { percent = p })
		if err != nil || len(made) != pages {
			t.Fatalf("got %d files, %v", len(made), err)
		}
		if percent != 100 {
			t.Errorf("the progress ends at %d percent", percent)
		}
	})
}

func TestSplit(t *testing.T) {
	each(t, func(t *testing.T, e pdf.Engine) {
		o := do(t, e, "pdf/split-pages", "", stored{"a.pdf", pdftest.Pages(t, 3)}, stored{"b.pdf", pdftest.Pages(t, 1)}).
			must(t, "a-1.pdf", "a-2.pdf", "a-3.pdf", "b.pdf")
		for i, want := range []string{"page 1", "page 2", "page 3", "page 1"} {
			if got := texts(t, o.paths[i]); !slices.Equal(got, []string{want}) {
				t.Errorf("file %d: got %q, want %q", i, got, want)
			}
		}
		if o.Engine != e.Name() || o.EngineVersion != e.Version() || o.EngineVersion == "unknown" {
			t.Errorf("got engine %s %s", o.Engine, o.EngineVersion)
		}
	})
}

func TestExtract(t *testing.T) {
	each(t, func(t *testing.T, e pdf.Engine) {
		for params, want := range map[string][]string{
			"1-2,4-": {"page 1", "page 2", "page 4", "page 5"}, "3": {"page 3"}, "5,1": {"page 5", "page 1"},
			"2,2": {"page 2", "page 2"},
		} {
			t.Run(params, func(t *testing.T) {
				o := do(t, e, "pdf/extract-pages", `{"pages":"`+params+`"}`, stored{"a.pdf", pdftest.Pages(t, 5)}).must(t, "a.pdf")
				if got := texts(t, o.paths[0]); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
		t.Run("beyond the end", func(t *testing.T) {
			do(t, e, "pdf/extract-pages", `{"pages":"4-6"}`, stored{"a.pdf", pdftest.Pages(t, 5)}).
				refused(t, engine.Invalid, "page 6, but the document has 5")
		})
		t.Run("one of two", func(t *testing.T) {
			do(t, e, "pdf/extract-pages", `{"pages":"3"}`, stored{"a.pdf", pdftest.Pages(t, 5)}, stored{"b.pdf", pdftest.Pages(t, 2)}).
				refused(t, engine.Invalid, "b.pdf: ")
		})
	})
}

// rotations are how poppler finds the pages turned.
func rotations(t *testing.T, path string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(converttest.Tool(t, "pdfinfo", "-f", "1", "-l", "9", path)) {
		if words := strings.Fields(line); len(words) == 4 && words[2] == "rot:" {
			found = append(found, words[3])
		}
	}
	return strings.Join(found, " ")
}

func TestRotate(t *testing.T) {
	each(t, func(t *testing.T, e pdf.Engine) {
		content := pdftest.Pages(t, 3)
		for _, step := range []struct{ params, want string }{
			{`{"rotation":"+90"}`, "90 90 90"}, {`{"rotation":"+180","pages":"2-"}`, "90 270 270"},
			{`{"rotation":"-180","pages":"1"}`, "270 270 270"}, {`{"rotation":"180","pages":"3"}`, "270 270 180"},
			{`{"rotation":0}`, "0 0 0"}, {`{"rotation":"-90"}`, "270 270 270"},
		} {
			o := do(t, e, "pdf/rotate-pages", step.params, stored{"a.pdf", content}).must(t, "a.pdf")
			if got := rotations(t, o.paths[0]); got != step.want {
				t.Errorf("%s: got %s, want %s", step.params, got, step.want)
			}
			var err error
			if content, err = os.ReadFile(o.paths[0]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEncrypt(t *testing.T) {
	for name, c := range map[string]struct{ params, password, want string }{
		"user":  {`{"set_password":1234}`, "1234", "print:yes copy:yes change:yes addNotes:yes algorithm:AES-256"},
		"both":  {`{"set_password":"u","set_owner_password":"o"}`, "u", "print:yes copy:yes change:yes addNotes:yes"},
		"same":  {`{"set_password":"u","set_owner_password":"u"}`, "u", "print:yes copy:yes change:yes addNotes:yes"},
		"owner": {`{"set_owner_password":"o","allow_extract":false}`, "", "print:yes copy:no change:yes addNotes:yes"},
		"form":  {`{"set_password":"u","allow_modify":"form"}`, "u", "print:yes copy:yes change:no addNotes:no"},
		"none":  {`{"set_password":"u","allow_modify":"none","allow_print":"none"}`, "u", "print:no copy:yes change:no addNotes:no"},
		"odd":   {`{"set_password":"-@ß \"x\""}`, `-@ß "x"`, "print:yes"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, e pdf.Engine) {
				o := do(t, e, "pdf/encrypt", c.params, stored{"a.pdf", pdftest.Pages(t, 2)}).must(t, "a.pdf")
				info := converttest.Tool(t, "pdfinfo", "-upw", c.password, o.paths[0])
				if !strings.Contains(info, c.want) || !strings.Contains(info, "Pages:           2") {
					t.Errorf("got %s, want %s", info, c.want)
				}
				if c.password != "" {
					if err := exec.CommandContext(t.Context(), "pdfinfo", o.paths[0]).Run(); err == nil {
						t.Error("opens without a password")
					}
				}
			})
		})
	}
}

func TestDecrypt(t *testing.T) {
	each(t, func(t *testing.T, e pdf.Engine) {
		locked := do(t, e, "pdf/encrypt", `{"set_password":"user","set_owner_password":"owner","allow_modify":"none","allow_extract":false}`,
			stored{"a.pdf", pdftest.Pages(t, 2)}).must(t, "a.pdf")
		content, err := os.ReadFile(locked.paths[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, password := range []string{"user", "owner"} {
			o := do(t, e, "pdf/decrypt", `{"password":"`+password+`"}`, stored{"a.pdf", content}).must(t, "a.pdf")
			if got := texts(t, o.paths[0]); !slices.Equal(got, []string{"page 1", "page 2"}) {
				t.Errorf("%s: got %q", password, got)
			}
		}
		do(t, e, "pdf/decrypt", `{"password":"-x"}`, stored{"a.pdf", content}).refused(t, engine.Invalid, "parameter password is wrong")
		plain := do(t, e, "pdf/decrypt", `{"password":"x"}`, stored{"a.pdf", pdftest.Pages(t, 2)}).must(t, "a.pdf")
		texts(t, plain.paths[0])
		for operation, params := range map[string]string{
			"pdf/split-pages": "{}", "pdf/extract-pages": `{"pages":"1"}`, "pdf/rotate-pages": `{"rotation":"90"}`,
			"pdf/encrypt": `{"set_password":"x"}`,
		} {
			do(t, e, operation, params, stored{"a.pdf", content}).refused(t, engine.Invalid, "pdf/decrypt")
		}
	})
}
