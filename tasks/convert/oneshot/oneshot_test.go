package oneshot_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/oneshot"
)

// named returns the engine of that name, or skips the test.
func named(t *testing.T, name string) *oneshot.Engine {
	t.Helper()
	engines := oneshot.New(t.Context(), converttest.Box(t))
	at := slices.IndexFunc(engines, func(e *oneshot.Engine) bool { return e.Name() == name })
	if at < 0 {
		enginetest.Missing(t, name)
	}
	return engines[at]
}

func TestFonts(t *testing.T) {
	e := named(t, "fontforge")
	for _, to := range []convert.Format{"otf", "ttf", "woff", "woff2"} {
		outputs, err := converttest.Convert(t.Context(), t, e, string(goregular.TTF), convert.Job{From: "ttf", To: to})
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		if got := converttest.Tool(t, "fc-scan", "--format", "%{family} %{style}", outputs[0]); got != "Go Regular" && got != "Go Go Regular" {
			t.Errorf("%s: got the font %q, want Go Regular", to, got)
		}
	}
	outputs, err := converttest.Convert(t.Context(), t, e, string(goregular.TTF), convert.Job{From: "ttf", To: "svg"})
	if err != nil {
		t.Fatal(err)
	}
	if drawn, _ := os.ReadFile(outputs[0]); !bytes.Contains(drawn, []byte("<glyph ")) {
		t.Error("the svg has no glyphs")
	}
}

func TestDjVu(t *testing.T) {
	e := named(t, "djvulibre")
	dir := t.TempDir()
	converttest.Tool(t, "convert", "-size", "120x80", "gradient:red-blue", "ppm:"+filepath.Join(dir, "x.ppm"))
	converttest.Tool(t, "c44", filepath.Join(dir, "x.ppm"), filepath.Join(dir, "x.djvu"))
	page, err := os.ReadFile(filepath.Join(dir, "x.djvu"))
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[convert.Format]struct {
		says string
		by   []string
	}{
		"pdf": {"Pages:           1\n", []string{"pdfinfo"}}, "tiff": {"120 80", []string{"gm", "identify", "-format", "%w %h"}},
	} {
		outputs, err := converttest.Convert(t.Context(), t, e, string(page), convert.Job{From: "djvu", To: to})
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		if got := converttest.Tool(t, want.by[0], append(want.by[1:], outputs[0])...); !strings.Contains(got, want.says) {
			t.Errorf("%s: %s says %q, want %q", to, want.by[0], got, want.says)
		}
	}
}

func TestXPS(t *testing.T) {
	e := named(t, "mupdf")
	dir := t.TempDir()
	script := filepath.Join(dir, "x.ps")
	if err := os.WriteFile(script, []byte("%!PS\n/Helvetica 40 selectfont 100 500 moveto (Gantrymatrix) show showpage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	converttest.Tool(t, "gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=xpswrite", "-o", filepath.Join(dir, "x.xps"), script)
	content, err := os.ReadFile(filepath.Join(dir, "x.xps"))
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := converttest.Convert(t.Context(), t, e, string(content), convert.Job{From: "xps", To: "pdf"})
	if err != nil {
		t.Fatal(err)
	}
	drawn := converttest.Tool(t, "pdftoppm", "-gray", "-r", "36", outputs[0])
	if !strings.Contains(converttest.Tool(t, "pdfinfo", outputs[0]), "Pages:           1\n") || !slices.Contains([]byte(drawn[20:]), 0) {
		t.Error("want one page with the black letters") // as drawings: that is how Ghostscript writes XPS
	}
}

// TestDamaged sends each program the beginning of a file and nothing at all of one.
func TestDamaged(t *testing.T) {
	for name, from := range map[string]convert.Format{"fontforge": "ttf", "djvulibre": "djvu", "mupdf": "xps"} {
		e := named(t, name)
		for _, content := range []string{string(goregular.TTF[:300]), "AT&TFORM\x00\x00", "", "PK\x03\x04"} {
			_, err := converttest.Convert(t.Context(), t, e, content, convert.Job{From: from, To: e.Pairs()[0].To})
			if got := engine.CodeOf(err); got != engine.Invalid {
				t.Errorf("%s with %.8q: got %v, want that the file is at fault", name, content, err)
			}
			if strings.Contains(engine.MessageOf(err), "/") {
				t.Errorf("%s: the message %q has a path", name, engine.MessageOf(err))
			}
		}
	}
}

// TestNames converts what is called as an option would be.
func TestNames(t *testing.T) {
	e := named(t, "fontforge")
	for _, name := range []string{"-lang=py.ttf", "@list.ttf", "$(id) `id`;.ttf"} {
		if _, err := converttest.Convert(t.Context(), t, e, string(goregular.TTF), convert.Job{Name: name, From: "ttf", To: "otf"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
