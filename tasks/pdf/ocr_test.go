package pdf_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"codeberg.org/go-pdf/fpdf"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// scan is a PDF with nothing but a picture of words.
func scan(t *testing.T, words string) []byte {
	t.Helper()
	const factor = 8
	small := image.NewGray(image.Rect(0, 0, 200, 60))
	draw.Draw(small, small.Rect, image.White, image.Point{}, draw.Src)
	d := font.Drawer{Dst: small, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(20, 35)}
	d.DrawString(words)
	large := image.NewGray(image.Rect(0, 0, 200*factor, 60*factor))
	for y := range large.Rect.Dy() {
		for x := range large.Rect.Dx() {
			large.SetGray(x, y, color.GrayModel.Convert(small.At(x/factor, y/factor)).(color.Gray))
		}
	}
	var picture, b bytes.Buffer
	if err := png.Encode(&picture, large); err != nil {
		t.Fatal(err)
	}
	doc := fpdf.New("P", "pt", "A4", "")
	doc.AddPage()
	doc.RegisterImageOptionsReader("scan", fpdf.ImageOptions{ImageType: "PNG"}, &picture)
	doc.ImageOptions("scan", 50, 50, 480, 0, false, fpdf.ImageOptions{ImageType: "PNG"}, 0, "")
	if err := doc.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scanning is a server with pdf/ocr, or the test skips.
func scanning(t *testing.T, files ...stored) *enginetest.Server {
	t.Helper()
	op, ok := pdf.OCR(t.Context(), converttest.Box(t))
	if !ok {
		enginetest.Missing(t, "tesseract")
	}
	return enginetest.Start(t, op, imports(files...))
}

// through is what work makes of the file in.
func through(t *testing.T, content []byte, work func(in, out string) error) []byte {
	t.Helper()
	in := filepath.Join(t.TempDir(), "in.pdf")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := work(in, in+".out"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(in + ".out")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// turned is the PDF with its first page turned.
func turned(t *testing.T, content []byte, degrees int) []byte {
	return through(t, content, func(in, out string) error {
		return pdf.NewLibrary().Rotate(t.Context(), in, out, []int{1}, pdf.Turn{Degrees: degrees})
	})
}

// encrypted is the PDF behind a lock.
func encrypted(t *testing.T, content []byte, lock pdf.Lock) []byte {
	return through(t, content, func(in, out string) error { return pdf.NewLibrary().Encrypt(t.Context(), in, out, lock) })
}

// between is the scan between two pages of text.
func between(t *testing.T, scan []byte) []byte {
	return through(t, scan, func(in, out string) error {
		text := filepath.Join(t.TempDir(), "text.pdf")
		if err := os.WriteFile(text, pdftest.Pages(t, 1), 0o600); err != nil {
			return err
		}
		return pdf.NewLibrary().Assemble(t.Context(), out, pdf.Part{Path: text}, pdf.Part{Path: in}, pdf.Part{Path: text})
	})
}

var prose = []string{
	"Call me a stranger. Some years ago, having little or no money in my purse,",
	"and nothing particular to interest me on shore, I thought I would sail about",
	"a little and see the watery part of the world. It is a way I have of driving",
	"off the gloom. Whenever it is a damp, drizzly November in my soul; whenever I",
	"find myself pausing before coffin warehouses, and bringing up the rear of",
	"every funeral I meet, then I account it high time to get to sea.",
}

// pageOfWords is a scan of a page full of prose.
func pageOfWords(t *testing.T) []byte {
	t.Helper()
	printed := fpdf.New("P", "pt", "A4", "")
	printed.SetFont("Times", "", 14) // of which tesseract knows for sure how it lies
	printed.AddPage()
	for line := range 20 {
		printed.Text(50, float64(60+24*line), prose[line%len(prose)])
	}
	in := filepath.Join(t.TempDir(), "in.pdf")
	if err := printed.OutputFileAndClose(in); err != nil {
		t.Fatal(err)
	}
	converttest.Tool(t, "pdftoppm", "-png", "-r", "300", "-singlefile", in, in)
	d := fpdf.New("P", "pt", "A4", "")
	d.AddPage()
	d.ImageOptions(in+".png", 0, 0, 595.28, 841.89, false, fpdf.ImageOptions{}, 0, "")
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readers are the engines of pdf/ocr.
var readers = []string{"ocrmypdf", "tesseract"}

// TestOCR reads scans alone, and between pages with text, which stay as they are.
func TestOCR(t *testing.T) {
	upright := scan(t, "HELLO WORLD")
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"one":       {upright, []string{"HELLO"}},
		"text":      {between(t, upright), []string{"page 1", "HELLO", "page 1"}},
		"text only": {pdftest.Pages(t, 2), []string{"page 1", "page 2"}},
	} {
		for _, reader := range readers {
			t.Run(name+" by "+reader, func(t *testing.T) {
				o := run(t, scanning(t, stored{"a.pdf", c.content}), "pdf/ocr", `{"language":"eng","engine":"`+reader+`"}`).must(t, "a.pdf")
				got := texts(t, o.paths[0])
				if len(got) != len(c.want) {
					t.Fatalf("got pages %q, want %q", got, c.want)
				}
				for i, want := range c.want {
					if !strings.Contains(got[i], want) || strings.HasPrefix(want, "page") && got[i] != want {
						t.Errorf("page %d: got %q, want %q", i+1, got[i], want)
					}
				}
				if o.Engine != reader || o.EngineVersion == "" {
					t.Errorf("got engine %q %q", o.Engine, o.EngineVersion)
				}
			})
		}
	}
}

// TestOCRTurnsPages has a page of many words lie on its side: it stands afterwards, with its words where they show.
func TestOCRTurnsPages(t *testing.T) {
	content := turned(t, pageOfWords(t), 270)
	for _, reader := range readers {
		t.Run(reader, func(t *testing.T) {
			o := run(t, scanning(t, stored{"a.pdf", content}), "pdf/ocr", `{"auto_orient":true,"engine":"`+reader+`"}`).must(t, "a.pdf")
			if got := converttest.Tool(t, "pdfinfo", o.paths[0]); !strings.Contains(got, "Page rot:        0") {
				t.Errorf("got %s, want a page that stands", got)
			}
			if got := texts(t, o.paths[0])[0]; strings.Count(got, "watery part of the world") != 3 {
				t.Errorf("got %q, want its words", got)
			}
			words := converttest.Tool(t, "pdftotext", "-bbox", o.paths[0], "-")
			m := regexp.MustCompile(`xMin="([\d.]+)" yMin="([\d.]+)"[^>]*>Call<`).FindStringSubmatch(words)
			if m == nil {
				t.Fatalf("got %s, want the first word", words)
			}
			x, _ := strconv.ParseFloat(m[1], 64)
			y, _ := strconv.ParseFloat(m[2], 64)
			if math.Abs(x-50) > 5 || math.Abs(y-50) > 15 {
				t.Errorf("the first word lies at %v, %v, want where it shows, at 50, 50", x, y)
			}
		})
	}
}

func TestOCRRefusals(t *testing.T) {
	sound := pdftest.Pages(t, 2)
	for _, reader := range readers {
		params := `{"engine":"` + reader + `"}`
		run(t, scanning(t, stored{"a.pdf", sound[:500]}), "pdf/ocr", params).refused(t, engine.Invalid, "damaged")
		for _, lock := range []pdf.Lock{{User: "u", Owner: "o"}, {Owner: "o", Extract: true}} {
			locked := encrypted(t, sound, lock)
			run(t, scanning(t, stored{"a.pdf", locked}), "pdf/ocr", params).refused(t, engine.Invalid, "protected by a password")
		}
	}
	s := scanning(t)
	for params, field := range map[string]string{
		`{"language":["eng","xxx"]}`: "language", `{"language":"../x"}`: "language", `{"engine":"x"}`: "engine",
	} {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
			enginetest.Task("in", "import/test", ""), enginetest.Task("out", "pdf/ocr", params, "in"),
		}})
		if err == nil || engine.CodeOf(err) != engine.Invalid {
			t.Errorf("%s: got %v, want a problem of %s", params, err, field)
		}
	}
}
