package pdf_test

import (
	"bytes"
	"compress/zlib"
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
)

// written is a PDF of these objects, numbered from 1 on; the first is the catalog.
func written(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

func deflated(size int) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(make([]byte, size))
	z.Close()
	return b.String()
}

const catalog = "<</Type/Catalog/Pages 2 0 R>>"

// hostile are files that must be refused in a sentence, or worked on, but never hang or crash anything.
func hostile(t testing.TB) map[string][]byte {
	sound := pages(t, 3)
	page := "<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>"
	one := "<</Type/Pages/Kids[3 0 R]/Count 1>>"
	deep := []string{catalog}
	for n := range 5000 {
		deep = append(deep, fmt.Sprintf("<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>", n+3, n+1))
	}
	bomb := deflated(130 << 20)
	objects := "<</Type/ObjStm/N 1000000/First 16000000/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream"
	return map[string][]byte{
		"empty header":      []byte("%PDF-1.7\n"),
		"truncated":         sound[:len(sound)/2],
		"no trailer":        sound[:len(sound)-200],
		"no pages":          written(catalog, "<</Type/Pages/Kids[]/Count 0>>"),
		"no tree":           written("<</Type/Catalog>>"),
		"root is itself":    written("<</Type/Catalog/Pages 1 0 R>>"),
		"tree of itself":    written(catalog, "<</Type/Pages/Kids[2 0 R]/Count 1>>"),
		"tree in a circle":  written(catalog, one, "<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>"),
		"count is a lie":    written(catalog, "<</Type/Pages/Kids[3 0 R]/Count 2000000000>>", page),
		"negative count":    written(catalog, "<</Type/Pages/Kids[3 0 R]/Count -1>>", page),
		"kids are numbers":  written(catalog, "<</Type/Pages/Kids[1 2 3]/Count 3>>"),
		"deep tree":         written(append(deep, "<</Type/Page/Parent 5001 0 R/MediaBox[0 0 9 9]>>")...),
		"deep nesting":      written(catalog, one, "<</Type/Page/Parent 2 0 R/X "+strings.Repeat("[", 200_000)+strings.Repeat("]", 200_000)+">>"),
		"huge page":         written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]>>"),
		"page without end":  written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 1e38 1e38]>>"),
		"backwards box":     written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[100 100 0 0]>>"),
		"contents circle":   written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 3 0 R/Resources 3 0 R>>"),
		"reference circle":  written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox 4 0 R>>", "5 0 R", "4 0 R"),
		"length circle":     written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", "<</Length 4 0 R>>\nstream\nx\nendstream"),
		"stream bomb":       written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", fmt.Sprintf("<</Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream", len(bomb), bomb)),
		"object stream":     written(catalog, one, page, fmt.Sprintf(objects, len(bomb), bomb)),
		"script":            written("<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1:1/'\\))>>>>", one, page),
		"launch":            written("<</Type/Catalog/Pages 2 0 R/OpenAction<</S/Launch/F(/etc/passwd)>>>>", one, page),
		"external stream":   written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", "<</F(/etc/passwd)/FFilter[]/Length 0>>\nstream\n\nendstream"),
		"encrypted badly":   bytes.Replace(written(catalog, one, page), []byte("/Root"), []byte("/Encrypt<</Filter/Standard/V 5/R 6/P -1>>/Root"), 1),
		"unknown security":  bytes.Replace(written(catalog, one, page), []byte("/Root"), []byte("/Encrypt<</Filter/Adobe.PubSec/V 4>>/Root"), 1),
		"xref loop":         append(sound, []byte("\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 9/Root 1 0 R/Prev "+fmt.Sprint(len(sound)+1)+">>\nstartxref\n"+fmt.Sprint(len(sound)+1)+"\n%%EOF\n")...),
		"nothing but zeros": append([]byte("%PDF-1.7\n"), make([]byte, 1<<20)...),
	}
}

var everything = map[string]string{
	"pdf/split-pages": "{}", "pdf/extract-pages": `{"pages":"1"}`, "pdf/rotate-pages": `{"rotation":"+90"}`,
	"pdf/encrypt": `{"set_password":"x"}`, "pdf/decrypt": `{"password":"x"}`,
}

// TestHostile gives every hostile file to every operation.
func TestHostile(t *testing.T) {
	files := hostile(t)
	each(t, func(t *testing.T, e pdf.Engine) {
		for name, content := range files {
			t.Run(name, func(t *testing.T) {
				s := enginetest.Start(t, append(pdf.Operations(e), imports(stored{"a.pdf", content}))...)
				for operation, params := range everything {
					o := run(t, s, operation, params)
					switch {
					case o.Status == engine.StatusFinished:
					case o.Code != engine.Invalid && o.Code != engine.TooLarge:
						t.Errorf("%s: got %s %q, want a refusal", operation, o.Code, o.Message)
					case strings.Contains(o.Message, os.TempDir()):
						t.Errorf("%s: the message has a path: %q", operation, o.Message)
					}
				}
			})
		}
	})
}

func TestNoPDF(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"postscript": {"%!PS-Adobe-3.0\n(/etc/passwd) (r) file\n", "not a PDF but"},
		"eps":        {"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n", "not a PDF but eps"},
		"text":       {"hello", "not a PDF but txt"}, "nothing": {"", "empty"}, "picture": {"\x89PNG\r\n\x1a\n0000", "not a PDF but png"},
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
	if err := os.WriteFile(path, pages(t, 3), 0o600); err != nil {
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
	for name, content := range hostile(f) {
		if !strings.Contains(name, "bomb") && name != "object stream" {
			f.Add(content)
		}
	}
	f.Add(pages(f, 2))
	e := pdf.NewLibrary()
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		in := filepath.Join(dir, "in.pdf")
		if err := os.WriteFile(in, content, 0o600); err != nil {
			t.Fatal(err)
		}
		refusal := func(err error) {
			if code := engine.CodeOf(err); err != nil && code != engine.Invalid && code != engine.TooLarge {
				t.Error(err)
			}
		}
		_, err := e.Count(t.Context(), in, "")
		refusal(err)
		refusal(e.Assemble(t.Context(), filepath.Join(dir, "1.pdf"), pdf.Part{Path: in, Pages: []int{1}}))
		refusal(e.Rotate(t.Context(), in, filepath.Join(dir, "2.pdf"), []int{1}, pdf.Turn{Degrees: 90, Relative: true}))
		refusal(e.Decrypt(t.Context(), in, filepath.Join(dir, "3.pdf"), "x"))
	})
}
