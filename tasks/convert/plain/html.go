package plain

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// renderer walks an HTML document and writes it with a layout. The parser bounds how deep a document nests, so the walk
// may recurse.
type renderer struct {
	*layout
	inline []span
	lists  []list
	images imageBudget
}

// list is an open list; next is the number of its next item, 0 in a list without numbers.
type list struct{ next int }

// htmlToPDF renders the parts of HTML that a text is made of.
func htmlToPDF(ctx context.Context, w io.Writer, text string, limits convert.Limits) error {
	doc, err := parseHTML(text)
	if err != nil {
		return err
	}
	l, err := newLayout()
	if err != nil {
		return err
	}
	r := &renderer{layout: l, images: imageBudget{pixels: limits.Pixels}}
	if title := find(doc, atom.Title); title != nil {
		l.pdf.SetTitle(strings.TrimSpace(textOf(title)), true)
	}
	if err := r.children(ctx, doc, bodyFace); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return l.pdf.Output(w)
}

func find(n *html.Node, what atom.Atom) *html.Node {
	for d := range n.Descendants() {
		if d.DataAtom == what {
			return d
		}
	}
	return nil
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && !hidden(d.Parent) {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func hidden(n *html.Node) bool {
	return n != nil && slices.Contains([]atom.Atom{
		atom.Script, atom.Style, atom.Head, atom.Template, atom.Noscript, atom.Iframe, atom.Object, atom.Svg, atom.Math,
		atom.Select, atom.Textarea, atom.Audio, atom.Video, atom.Canvas,
	}, n.DataAtom)
}

func (r *renderer) children(ctx context.Context, n *html.Node, f face) error {
	for c := range n.ChildNodes() {
		if err := r.node(ctx, c, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) node(ctx context.Context, n *html.Node, f face) error {
	if n.Type == html.TextNode {
		r.add(n.Data, f)
		return nil
	}
	if n.Type != html.ElementNode || hidden(n) {
		return nil
	}
	if g, ok := inlineFace(n, f); ok {
		return r.children(ctx, n, g)
	}
	switch n.DataAtom {
	case atom.Br:
		r.inline = append(r.inline, span{"\n", f})
		return nil
	case atom.Img:
		return r.image(ctx, n, f)
	case atom.Input:
		r.add(checkbox(n), f)
		return nil
	}
	return r.block(ctx, n, f)
}

func (r *renderer) add(text string, f face) {
	words := strings.Join(strings.Fields(text), " ")
	if words == "" {
		if text == "" {
			return
		}
		words = " "
	} else {
		if strings.ContainsAny(text[:1], " \t\r\n\f") {
			words = " " + words
		}
		if strings.ContainsAny(text[len(text)-1:], " \t\r\n\f") {
			words += " "
		}
	}
	r.inline = append(r.inline, span{words, f})
}

func checkbox(n *html.Node) string {
	if attribute(n, "type") != "checkbox" {
		return ""
	}
	if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
		return "[x] "
	}
	return "[ ] "
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// inlineFace is how the text inside an inline element looks; false for an element that is a block.
func inlineFace(n *html.Node, f face) (face, bool) {
	switch n.DataAtom {
	case atom.B, atom.Strong, atom.Th:
		return f.bold(), n.DataAtom != atom.Th
	case atom.I, atom.Em, atom.Cite, atom.Dfn, atom.Var:
		return f.italic(), true
	case atom.Code, atom.Kbd, atom.Samp, atom.Tt:
		f.family, f.size = "gomono", f.size*codeSize/textSize
		return f, true
	case atom.A:
		if href := attribute(n, "href"); strings.HasPrefix(href, "http://") || strings.HasPrefix(href, "https://") ||
			strings.HasPrefix(href, "mailto:") {
			f.link = href
		}
		return f, true
	case atom.Span, atom.Small, atom.Big, atom.U, atom.S, atom.Del, atom.Ins, atom.Sub, atom.Sup, atom.Mark, atom.Abbr,
		atom.Q, atom.Time, atom.Label, atom.Font, atom.Bdi, atom.Bdo, atom.Data, atom.Wbr, atom.Strike:
		return f, true
	}
	return f, false
}

var headings = map[atom.Atom]float64{
	atom.H1: 22, atom.H2: 18, atom.H3: 15, atom.H4: 13, atom.H5: 12, atom.H6: 11,
}

func (r *renderer) block(ctx context.Context, n *html.Node, f face) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	gap := 0.0
	var err error
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		gap = 6
		r.skip(8)
		r.room(3 * headings[n.DataAtom])
		err = r.children(ctx, n, face{family: "go", style: "B", size: headings[n.DataAtom]})
	case atom.Ul, atom.Ol, atom.Menu:
		err = r.listBlock(ctx, n, f)
		gap = 3
	case atom.Li:
		r.startItem()
		err = r.children(ctx, n, f)
	case atom.Blockquote, atom.Dd:
		r.indent += 18
		err = r.childrenFlushed(ctx, n, f.italic())
		r.indent -= 18
		gap = 4
	case atom.Pre:
		err = r.verbatim(ctx, strings.Trim(textOf(n), "\r\n"), codeFace)
		gap = 6
	case atom.Hr:
		r.rule()
	case atom.Table:
		err = r.table(ctx, n)
		gap = 8
	case atom.P, atom.Dt, atom.Figure:
		gap = 6
		err = r.children(ctx, n, f)
	default:
		err = r.children(ctx, n, f)
	}
	if err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.skip(gap)
	return nil
}

func (r *renderer) childrenFlushed(ctx context.Context, n *html.Node, f face) error {
	if err := r.children(ctx, n, f); err != nil {
		return err
	}
	return r.flush(ctx)
}

func (r *renderer) listBlock(ctx context.Context, n *html.Node, f face) error {
	l := list{}
	if n.DataAtom == atom.Ol {
		l.next = 1
		if start, err := strconv.Atoi(attribute(n, "start")); err == nil && start > 0 {
			l.next = start
		}
	}
	r.lists = append(r.lists, l)
	r.indent += 18
	err := r.childrenFlushed(ctx, n, f)
	r.indent -= 18
	r.lists = r.lists[:len(r.lists)-1]
	return err
}

func (r *renderer) startItem() {
	r.marker = "•"
	if len(r.lists) == 0 {
		return
	}
	if l := &r.lists[len(r.lists)-1]; l.next > 0 {
		r.marker = strconv.Itoa(l.next) + "."
		l.next++
	}
}

// flush writes the text gathered so far as one paragraph.
func (r *renderer) flush(ctx context.Context) error {
	spans := r.inline
	r.inline = nil
	if !slices.ContainsFunc(spans, func(s span) bool { return strings.TrimSpace(s.text) != "" }) {
		return context.Cause(ctx)
	}
	return r.paragraph(ctx, spans)
}

func (r *renderer) rule() {
	r.skip(6)
	r.room(6)
	r.pdf.SetDrawColor(170, 170, 170)
	r.pdf.Line(r.left(), r.y, pageWidth-margin, r.y)
	r.y += 6
}
