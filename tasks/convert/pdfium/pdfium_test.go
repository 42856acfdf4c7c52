package pdfium_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"

	"codeberg.org/go-pdf/fpdf"
	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/pdfium"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// library is shared: compiling takes seconds.
var library = sync.OnceValues(func() (*pdfium.Engine, error) {
	return pdfium.New(filepath.Join(os.Getenv("GANTRY_TOOLS"), "pdfium.wasm"), "")
})

// start returns the engine, or skips the test when the tools folder does not have it.
func start(t testing.TB) *pdfium.Engine {
	t.Helper()
	e, err := library()
	if errors.Is(err, os.ErrNotExist) {
		enginetest.Missing(t, "pdfium.wasm in GANTRY_TOOLS")
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// document is a PDF of pages of w by h points. Their upper half is red, and they say "page 1" and so on.
func document(t testing.TB, count int, w, h float64) []byte {
	t.Helper()
	d := fpdf.NewCustom(&fpdf.InitType{OrientationStr: "P", UnitStr: "pt", Size: fpdf.SizeType{Wd: w, Ht: h}})
	d.SetFont("Helvetica", "", 20)
	d.SetFillColor(255, 0, 0)
	for n := range count {
		d.AddPage()
		d.Rect(0, 0, w, h/2, "F")
		d.Text(10, h/2+30, fmt.Sprintf("page %d", n+1))
	}
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func run(ctx context.Context, t testing.TB, content []byte, to convert.Format, o convert.Options) ([]string, error) {
	t.Helper()
	e := start(t)
	return converttest.Convert(ctx, t, e, string(content), convert.Job{From: "pdf", To: to, Options: o})
}

func decoded(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func isRed(img image.Image, x, y int) bool {
	r, g, b, a := img.At(x, y).RGBA()
	return r > 0xf000 && g < 0x2000 && b < 0x2000 && a == 0xffff
}

func isWhite(img image.Image, x, y int) bool {
	r, g, b, a := img.At(x, y).RGBA()
	return r > 0xf000 && g > 0xf000 && b > 0xf000 && a == 0xffff
}

func TestPictures(t *testing.T) {
	for _, to := range []convert.Format{"jpg", "png", "webp", "tiff", "gif", "bmp"} {
		t.Run(string(to), func(t *testing.T) {
			o := convert.DefaultOptions()
			o.PixelDensity = 72
			outputs, err := run(t.Context(), t, document(t, 2, 200, 300), to, o)
			if err != nil || len(outputs) != 2 {
				t.Fatalf("got %v, %v, want two pictures", outputs, err)
			}
			img := decoded(t, outputs[1])
			if img.Bounds().Size() != image.Pt(200, 300) || !isRed(img, 100, 50) || !isWhite(img, 190, 290) {
				t.Errorf("got %v, %v, %v", img.Bounds(), img.At(100, 50), img.At(190, 290))
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for name, c := range map[string]struct {
		options convert.Options
		want    image.Point
	}{
		"by default":   {convert.Options{Fit: "max"}, image.Pt(417, 625)},
		"density":      {convert.Options{Fit: "max", PixelDensity: 36}, image.Pt(100, 150)},
		"width":        {convert.Options{Fit: "max", Width: 1000}, image.Pt(1000, 1500)},
		"fits":         {convert.Options{Fit: "max", Width: 600, Height: 600}, image.Pt(400, 600)},
		"shrinks only": {convert.Options{Fit: "max", Width: 600, PixelDensity: 72}, image.Pt(200, 300)},
		"crop":         {convert.Options{Fit: "crop", Width: 100, Height: 100}, image.Pt(100, 100)},
		"scale":        {convert.Options{Fit: "scale", Width: 100, Height: 100}, image.Pt(100, 100)},
		"strips":       {convert.Options{Fit: "max", PixelDensity: 1800}, image.Pt(5000, 7500)},
	} {
		t.Run(name, func(t *testing.T) {
			outputs, err := run(t.Context(), t, document(t, 1, 200, 300), "bmp", c.options)
			if err != nil {
				t.Fatal(err)
			}
			img := decoded(t, outputs[0])
			w, h := c.want.X, c.want.Y
			if img.Bounds().Size() != c.want || !isRed(img, w/2, h/2-9) || !isWhite(img, w-2, h/2+9) || !isWhite(img, w-2, h-1) {
				t.Errorf("got %v, want %v in red and white", img.Bounds(), c.want)
			}
		})
	}
}

// TestMemoryGrows draws what takes more and more memory while it is drawn: layers that shine through, as large as the page.
func TestMemoryGrows(t *testing.T) {
	d := fpdf.NewCustom(&fpdf.InitType{OrientationStr: "P", UnitStr: "pt", Size: fpdf.SizeType{Wd: 200, Ht: 300}})
	d.AddPage()
	d.SetFillColor(255, 0, 0)
	d.Rect(0, 0, 200, 150, "F")
	d.SetAlpha(0.01, "Multiply")
	d.ClipCircle(100, 150, 60, false)
	d.Rect(0, 0, 200, 300, "F")
	d.ClipEnd()
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	outputs, err := run(t.Context(), t, b.Bytes(), "bmp", convert.Options{Fit: "max", Width: 4000})
	if err != nil {
		t.Fatal(err)
	}
	if img := decoded(t, outputs[0]); img.Bounds().Dx() != 4000 || !isRed(img, 2000, 3) {
		t.Errorf("got %v", img.Bounds())
	}
}

func TestText(t *testing.T) {
	content := document(t, 3, 200, 300)
	for pages, want := range map[string]string{
		"": "page 1\n\fpage 2\n\fpage 3\n\f", "2": "page 2\n\f", "3,1": "page 3\n\fpage 1\n\f",
	} {
		outputs, err := run(t.Context(), t, content, "txt", convert.Options{Pages: pages})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(outputs[0]); string(got) != want {
			t.Errorf("%s: got %q, want %q", pages, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	sound, huge := document(t, 2, 200, 300), document(t, 1, 14400, 14400)
	for name, c := range map[string]struct {
		content []byte
		options convert.Options
		code    engine.Code
		want    string
	}{
		"truncated":  {sound[:200], convert.Options{}, engine.Invalid, "damaged"},
		"no pdf":     {[]byte("%!PS-Adobe-3.0\n"), convert.Options{}, engine.Invalid, "damaged"},
		"empty":      {nil, convert.Options{}, engine.Invalid, "damaged"},
		"past end":   {sound, convert.Options{Pages: "2-3"}, engine.Invalid, "page 3, but the document has 2"},
		"huge page":  {huge, convert.Options{PixelDensity: 1200}, engine.TooLarge, "268 megapixels"},
		"huge width": {sound, convert.Options{Width: 60_000}, engine.TooLarge, "268 megapixels"},
		"no tree":    {[]byte("%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n"), convert.Options{}, engine.Invalid, "."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t.Context(), t, c.content, "jpg", c.options)
			if engine.CodeOf(err) != c.code || !strings.Contains(engine.MessageOf(err), c.want) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.want)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	plain, locked := filepath.Join(dir, "plain.pdf"), filepath.Join(dir, "locked.pdf")
	if err := os.WriteFile(plain, document(t, 1, 200, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	converttest.Tool(t, "qpdf", "--encrypt", "user", "owner", "256", "--", plain, locked)
	content, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), t, content, "txt", convert.Options{Password: "user"}); err != nil {
		t.Error(err)
	}
	for password, want := range map[string]string{"": "protected by a password", "x": "parameter password is wrong"} {
		_, err := run(t.Context(), t, content, "txt", convert.Options{Password: param.Secret(password)})
		if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), want) {
			t.Errorf("%q: got %v, want %q", password, err, want)
		}
	}
}

// TestAtOnce uses the engine from several goroutines, whose documents must not meet.
func TestAtOnce(t *testing.T) {
	start(t)
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			outputs, err := run(t.Context(), t, document(t, n+1, 200, 300), "txt", convert.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if got, _ := os.ReadFile(outputs[0]); strings.Count(string(got), "\f") != n+1 {
				t.Errorf("got %q, want %d pages", got, n+1)
			}
		})
	}
	group.Wait()
}

// TestCancel ends the context while pages are being drawn.
func TestCancel(t *testing.T) {
	e := start(t)
	in := filepath.Join(t.TempDir(), "in.pdf")
	if err := os.WriteFile(in, document(t, 50, 200, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := convert.Convert(ctx, e, convert.Job{
		In: in, Name: "in.pdf", From: "pdf", To: "png", Dir: t.TempDir(), Limits: convert.LimitsOf(engine.DefaultLimits()),
		Progress: func(percent int) {
			if percent >= 100 {
				t.Error("all pages were drawn")
			}
			cancel(engine.ErrCanceled)
		},
	})
	if !errors.Is(err, engine.ErrCanceled) {
		t.Errorf("got %v, want the cause", err)
	}
}

// TestHostile gives every hostile file to the engine.
func TestHostile(t *testing.T) {
	start(t)
	for name, content := range pdftest.Hostile(t) {
		t.Run(name, func(t *testing.T) {
			for _, to := range []convert.Format{"png", "txt"} {
				_, err := run(t.Context(), t, content, to, convert.Options{Pages: "1", PixelDensity: 20})
				if code := engine.CodeOf(err); err != nil && code != engine.Invalid && code != engine.TooLarge {
					t.Errorf("%s: got %v, want a refusal", to, err)
				}
			}
		})
	}
}

func TestForeignLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pdfium.wasm")
	if err := os.WriteFile(path, []byte("\x00asm\x01\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pdfium.New(path, ""); err == nil || strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want a refusal without the path", err)
	}
}
