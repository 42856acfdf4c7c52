package pdftools_test

import (
	"context"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "golang.org/x/image/tiff"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/pdftools"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

func poppler(t testing.TB) convert.Engine {
	t.Helper()
	return converttest.Engine(t, "poppler", func(ctx context.Context, box *toolbox.Box) *pdftools.Poppler {
		return pdftools.NewPoppler(ctx, box, pdf.NewLibrary().Decrypt)
	})
}

func ghostscript(t testing.TB) *pdftools.Ghostscript {
	t.Helper()
	return converttest.Engine(t, "ghostscript", pdftools.NewGhostscript)
}

func run(
	ctx context.Context, t testing.TB, e convert.Engine, from convert.Format, content []byte, to convert.Format, o convert.Options,
) ([]string, error) {
	t.Helper()
	return converttest.Convert(ctx, t, e, string(content), convert.Job{From: from, To: to, Options: o})
}

func size(t *testing.T, path string) image.Point {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	return image.Pt(c.Width, c.Height)
}

func TestPictures(t *testing.T) {
	e := poppler(t)
	for _, to := range []convert.Format{"jpg", "png", "tiff"} {
		for name, c := range map[string]struct {
			options convert.Options
			want    image.Point
		}{
			"density": {convert.Options{PixelDensity: 72}, image.Pt(595, 842)},
			"width":   {convert.Options{Width: 100}, image.Pt(100, 141)},
			"crop":    {convert.Options{Fit: "crop", Width: 80, Height: 80}, image.Pt(80, 80)},
			"scale":   {convert.Options{Fit: "scale", Width: 80, Height: 90}, image.Pt(80, 90)},
		} {
			t.Run(string(to)+" "+name, func(t *testing.T) {
				c.options.Pages = "3,1"
				outputs, err := run(t.Context(), t, e, "pdf", pdftest.Pages(t, 3), to, c.options)
				if err != nil || len(outputs) != 2 {
					t.Fatalf("got %v, %v, want two pictures", outputs, err)
				}
				if got := size(t, outputs[0]); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		}
	}
}

func TestTexts(t *testing.T) {
	e := poppler(t)
	for _, to := range []convert.Format{"txt", "html"} {
		for pages, want := range map[string]string{"": "page 1 page 2 page 3", "2-3": "page 2 page 3", "3,1": "page 3 page 1"} {
			outputs, err := run(t.Context(), t, e, "pdf", pdftest.Pages(t, 3), to, convert.Options{Pages: pages})
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(outputs[0])
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			text := strings.ReplaceAll(string(content), "&#160;", " ")
			for rest := text; ; {
				_, after, ok := strings.Cut(rest, "page ")
				if !ok {
					break
				}
				found, rest = append(found, "page "+after[:1]), after
			}
			if got := strings.Join(found, " "); got != want {
				t.Errorf("%s of %q: got %q, want %q", to, pages, got, want)
			}
			if to == "html" && (strings.Count(text, "</html>") != 1 || strings.Count(text, "<body") != 1) {
				t.Errorf("%q: not one HTML document", pages)
			}
			if strings.Contains(text, "/part-") {
				t.Errorf("%q: the %s shows a path of the machine", pages, to)
			}
		}
	}
}

func TestPassword(t *testing.T) {
	e, dir := poppler(t), t.TempDir()
	plain, locked := filepath.Join(dir, "plain.pdf"), filepath.Join(dir, "locked.pdf")
	if err := os.WriteFile(plain, pdftest.Pages(t, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	lock := pdf.Lock{User: "user", Owner: "owner", Modify: "all", Print: "full"}
	if err := pdf.NewLibrary().Encrypt(t.Context(), plain, locked, lock); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), t, e, "pdf", content, "txt", convert.Options{Password: "user"}); err != nil {
		t.Error(err)
	}
	for password, want := range map[param.Secret]string{
		"": "protected by a password", "x": "parameter password is wrong",
	} {
		_, err := run(t.Context(), t, e, "pdf", content, "txt", convert.Options{Password: password})
		if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestHostile(t *testing.T) {
	e := poppler(t)
	for name, content := range pdftest.Hostile(t) {
		t.Run(name, func(t *testing.T) {
			for _, to := range []convert.Format{"jpg", "txt", "html"} {
				_, err := run(t.Context(), t, e, "pdf", content, to, convert.Options{Pages: "1", PixelDensity: 20})
				if code := engine.CodeOf(err); err != nil && code != engine.Invalid && code != engine.TooLarge {
					t.Errorf("%s: got %v, want a refusal", to, err)
				}
			}
		})
	}
	t.Run("pixels", func(t *testing.T) {
		_, err := run(t.Context(), t, e, "pdf", pdftest.Hostile(t)["huge page"], "jpg", convert.Options{PixelDensity: 1200})
		if engine.CodeOf(err) != engine.TooLarge {
			t.Errorf("got %v, want TOO_LARGE", err)
		}
	})
}

const postscript = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 100\n"

func TestPostScript(t *testing.T) {
	for from, pageSize := range map[convert.Format]string{"eps": "200 x 100 pts", "ps": "pts"} {
		outputs, err := run(t.Context(), t, ghostscript(t), from,
			[]byte(postscript+"/Helvetica findfont 20 scalefont setfont 10 10 moveto (hello) show showpage\n"), "pdf", convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		converttest.Tool(t, "qpdf", "--check", outputs[0])
		if info := converttest.Tool(t, "pdfinfo", outputs[0]); !strings.Contains(info, pageSize) {
			t.Errorf("got %s, want %s", info, pageSize)
		}
	}
}

// TestHostilePostScript has programs that read, write and start things.
func TestHostilePostScript(t *testing.T) {
	g, dir := ghostscript(t), t.TempDir()
	canary := filepath.Join(dir, "canary")
	if err := os.WriteFile(canary, []byte("kanarienvogel"), 0o644); err != nil {
		t.Fatal(err)
	}
	show := "/Helvetica findfont 9 scalefont setfont 10 10 moveto "
	for name, program := range map[string]string{
		"reads":        show + "(" + canary + ") (r) file 100 string readstring pop show showpage",
		"reads passwd": show + "(/etc/passwd) (r) file 100 string readstring pop show showpage",
		"writes":       "(" + canary + ".out) (w) file (x) writestring showpage",
		"deletes":      "(" + canary + ") deletefile showpage",
		"pipes":        "(%pipe%touch " + canary + ".pipe) (w) file showpage",
		"no safer":     ".setsafe (" + canary + ") (r) file 100 string readstring pop show",
		"no program":   "this is not defined",
	} {
		t.Run(name, func(t *testing.T) {
			outputs, err := run(t.Context(), t, g, "ps", []byte("%!PS\n"+program+"\n"), "pdf", convert.Options{})
			if err == nil {
				content, _ := os.ReadFile(outputs[0])
				if strings.Contains(string(content), "kanarienvogel") || strings.Contains(string(content), "root:") {
					t.Error("the output has the file")
				}
			} else if engine.CodeOf(err) != engine.Invalid || strings.Contains(engine.MessageOf(err), dir) {
				t.Errorf("got %v, want a refusal without a path", err)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v, want the canary alone", left, err)
	}
}

func TestShrink(t *testing.T) {
	g, dir := ghostscript(t), t.TempDir()
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(t.TempDir(), "out.pdf")
	if err := os.WriteFile(in, pdftest.Pages(t, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Shrink(t.Context(), in, out, pdftools.ProfileEbook); err != nil {
		t.Fatal(err)
	}
	if n, err := pdf.NewLibrary().Count(t.Context(), out, ""); n != 3 || err != nil {
		t.Errorf("got %d pages, %v, want 3", n, err)
	}
}
