package pdf_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// archiving is a server with pdf/a, or the test skips.
func archiving(t *testing.T, files ...stored) *enginetest.Server {
	t.Helper()
	op, ok := pdf.Archive(t.Context(), converttest.Box(t))
	if !ok {
		enginetest.Missing(t, "ghostscript")
	}
	return enginetest.Start(t, op, imports(files...))
}

// archivers are the engines of pdf/a.
var archivers = []string{"ocrmypdf", "ghostscript"}

func TestArchive(t *testing.T) {
	for _, archiver := range archivers {
		for _, level := range []string{"1b", "2b", "3b"} {
			t.Run(level+" by "+archiver, func(t *testing.T) {
				params := fmt.Sprintf(`{"conformance_level":%q,"engine":%q}`, level, archiver)
				o := run(t, archiving(t, stored{"a.pdf", pdftest.Pages(t, 2)}), "pdf/a", params).must(t, "a.pdf")
				if got := texts(t, o.paths[0]); strings.Join(got, ",") != "page 1,page 2" {
					t.Errorf("got pages %q", got)
				}
				if fonts := strings.Fields(strings.Split(converttest.Tool(t, "pdffonts", o.paths[0]), "\n")[2]); !slices.Contains(fonts, "yes") {
					t.Errorf("got font %q, want one that is in the file", fonts)
				}
				plain := filepath.Join(t.TempDir(), "plain.pdf")
				converttest.Tool(t, "qpdf", "--qdf", "--object-streams=disable", o.paths[0], plain)
				content, err := os.ReadFile(plain)
				if err != nil {
					t.Fatal(err)
				}
				said := regexp.MustCompile(`pdfaid:part(?:=['"]|>)(\d)`).FindSubmatch(content)
				if !bytes.Contains(content, []byte("/OutputIntents")) || !bytes.Contains(content, []byte("/GTS_PDFA1")) ||
					said == nil || string(said[1]) != level[:1] {
					t.Error("the file has no OutputIntents or does not say which PDF/A it is")
				}
			})
		}
	}
}

// TestArchiveLeavesOut archives what PDF/A forbids.
func TestArchiveLeavesOut(t *testing.T) {
	hostile := pdftest.Hostile(t)
	for _, archiver := range archivers {
		for _, name := range []string{"script", "launch"} {
			t.Run(name+" by "+archiver, func(t *testing.T) {
				o := run(t, archiving(t, stored{"a.pdf", hostile[name]}), "pdf/a", `{"engine":"`+archiver+`"}`).must(t, "a.pdf")
				plain := converttest.Tool(t, "qpdf", "--qdf", "--object-streams=disable", o.paths[0], "-")
				if strings.Contains(plain, "OpenAction") || strings.Contains(plain, "/Launch") {
					t.Error("the action is still there")
				}
			})
		}
	}
}

// TestArchivePictures archives a scan in lossless colours, whose pixels must stay what they are.
func TestArchivePictures(t *testing.T) {
	o := run(t, archiving(t, stored{"a.pdf", scan(t, "HELLO")}), "pdf/a", `{"engine":"ghostscript"}`).must(t, "a.pdf")
	if got := converttest.Tool(t, "pdfimages", "-list", o.paths[0]); !strings.Contains(got, "1600   480") || strings.Contains(got, "jpeg") {
		t.Errorf("got %s, want the picture as it was", got)
	}
}

func TestArchiveRefusals(t *testing.T) {
	sound := pdftest.Pages(t, 2)
	for _, archiver := range archivers {
		params := `{"engine":"` + archiver + `"}`
		run(t, archiving(t, stored{"a.pdf", sound[:500]}), "pdf/a", params).refused(t, engine.Invalid, "damaged")
		locked := encrypted(t, sound, pdf.Lock{Owner: "o"})
		run(t, archiving(t, stored{"a.pdf", locked}), "pdf/a", params).refused(t, engine.Invalid, "protected by a password")
	}
}

// TestCheckArchive looks at files that say they are PDF/A: the first is one, as far as can be told, of each other one thing is
// wrong.
func TestCheckArchive(t *testing.T) {
	const (
		pages   = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
		page    = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F 7 0 R>>>>>>"
		profile = "<</N 3/Length1 1/Length2 1/Length3 1/Length 4>>\nstream\nabcd\nendstream"
		intent  = "<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)/DestOutputProfile 5 0 R>>"
		root    = "<</Type/Catalog/Pages 2 0 R/Metadata 4 0 R/OutputIntents[6 0 R]%s>>"
		font    = "<</Type/Font/Subtype/Type1/BaseFont/ABCDEF+X/FirstChar 65/LastChar 65/Widths[500]/FontDescriptor 8 0 R>>"
		inside  = "<</Type/FontDescriptor/FontName/ABCDEF+X/Flags 4/FontBBox[0 0 9 9]/ItalicAngle 0/Ascent 9/Descent 0/CapHeight 9/StemV 9%s>>"
	)
	says := func(part, level string) string {
		xmp := `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
			`<rdf:Description xmlns:p="http://www.aiim.org/pdfa/ns/id/"><p:part>` + part + `</p:part><p:conformance>` + level +
			`</p:conformance></rdf:Description></rdf:RDF></x:xmpmeta>`
		return fmt.Sprintf("<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%s\nendstream", len(xmp), xmp)
	}
	for name, c := range map[string]struct{ root, says, intent, inside, words string }{
		"sound":     {"", says("2", "B"), intent, "/FontFile 5 0 R", ""},
		"part":      {"", says("1", "B"), intent, "/FontFile 5 0 R", "part"},
		"level":     {"", says("2", "U"), intent, "/FontFile 5 0 R", "level"},
		"no intent": {"", says("2", "B"), "<</Type/OutputIntent/S/GTS_PDFX/OutputConditionIdentifier(x)>>", "/FontFile 5 0 R", "intent"},
		"font":      {"", says("2", "B"), intent, "", "font"},
		"action":    {"/OpenAction<</S/JavaScript/JS(1)>>", says("2", "B"), intent, "/FontFile 5 0 R", "JavaScript"},
		"attached": {"/Names<</EmbeddedFiles<</Names[(x)<</Type/Filespec/F(x)/UF(x)/EF<</F 5 0 R>>>>]>>>>", says("2", "B"), intent,
			"/FontFile 5 0 R", "attached"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.pdf")
			content := pdftest.Written(fmt.Sprintf(root, c.root), pages, page, c.says, profile, c.intent, font, fmt.Sprintf(inside, c.inside))
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			err := pdf.NewLibrary().CheckArchive(t.Context(), path, "2")
			if c.words == "" && err != nil || c.words != "" && (engine.CodeOf(err) != engine.Invalid || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("got %v, want it to speak of %q", err, c.words)
			}
		})
	}
}
