package office_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

const canaryText = "canary-7f3a9c"

// canary is a server and a file that nobody may touch.
type canary struct {
	url, file string
	calls     atomic.Int32
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{file: filepath.Join(t.TempDir(), "canary.txt")}
	if err := os.WriteFile(c.file, []byte(canaryText), 0o644); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(canaryText))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.calls.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func image(link string) string {
	return `<office:body><office:text><text:p>seen</text:p><text:p><draw:frame svg:width="5cm" svg:height="5cm">` +
		`<draw:image xlink:href="` + link + `" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/>` +
		`</draw:frame></text:p></office:text></office:body>`
}

// hostile are documents that point at something outside of themselves.
func hostile(t *testing.T, link string) map[string]input {
	t.Helper()
	relation := func(kind string) string {
		return `<Relationship Id="x1" Type="` + relationships + "/" + kind + `" Target="` + link + `" TargetMode="External"/>`
	}
	picture := `<w:p><w:r><w:t>seen</w:t></w:r></w:p><w:p><w:r><w:drawing><wp:inline><wp:extent cx="990000" cy="990000"/>` +
		`<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:blipFill>` +
		`<a:blip r:link="x1"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>`
	field := func(code string) string {
		return `<w:p><w:r><w:t>seen</w:t></w:r></w:p><w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>` +
			code + `</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>`
	}
	object := `<w:p><w:r><w:t>seen</w:t></w:r></w:p><w:p><w:r><w:object><o:OLEObject Type="Link" ProgID="Word.Document.12" ` +
		`ShapeID="s" DrawAspect="Content" ObjectID="_1" r:id="x1" UpdateMode="Always"/></w:object></w:r></w:p>`
	cells := func(formula string) string {
		return flat("spreadsheet", `<office:body><office:spreadsheet><table:table table:name="A"><table:table-row>`+
			`<table:table-cell office:value-type="string"><text:p>seen</text:p></table:table-cell>`+
			`<table:table-cell table:formula="`+formula+`" office:value-type="string"/></table:table-row></table:table>`+
			`</office:spreadsheet></office:body>`)
	}
	template := flat("text", `<office:meta><meta:template xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" `+
		`xlink:href="`+link+`" xlink:type="simple" xlink:actuate="onRequest"/></office:meta>`+
		`<office:body><office:text><text:p>seen</text:p></office:text></office:body>`)
	section := flat("text", `<office:body><office:text><text:p>seen</text:p><text:section text:name="s">`+
		`<text:section-source xlink:href="`+link+`" text:filter-name="Text"/></text:section></office:text></office:body>`)
	return map[string]input{
		"picture of docx":    {content: docxOf(picture, relation("image")), from: "docx"},
		"object of docx":     {content: docxOf(object, relation("oleObject")), from: "docx"},
		"template of docx":   {content: docxOf(`<w:p><w:r><w:t>seen</w:t></w:r></w:p>`, relation("attachedTemplate")), from: "docx"},
		"included picture":   {content: docxOf(field(`INCLUDEPICTURE "`+link+`" \d`), ""), from: "docx"},
		"included text":      {content: docxOf(field(`INCLUDETEXT "`+link+`"`), ""), from: "docx"},
		"picture of fodt":    {content: flat("text", image(link)), from: "fodt"},
		"section of fodt":    {content: section, from: "fodt"},
		"template of fodt":   {content: template, from: "fodt"},
		"WEBSERVICE of fods": {content: cells(`of:=COM.MICROSOFT.WEBSERVICE(&quot;` + link + `&quot;)`), from: "fods"},
		"link of fods":       {content: cells(`of:=[&apos;` + link + `&apos;#$A.A1]`), from: "fods"},
		"DDE of fods":        {content: cells(`of:=DDE(&quot;soffice&quot;;&quot;` + link + `&quot;;&quot;A1&quot;)`), from: "fods"},
		"picture of rtf": {content: `{\rtf1 seen {\field{\*\fldinst INCLUDEPICTURE "` + link + `" \\d}{\fldrslt x}}}`,
			from: "rtf"},
		"html": {content: `<!doctype html><p>seen</p><img src="` + link + `"><link rel=stylesheet href="` + link + `">` +
			`<iframe src="` + link + `"></iframe><object data="` + link + `"></object>`, from: "html"},
	}
}

func TestNothingOutsideIsRead(t *testing.T) {
	e := newEngine(t)
	c := newCanary(t)
	for where, link := range map[string]string{"server": c.url + "/a.txt", "file": "file://" + c.file} {
		for name, in := range hostile(t, link) {
			t.Run(where+", "+name, func(t *testing.T) {
				in.to = "pdf"
				out, err := in.run(t.Context(), t, e)
				if err != nil {
					t.Fatalf("got %v, want a PDF without what it links to", err)
				}
				if got := pdfText(t, out); !strings.Contains(got, "seen") || strings.Contains(got, canaryText) {
					t.Errorf("got text %q", got)
				}
				if n := c.calls.Load(); n != 0 {
					t.Errorf("the server was called %d times", n)
				}
			})
		}
	}
}

// TestMacrosDoNotRun has macros that write a file when the document is opened.
func TestMacrosDoNotRun(t *testing.T) {
	e := newEngine(t)
	macro := `<office:scripts><office:script script:language="ooo:Basic"><ooo:libraries ` +
		`xmlns:ooo="http://openoffice.org/2004/office"><ooo:library-embedded ooo:name="Standard"><ooo:module ooo:name="M">` +
		`<ooo:source-code>Sub Go` + "\n" + `ThisComponent.Text.String = "macro ran"` + "\n" + `End Sub</ooo:source-code></ooo:module>` +
		`</ooo:library-embedded></ooo:libraries></office:script><office:event-listeners><script:event-listener ` +
		`script:language="ooo:script" script:event-name="dom:load" xlink:type="simple" ` +
		`xlink:href="vnd.sun.star.script:Standard.M.Go?language=Basic&amp;location=document"/></office:event-listeners></office:scripts>`
	in := input{content: flat("text", macro+`<office:body><office:text><text:p>seen</text:p></office:text></office:body>`),
		from: "fodt", to: "pdf"}
	if got := pdfText(t, in.must(t, e)); got != "seen" {
		t.Errorf("got %q, want what was written", got)
	}
}

func TestBrokenDocumentsAreRefused(t *testing.T) {
	e := newEngine(t)
	for name, in := range map[string]input{
		"docx": {content: docx("a fine day")[:600], from: "docx", to: "pdf"},
		"xlsx": {content: xlsx(t, "a fine day")[:900], from: "xlsx", to: "ods"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := in.run(t.Context(), t, e)
			message := engine.MessageOf(err)
			if engine.CodeOf(err) != engine.Invalid || !strings.Contains(message, string(in.from)) || strings.Contains(message, "/") {
				t.Errorf("got %v, want that the %s file is at fault, and no path", err, in.from)
			}
		})
	}
}
