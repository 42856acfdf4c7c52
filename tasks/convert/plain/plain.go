// Package plain turns Markdown, HTML and text into each other and into PDF, without styles or scripts.
package plain

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"

	htmltomarkdown "github.com/JohannesKaufmann/html-to-markdown/v2"
	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/net/html"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/charset"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Engine converts between Markdown, HTML and plain text, and renders them as PDF. The rendering is plain: headings,
// paragraphs, lists, tables, code, quotes and links in the Go fonts, without styles or scripts; pictures only from data
// URIs, nothing is ever read from the disk or the network.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "plain".
func (*Engine) Name() string { return "plain" }

// Version is that of goldmark, the Markdown parser.
func (*Engine) Version() string { return convert.ModuleVersion("github.com/yuin/goldmark") }

// Pairs lists md and txt to html and pdf, html to md and pdf. Nothing else keeps the lines of a text as they are.
func (*Engine) Pairs() []convert.Pair {
	return []convert.Pair{
		{From: "md", To: "html"}, {From: "md", To: "pdf"}, {From: "html", To: "md"}, {From: "html", To: "pdf"},
		{From: "txt", To: "html", Merit: 1}, {From: "txt", To: "pdf"},
	}
}

// Convert makes one file.
func (*Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	text, err := readText(job)
	if err != nil {
		return nil, err
	}
	switch {
	case job.From == "txt" && job.To == "pdf":
		return []string{job.Out()}, convert.Save(ctx, job.Out(), func(w io.Writer) error { return textToPDF(ctx, w, text) })
	case job.From == "txt":
		text, err = textToHTML(text, filetype.Stem(job.Name))
	case job.From == "md":
		text, err = markdownToHTML(ctx, text, filetype.Stem(job.Name))
	}
	if err != nil {
		return nil, err
	}
	job.Progress(30)
	return []string{job.Out()}, convert.Save(ctx, job.Out(), func(w io.Writer) error {
		switch job.To {
		case "md":
			return htmlToMarkdown(ctx, w, text)
		case "pdf":
			return htmlToPDF(ctx, w, text, job.Limits)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

// readText reads a text of bounded size as UTF-8.
func readText(job convert.Job) (string, error) {
	f, err := os.Open(job.In)
	if err != nil {
		return "", fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, job.Limits.Text+1))
	if err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	if int64(len(raw)) > job.Limits.Text {
		return "", engine.Errorf(engine.TooLarge, "The %s file is larger than the limit of %d MiB.", job.From, job.Limits.Text>>20)
	}
	return charset.Decode(raw, job.From), nil
}

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
</head>
<body>
{{.Body}}</body>
</html>
`))

// markdownToHTML makes a whole document of GitHub's Markdown. Raw HTML and links that run scripts are left out.
func markdownToHTML(ctx context.Context, text, title string) (_ string, err error) {
	defer stopped(&err)
	if err := checkTables(text); err != nil {
		return "", err
	}
	var body strings.Builder
	err = goldmark.New(
		goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithParserOptions(bounded(ctx)),
	).Convert([]byte(text), convert.Writer(ctx, &body))
	if err != nil {
		return "", err
	}
	return page(body.String(), title)
}

// textToHTML keeps the lines of a text as they are; those that are too long for a page go on in the next line, and where the text
// begins a new page there is one.
func textToHTML(text, title string) (string, error) {
	var body strings.Builder
	for i, sheet := range strings.Split(text, "\f") {
		style := lines
		if i > 0 {
			style += "; break-before: page"
		}
		fmt.Fprintf(&body, "<pre style=%q>\n%s</pre>\n", style, html.EscapeString(sheet))
	}
	return page(body.String(), title)
}

// lines is how lines of text are shown.
const lines = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0"

// page is a whole document.
func page(body, title string) (string, error) {
	var out strings.Builder
	err := pageTemplate.Execute(&out, struct {
		Title string
		Body  template.HTML
	}{title, template.HTML(body)}) //nolint:gosec // both makers escape, and leave raw HTML out
	return out.String(), err
}

func htmlToMarkdown(ctx context.Context, w io.Writer, text string) error {
	doc, err := parseHTML(text)
	if err != nil {
		return err
	}
	out, err := htmltomarkdown.ConvertNode(doc, converter.WithContext(ctx))
	if err != nil {
		return convert.Damaged(ctx, "html", err)
	}
	_, err = w.Write(append(bytes.TrimSpace(out), '\n'))
	return err
}

// parseHTML refuses documents nested deeper than the parser's own limit of 512 elements, so that walking one is safe.
func parseHTML(text string) (*html.Node, error) {
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return nil, engine.Wrap(err, engine.Invalid, "The html file cannot be read; it may be nested too deeply.")
	}
	return doc, nil
}
