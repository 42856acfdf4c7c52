package plain

import (
	"context"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxColumns is how many columns of a table a page can show; what is beyond is left to a spreadsheet.
const (
	maxColumns = 24
	cellGap    = 8.0
	cellSize   = 9.5
)

// table renders rows of plain text. Tables inside cells are read as text.
func (r *renderer) table(ctx context.Context, n *html.Node) error {
	rows := tableRows(n)
	widths := r.columnWidths(rows)
	for _, row := range rows {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		r.row(row, widths)
	}
	return nil
}

func tableRows(n *html.Node) [][]span {
	var rows [][]span
	for d := range n.Descendants() {
		if d.DataAtom != atom.Tr || tableOf(d) != n {
			continue
		}
		var row []span
		for c := range d.ChildNodes() {
			if (c.DataAtom == atom.Td || c.DataAtom == atom.Th) && len(row) < maxColumns {
				f := face{family: "go", size: cellSize}
				if c.DataAtom == atom.Th {
					f = f.bold()
				}
				row = append(row, span{strings.Join(strings.Fields(textOf(c)), " "), f})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func tableOf(n *html.Node) *html.Node {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == atom.Table {
			return p
		}
	}
	return nil
}

// columnWidths gives each column what its widest cell needs, and less, by the same measure, when that is too much.
func (r *renderer) columnWidths(rows [][]span) []float64 {
	var widths []float64
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 20)
			}
			r.use(cell.face)
			widths[i] = max(widths[i], min(r.measure(r.cover.printable(cell.text))+1, r.width()))
		}
	}
	total := 0.0
	for _, w := range widths {
		total += w
	}
	if space := r.width() - cellGap*float64(len(widths)); total > space {
		for i := range widths {
			widths[i] *= space / total
		}
	}
	return widths
}

// row writes one line of every cell after the other, so that a row longer than a page goes on on the next.
func (r *renderer) row(row []span, widths []float64) {
	cells, deepest := make([][]line, len(row)), 0
	for i, cell := range row {
		cells[i] = r.wrap([]span{cell}, widths[i])
		deepest = max(deepest, len(cells[i]))
	}
	const height = cellSize * leading
	r.room(height * float64(min(deepest, 10)))
	for k := range deepest {
		r.room(height)
		x := r.left()
		for i, lines := range cells {
			if k < len(lines) {
				r.draw(lines[k], x, height)
			}
			x += widths[i] + cellGap
		}
		r.y += height
	}
	r.pdf.SetDrawColor(200, 200, 200)
	r.pdf.Line(r.left(), r.y+1, pageWidth-margin, r.y+1)
	r.y += 4
}
