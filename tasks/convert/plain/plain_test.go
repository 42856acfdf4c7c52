package plain_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/plain"
)

var documents = plain.New()

const sampleMarkdown = `# Größe Ωμέγα Привет

Some *emphasis*, **strong** text and ` + "`code`" + ` with a [link](https://example.com/a) and
<script>alert(1)</script> raw HTML, [bad](javascript:alert(1)).

- one
- two
  1. nested

- [x] done

| name | size |
|------|-----:|
| a    |   12 |

` + "```go\nfunc main() {\n\tprintln(\"hi\")\n}\n```\n"

func TestMarkdownToHTML(t *testing.T) {
	got := string(converttest.Output(t, documents, sampleMarkdown, convert.Job{Name: "read <me>.md", From: "md", To: "html"}))
	for _, want := range []string{
		"<!DOCTYPE html>", `<meta charset="utf-8">`, "<title>read &lt;me&gt;</title>", "Größe Ωμέγα Привет", "<table>",
		"<strong>strong</strong>", `<a href="https://example.com/a">`, `type="checkbox"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %s", want, got)
		}
	}
	for _, bad := range []string{"<script>", "javascript:"} {
		if strings.Contains(got, bad) {
			t.Errorf("got %q in %s", bad, got)
		}
	}
}

func TestTextToHTML(t *testing.T) {
	got := string(converttest.Output(t, documents, "\n  a <b> & c\n\xe9\fnext", convert.Job{Name: "x.txt", From: "txt", To: "html"}))
	for _, want := range []string{"<title>x</title>", "\">\n\n  a &lt;b&gt; &amp; c\né</pre>", "break-before: page\">\nnext</pre>"} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %s", want, got)
		}
	}
}

func pdfText(t *testing.T, path string) string {
	t.Helper()
	return converttest.Tool(t, "pdftotext", "-layout", path, "-")
}

func TestMarkdownToPDF(t *testing.T) {
	got := pdfText(t, converttest.Path(t, documents, sampleMarkdown, convert.Job{From: "md", To: "pdf"}))
	got = strings.ReplaceAll(got, "•   ", "• ")
	for _, want := range []string{
		"Größe Ωμέγα Привет", "Some emphasis, strong text and code with a link", "• one", "1. nested", "[x] done", "name",
		"12", `println("hi")`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "alert") && !strings.Contains(got, "raw HTML") {
		t.Errorf("got the script's text in %q", got)
	}
}

func TestTextToPDF(t *testing.T) {
	long := strings.Repeat("x", 300)
	text := "Zeile eins: Straße\n\tindented\n" + long + "\nΕλλάδα Россия e\u0301 漢字 🙂 \x01\fpage two\r\nend"
	path := converttest.Path(t, documents, text, convert.Job{From: "txt", To: "pdf"})
	got := pdfText(t, path)
	for _, want := range []string{"Zeile eins: Straße", "        indented", "Ελλάδα Россия é □□ □", "page two", "end"} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %q", want, got)
		}
	}
	if n := strings.Count(got, "x"); n != 300 {
		t.Errorf("got %d of 300 characters of the long line", n)
	}
	if info := converttest.Tool(t, "pdfinfo", path); !strings.Contains(info, "Pages:           2") {
		t.Errorf("got %s, want 2 pages", info)
	}
}

func TestTextEncodings(t *testing.T) {
	for name, content := range map[string]string{
		"utf-8 with mark": "\xef\xbb\xbfcafé", "windows-1252": "caf\xe9", "utf-16": "\xff\xfec\x00a\x00f\x00\xe9\x00",
	} {
		t.Run(name, func(t *testing.T) {
			got := pdfText(t, converttest.Path(t, documents, content, convert.Job{From: "txt", To: "pdf"}))
			if !strings.Contains(got, "café") {
				t.Errorf("got %q, want café", got)
			}
		})
	}
}

func TestHTMLToPDF(t *testing.T) {
	dot := base64.StdEncoding.EncodeToString(converttest.PNG(20, 10))
	html := `<html><head><title>T</title><style>p{color:red}</style></head><body><h2>Head</h2><p>a <b>b</b><i>c</i></p>
<ol start=3><li>three<li>four</ol><table><tr><th>k<td>v</table><script>evil()</script><pre>  keep
  this</pre><img src="data:image/png;base64,` + dot + `"><img alt="remote" src="http://127.0.0.1:1/x.png">
<img alt="local" src="file:///etc/passwd"><img alt="relative" src="/etc/passwd"></body></html>`
	path := converttest.Path(t, documents, html, convert.Job{From: "html", To: "pdf"})
	got := pdfText(t, path)
	for _, want := range []string{"Head", "a bc", "3. three", "4. four", "keep", "[remote]", "[local]", "[relative]"} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %q", want, got)
		}
	}
	for _, bad := range []string{"evil", "color", "root:"} {
		if strings.Contains(got, bad) {
			t.Errorf("got %q in %q", bad, got)
		}
	}
	if images := converttest.Tool(t, "pdfimages", "-list", path); strings.Count(images, "image") < 2 { // one in the heading
		t.Errorf("got %s, want one picture", images)
	}
}

func TestHTMLToMarkdown(t *testing.T) {
	html := []byte("<h1>A</h1><p>b <b>c</b></p><script>x</script>")
	got := string(converttest.Output(t, documents, html, convert.Job{From: "html", To: "md"}))
	if want := "# A\n\nb **c**\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestManyPages(t *testing.T) {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "<p>paragraph %d %s</p><table><tr><td>%s</table>", i,
			strings.Repeat("word ", 60), strings.Repeat("y ", 200))
	}
	path := converttest.Path(t, documents, b.String(), convert.Job{From: "html", To: "pdf"})
	if got := pdfText(t, path); !strings.Contains(got, "paragraph 399") || !strings.Contains(got, "paragraph 0 ") {
		t.Error("the first or the last paragraph is missing")
	}
}

func TestHostileDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		from    convert.Format
	}{
		"deep divs":         {strings.Repeat("<div>", 100_000), "html"},
		"deep lists":        {strings.Repeat("<ul><li>", 100_000), "html"},
		"deep inline":       {strings.Repeat("<b><i><a>", 50_000), "html"},
		"deep tables":       {strings.Repeat("<table><tr><td>", 30_000), "html"},
		"deep quotes":       {strings.Repeat("> ", 3_000) + "a", "md"},
		"brackets":          {strings.Repeat("[", 20_000), "md"},
		"image brackets":    {strings.Repeat("![", 10_000), "md"},
		"stars":             {strings.Repeat("*a **b ", 5_000), "md"},
		"backticks":         {strings.Repeat("`` a ` ", 5_000), "md"},
		"one word":          {strings.Repeat("w", 200_000), "txt"},
		"one word in html":  {strings.Repeat("w", 200_000), "html"},
		"empty":             {"", "txt"},
		"empty md":          {"", "md"},
		"control bytes":     {"\x00\x01\x02\xff\xfe", "txt"},
		"wide table":        {"<table><tr>" + strings.Repeat("<td>x", 5_000), "html"},
		"broken picture":    {`<img src="data:image/png;base64,iVBORw0KGgo=">`, "html"},
		"no picture":        {`<img src="data:,"><img src="data:image/"><img>`, "html"},
		"negative list":     {`<ol start=-9223372036854775808><li>a</ol>`, "html"},
		"supplementary":     {"\U0001F600\U0010FFFF", "html"},
		"right to left":     {"\u202eabc \u05d0", "txt"},
		"nested formatting": {strings.Repeat("**_", 2_000), "md"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pair := range documents.Pairs() {
				if pair.From != c.from {
					continue
				}
				job := convert.Job{From: pair.From, To: pair.To}
				if _, err := converttest.Convert(t.Context(), t, documents, c.content, job); err != nil && !converttest.Refusal(err) {
					t.Errorf("%s: got %v, want a refusal or none", pair.To, err)
				}
			}
		})
	}
}

