package pdf_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func TestArchive(t *testing.T) {
	for _, level := range []string{"1b", "2b", "3b"} {
		t.Run(level, func(t *testing.T) {
			o := run(t, archiving(t, stored{"a.pdf", pdftest.Pages(t, 2)}), "pdf/a", `{"conformance_level":"`+level+`"}`).must(t, "a.pdf")
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
