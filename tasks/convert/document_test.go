package convert_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

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
	got := string(input{name: "read <me>.md", content: []byte(sampleMarkdown), from: "md", to: "html"}.output(t))
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

func pdfText(t *testing.T, path string) string {
	t.Helper()
	return tool(t, "pdftotext", "-layout", path, "-")
}

func TestMarkdownToPDF(t *testing.T) {
	got := pdfText(t, input{content: []byte(sampleMarkdown), from: "md", to: "pdf"}.path(t))
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
	path := input{content: []byte(text), from: "txt", to: "pdf"}.path(t)
	got := pdfText(t, path)
	for _, want := range []string{"Zeile eins: Straße", "        indented", "Ελλάδα Россия é □□ □", "page two", "end"} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q in %q", want, got)
		}
	}
	if n := strings.Count(got, "x"); n != 300 {
		t.Errorf("got %d of 300 characters of the long line", n)
	}
	if info := tool(t, "pdfinfo", path); !strings.Contains(info, "Pages:           2") {
		t.Errorf("got %s, want 2 pages", info)
	}
}

func TestTextEncodings(t *testing.T) {
	for name, content := range map[string]string{
		"utf-8 with mark": "\xef\xbb\xbfcafé", "windows-1252": "caf\xe9", "utf-16": "\xff\xfec\x00a\x00f\x00\xe9\x00",
	} {
		t.Run(name, func(t *testing.T) {
			got := pdfText(t, input{content: []byte(content), from: "txt", to: "pdf"}.path(t))
			if !strings.Contains(got, "café") {
				t.Errorf("got %q, want café", got)
			}
		})
	}
}

func TestHTMLToPDF(t *testing.T) {
	dot := base64.StdEncoding.EncodeToString(encoded(t, "png", quarters(20, 10)))
	html := `<html><head><title>T</title><style>p{color:red}</style></head><body><h2>Head</h2><p>a <b>b</b><i>c</i></p>
<ol start=3><li>three<li>four</ol><table><tr><th>k<td>v</table><script>evil()</script><pre>  keep
  this</pre><img src="data:image/png;base64,` + dot + `"><img alt="remote" src="http://127.0.0.1:1/x.png">
<img alt="local" src="file:///etc/passwd"><img alt="relative" src="/etc/passwd"></body></html>`
	path := input{content: []byte(html), from: "html", to: "pdf"}.path(t)
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
	if images := tool(t, "pdfimages", "-list", path); strings.Count(images, "image") < 2 { // one in the heading
		t.Errorf("got %s, want one picture", images)
	}
}

func TestHTMLToMarkdown(t *testing.T) {
	html := []byte("<h1>A</h1><p>b <b>c</b></p><script>x</script>")
	got := string(input{content: html, from: "html", to: "md"}.output(t))
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
	path := input{content: []byte(b.String()), from: "html", to: "pdf"}.path(t)
	if got := pdfText(t, path); !strings.Contains(got, "paragraph 399") || !strings.Contains(got, "paragraph 0 ") {
		t.Error("the first or the last paragraph is missing")
	}
}

func TestHostileDocuments(t *testing.T) {
	for name, c := range map[string]input{
		"deep divs":         {content: []byte(strings.Repeat("<div>", 100_000)), from: "html"},
		"deep lists":        {content: []byte(strings.Repeat("<ul><li>", 100_000)), from: "html"},
		"deep inline":       {content: []byte(strings.Repeat("<b><i><a>", 50_000)), from: "html"},
		"deep tables":       {content: []byte(strings.Repeat("<table><tr><td>", 30_000)), from: "html"},
		"deep quotes":       {content: []byte(strings.Repeat("> ", 3_000) + "a"), from: "md"},
		"brackets":          {content: []byte(strings.Repeat("[", 20_000)), from: "md"},
		"image brackets":    {content: []byte(strings.Repeat("![", 10_000)), from: "md"},
		"stars":             {content: []byte(strings.Repeat("*a **b ", 5_000)), from: "md"},
		"backticks":         {content: []byte(strings.Repeat("`` a ` ", 5_000)), from: "md"},
		"one word":          {content: []byte(strings.Repeat("w", 200_000)), from: "txt"},
		"one word in html":  {content: []byte(strings.Repeat("w", 200_000)), from: "html"},
		"empty":             {content: nil, from: "txt"},
		"empty md":          {content: nil, from: "md"},
		"control bytes":     {content: []byte("\x00\x01\x02\xff\xfe"), from: "txt"},
		"wide table":        {content: []byte("<table><tr>" + strings.Repeat("<td>x", 5_000)), from: "html"},
		"broken picture":    {content: []byte(`<img src="data:image/png;base64,iVBORw0KGgo=">`), from: "html"},
		"no picture":        {content: []byte(`<img src="data:,"><img src="data:image/"><img>`), from: "html"},
		"negative list":     {content: []byte(`<ol start=-9223372036854775808><li>a</ol>`), from: "html"},
		"supplementary":     {content: []byte("\U0001F600\U0010FFFF"), from: "html"},
		"right to left":     {content: []byte("\u202eabc \u05d0"), from: "txt"},
		"nested formatting": {content: []byte(strings.Repeat("**_", 2_000)), from: "md"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, to := range []convert.Format{"pdf", "html", "md"} {
				if _, err := catalog.Route(c.from, to, ""); err != nil {
					continue
				}
				c.to = to
				if _, err := c.run(t.Context(), t); err != nil && !refusal(err) {
					t.Errorf("%s: got %v, want a refusal or none", to, err)
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
		t.Run(name, func(t *testing.T) { input{content: []byte(text), from: "md", to: "html"}.refused(t, "The md file has") })
	}
}

func TestDocumentTooLarge(t *testing.T) {
	limits := convert.LimitsOf(engine.DefaultLimits())
	limits.Text = 100
	input{content: make([]byte, 101), from: "txt", to: "pdf", limits: limits}.refused(t, "limit")
}

func TestPicturesOfADocumentAreBounded(t *testing.T) {
	flood := `<img src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(pngHeader(60000, 60000)) + `">`
	input{content: []byte(flood), from: "html", to: "pdf"}.refused(t, "megapixels")
}

func TestDocumentEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	for _, c := range []input{
		{content: []byte(strings.Repeat("[", 100)), from: "md", to: "html"}, {content: []byte("a"), from: "txt", to: "pdf"},
		{content: []byte("<p>a"), from: "html", to: "pdf"},
	} {
		if _, err := c.run(ctx, t); !errors.Is(err, reason) {
			t.Errorf("%s to %s: got %v, want %v", c.from, c.to, err, reason)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(sampleMarkdown)
	f.Add("<table><tr><td><ul><li><pre>a\tb</pre>")
	f.Add("\U0001F600 \xff ![x](data:image/png;base64,AAAA)")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, from := range []convert.Format{"md", "html", "txt"} {
			_, err := convert.Convert(t.Context(), convert.NewDocuments(), convert.Job{
				In: path, From: from, To: "pdf", Dir: t.TempDir(), Limits: convert.LimitsOf(engine.DefaultLimits()),
			})
			if err != nil && (!refusal(err) || strings.Contains(err.Error(), "panic")) {
				t.Errorf("%s: %v", from, err)
			}
		}
	})
}
