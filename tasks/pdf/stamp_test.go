package pdf_test

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// written is the path of a file with the content, in a folder of its own.
func written(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStampText(t *testing.T) {
	in, out := written(t, "in.pdf", pdftest.Pages(t, 3)), filepath.Join(t.TempDir(), "out.pdf")
	stamp := pdf.Stamp{Text: "SECRET, 100:1", Above: true, Font: pdf.FontHelvetica, FontSize: 30, Anchor: pdf.BottomRight,
		MarginX: 25, MarginY: 25, Opacity: 0.5, Color: [3]byte{255, 0, 0}}
	if err := pdf.NewLibrary().Stamp(t.Context(), in, out, []int{1, 3}, stamp); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts(t, out) {
		if got, want := strings.Contains(text, "SECRET, 100:1"), i != 1; got != want {
			t.Errorf("page %d: got %q", i+1, text)
		}
	}
}

func TestStampPicture(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "logo")
	f, err := os.Create(picture)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, image.NewNRGBA(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	f.Close()
	in, out := written(t, "in.pdf", pdftest.Pages(t, 2)), filepath.Join(t.TempDir(), "out.pdf")
	stamp := pdf.Stamp{Picture: picture, Anchor: pdf.Center, Width: 0.5, Opacity: 1, Rotation: 45}
	if err := pdf.NewLibrary().Stamp(t.Context(), in, out, []int{2}, stamp); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, out); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	if list := converttest.Tool(t, "pdfimages", "-list", out); !strings.Contains(list, "   2     0 image      30    20") {
		t.Errorf("got %s, want the picture on page 2", list)
	}
	stamp.Picture = in
	if err := pdf.NewLibrary().Stamp(t.Context(), in, out+"2", []int{2}, stamp); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want a refusal of a picture that is none", err)
	}
}

func TestOptimize(t *testing.T) {
	in, out := written(t, "in.pdf", pdftest.Pages(t, 3)), filepath.Join(t.TempDir(), "out.pdf")
	if err := pdf.NewLibrary().Optimize(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, out); !slices.Equal(got, []string{"page 1", "page 2", "page 3"}) {
		t.Errorf("got %q", got)
	}
}
