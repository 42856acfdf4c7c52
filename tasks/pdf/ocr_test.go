package pdf_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
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

// ocr is a server with pdf/ocr and pdf/a, or the test skips.
func ocr(t *testing.T, files ...stored) *enginetest.Server {
	t.Helper()
	o, ok := pdf.FindOCRmyPDF(t.Context(), converttest.Box(t))
	if !ok {
		enginetest.Missing(t, "ocrmypdf")
	}
	return enginetest.Start(t, append(o.Operations(), imports(files...))...)
}

func TestOCR(t *testing.T) {
	o := run(t, ocr(t, stored{"a.pdf", scan(t, "HELLO WORLD")}), "pdf/ocr", `{"language":"eng"}`).must(t, "a.pdf")
	if got := texts(t, o.paths[0]); !strings.Contains(strings.ToUpper(got[0]), "HELLO") {
		t.Errorf("got %q, want the words of the picture", got)
	}
	if o.Engine != "ocrmypdf" || o.EngineVersion == "" {
		t.Errorf("got engine %q %q", o.Engine, o.EngineVersion)
	}
}

func TestArchive(t *testing.T) {
	for _, level := range []string{"1b", "2b", "3b"} {
		t.Run(level, func(t *testing.T) {
			o := run(t, ocr(t, stored{"a.pdf", pdftest.Pages(t, 2)}), "pdf/a", `{"conformance_level":"`+level+`"}`).must(t, "a.pdf")
			if got := texts(t, o.paths[0]); strings.Join(got, ",") != "page 1,page 2" {
				t.Errorf("got pages %q", got)
			}
			plain := filepath.Join(t.TempDir(), "plain.pdf")
			tool(t, "qpdf", "--qdf", "--object-streams=disable", o.paths[0], plain)
			content, err := os.ReadFile(plain)
			if err != nil {
				t.Fatal(err)
			}
			part := level[:1]
			if !bytes.Contains(content, []byte("/OutputIntents")) || !bytes.Contains(content, []byte("/GTS_PDFA1")) ||
				!bytes.Contains(content, []byte(`pdfaid:part='`+part)) && !bytes.Contains(content, []byte(`<pdfaid:part>`+part)) &&
					!bytes.Contains(content, []byte(`pdfaid:part="`+part)) {
				t.Error("the file has no OutputIntents or does not say which PDF/A it is")
			}
		})
	}
}

func TestOCRRefusals(t *testing.T) {
	run(t, ocr(t, stored{"a.pdf", pdftest.Pages(t, 2)[:500]}), "pdf/ocr", "{}").refused(t, engine.Invalid, "damaged")
	s := ocr(t)
	for params, field := range map[string]string{`{"language":["eng","xxx"]}`: "language", `{"language":"../x"}`: "language"} {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
			enginetest.Task("in", "import/test", ""), enginetest.Task("out", "pdf/ocr", params, "in"),
		}})
		if err == nil || engine.CodeOf(err) != engine.Invalid {
			t.Errorf("%s: got %v, want a problem of %s", params, err, field)
		}
	}
}