// TestQuadraticMarkdown has what takes the parser minutes and gigabytes when it is let.
func TestQuadraticMarkdown(t *testing.T) {
	for name, text := range map[string]string{
		"unclosed emphasis": strings.Repeat("*a_ ", 60_000),
		"wide table": strings.Repeat("|a", 20_000) + "\n" + strings.Repeat("|-", 20_000) + "\n" +
			strings.Repeat("|x\n", 2_000),
	} {
		t.Run(name, func(t *testing.T) {
			converttest.Refused(t, documents, text, convert.Job{From: "md", To: "html"}, "The md file has")
		})
	}
}

func TestDocumentTooLarge(t *testing.T) {
	limits := convert.LimitsOf(engine.DefaultLimits())
	limits.Text = 100
	converttest.Refused(t, documents, make([]byte, 101), convert.Job{From: "txt", To: "pdf", Limits: limits}, "limit")
}

func TestPicturesOfADocumentAreBounded(t *testing.T) {
	flood := `<img src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(converttest.PNGHeader(60000, 60000)) + `">`
	converttest.Refused(t, documents, flood, convert.Job{From: "html", To: "pdf"}, "megapixels")
}

func TestDocumentEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	for _, pair := range []convert.Pair{{From: "md", To: "html"}, {From: "txt", To: "pdf"}, {From: "html", To: "pdf"}} {
		_, err := converttest.Convert(ctx, t, documents, strings.Repeat("[", 100), convert.Job{From: pair.From, To: pair.To})
		if !errors.Is(err, reason) {
			t.Errorf("%s to %s: got %v, want %v", pair.From, pair.To, err, reason)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(sampleMarkdown)
	f.Add("<table><tr><td><ul><li><pre>a\tb</pre>")
	f.Add("\U0001F600 \xff ![x](data:image/png;base64,AAAA)")
	f.Fuzz(func(t *testing.T, text string) {
		for _, from := range []convert.Format{"md", "html", "txt"} {
			_, err := converttest.Convert(t.Context(), t, documents, text, convert.Job{From: from, To: "pdf"})
			if err != nil && (!converttest.Refusal(err) || strings.Contains(err.Error(), "panic")) {
				t.Errorf("%s: %v", from, err)
			}
		}
	})
}
