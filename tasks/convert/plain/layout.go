package plain

import (
	"context"
	"fmt"
	"io"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// An A4 page in points.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	margin     = 56.0
	leading    = 1.35 // line height to font size
	textSize   = 11.0
	codeSize   = 9.5
	tabWidth   = 8
)

var bodyFace = face{family: "go", size: textSize}
var codeFace = face{family: "gomono", size: codeSize}

// span is a run of text with one look; line is what fits beside each other.
type span struct {
	text string
	face face
}

type line []piece

type piece struct {
	span
	x float64 // from the line's start
}

// layout writes lines down a page and goes on to the next when it is full.
type layout struct {
	pdf    *fpdf.Fpdf
	cover  *coverage
	added  map[string]bool
	y      float64
	indent float64
	marker string // of a list item whose first line is still to come
}

func newLayout() (*layout, error) {
	cover, err := newCoverage()
	if err != nil {
		return nil, fmt.Errorf("read the built-in font: %w", err)
	}
	pdf := fpdf.New("P", "pt", "A4", "")
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetMargins(0, 0, 0)
	pdf.SetCellMargin(0)
	l := &layout{pdf: pdf, cover: cover, added: map[string]bool{}}
	l.newPage()
	return l, nil
}

func (l *layout) newPage() {
	l.pdf.AddPage()
	l.y = margin
}

// room makes sure that height points are left on the page.
func (l *layout) room(height float64) {
	if l.y+height > pageHeight-margin && l.y > margin {
		l.newPage()
	}
}

func (l *layout) skip(height float64) {
	if l.y > margin {
		l.y += height
	}
}

func (l *layout) left() float64 { return margin + min(l.indent, pageWidth/2) }

func (l *layout) width() float64 { return pageWidth - margin - l.left() }

func (l *layout) use(f face) {
	if name := f.family + f.style; !l.added[name] {
		l.pdf.AddUTF8FontFromBytes(f.family, f.style, fonts[name])
		l.added[name] = true
	}
	l.pdf.SetFont(f.family, f.style, f.size)
}

// measure is how wide text is. The face must be in use.
func (l *layout) measure(text string) float64 { return l.pdf.GetStringWidth(text) }

// wrap breaks spans into lines of at most width points, at spaces and where a newline stands.
func (l *layout) wrap(spans []span, width float64) []line {
	w := wrapper{layout: l, width: width}
	for _, s := range spans {
		l.use(s.face)
		w.space = l.measure(" ")
		text := l.cover.printable(s.text)
		for i, part := range strings.Split(text, "\n") {
			if i > 0 {
				w.end()
			}
			w.words(part, s.face)
		}
	}
	if len(w.current) > 0 {
		w.end()
	}
	return w.lines
}

type wrapper struct {
	*layout
	width, x, space float64
	gap             bool // a space stands before the next word
	current         line
	lines           []line
}

func (w *wrapper) end() {
	w.lines = append(w.lines, w.current)
	w.current, w.x, w.gap = nil, 0, false
}

func (w *wrapper) words(text string, f face) {
	for i, word := range strings.Split(text, " ") {
		w.gap = w.gap || i > 0
		if word != "" {
			w.word(word, f)
		}
	}
}

func (w *wrapper) word(word string, f face) {
	gap := 0.0
	if w.gap && len(w.current) > 0 {
		gap = w.space
	}
	long := w.measure(word)
	if w.x+gap+long > w.width && len(w.current) > 0 {
		w.end()
		gap = 0
	}
	for long > w.width {
		head, used := w.fitting(word)
		w.put(head, 0, used, f)
		w.end()
		word = word[len(head):]
		long -= used // measuring the rest again and again would take quadratic time
	}
	w.put(word, gap, long, f)
	w.gap = false
}

// fitting is the longest start of a word that fits a line, at least one character, and how wide it is.
func (w *wrapper) fitting(word string) (string, float64) {
	used := 0.0
	for i, r := range word {
		next := used + w.measure(string(r))
		if next > w.width && i > 0 {
			return word[:i], used
		}
		used = next
	}
	return word, used
}

func (w *wrapper) put(word string, gap, long float64, f face) {
	if word == "" {
		return
	}
	if n := len(w.current); n > 0 && w.current[n-1].face == f {
		if gap > 0 {
			word = " " + word
		}
		w.current[n-1].text += word
	} else {
		w.current = append(w.current, piece{span{word, f}, w.x + gap})
	}
	w.x += gap + long
}

// paragraph writes spans from the left edge on.
func (l *layout) paragraph(ctx context.Context, spans []span) error {
	for _, line := range l.wrap(spans, l.width()) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		height := textSize * leading
		for _, p := range line {
			height = max(height, p.face.size*leading)
		}
		l.room(height)
		if l.marker != "" {
			l.draw(line1(l.marker, bodyFace), l.left()-18, height)
			l.marker = ""
		}
		l.draw(line, l.left(), height)
		l.y += height
	}
	return nil
}

func line1(text string, f face) line { return line{{span: span{text, f}}} }

// draw writes one line at the current height without moving on.
func (l *layout) draw(line line, x, height float64) {
	for _, p := range line {
		l.use(p.face)
		if p.face.link != "" {
			l.pdf.SetTextColor(0, 70, 170)
			l.pdf.LinkString(x+p.x, l.y, l.measure(p.text), height, p.face.link)
		}
		l.pdf.Text(x+p.x, l.y+height*0.75, p.text)
		l.pdf.SetTextColor(0, 0, 0)
	}
}

// verbatim writes text as it is, in a face of equal widths, and cuts long lines. A form feed starts a page.
func (l *layout) verbatim(ctx context.Context, text string, f face) error {
	l.use(f)
	columns := max(1, int(l.width()/l.measure("0")))
	height := f.size * leading
	for pages := range strings.SplitSeq(text, "\f") {
		for raw := range strings.SplitSeq(pages, "\n") {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			rest := []rune(l.cover.printable(expandTabs(strings.TrimSuffix(raw, "\r"))))
			for first := true; first || len(rest) > 0; first = false {
				n := min(columns, len(rest))
				l.room(height)
				if n > 0 {
					l.draw(line1(string(rest[:n]), f), l.left(), height)
				}
				l.y += height
				rest = rest[n:]
			}
		}
		l.y = pageHeight
	}
	return nil
}

func expandTabs(s string) string {
	if !strings.Contains(s, "\t") {
		return s
	}
	var b strings.Builder
	column := 0
	for _, r := range s {
		n := 1
		if r == '\t' {
			n = tabWidth - column%tabWidth
			b.WriteString(strings.Repeat(" ", n))
		} else {
			b.WriteRune(r)
		}
		column += n
	}
	return b.String()
}

// textToPDF renders a plain text in a font of equal widths.
func textToPDF(ctx context.Context, w io.Writer, text string) error {
	l, err := newLayout()
	if err != nil {
		return err
	}
	if err := l.verbatim(ctx, text, codeFace); err != nil {
		return err
	}
	return l.pdf.Output(w)
}
