// Package sheet turns tables into each other: csv, xlsx and json.
package sheet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// Engine converts tables: csv, xlsx and json into each other. Of a workbook the first sheet is taken, with the values
// its formulas had when it was saved; nothing is calculated. JSON is an array of objects, whose keys are the first row in
// the order they first appear, or an array of arrays. Nothing but a number becomes a number: in a workbook every other
// value is text, so that "=1+1" stays what it says.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "sheetlib".
func (*Engine) Name() string { return "sheetlib" }

// Version is that of excelize.
func (*Engine) Version() string { return convert.ModuleVersion("github.com/xuri/excelize/v2") }

// Pairs lists csv, xlsx and json, and tsv as an input.
func (*Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range []convert.Format{"csv", "tsv", "xlsx", "json"} {
		for _, to := range []convert.Format{"csv", "xlsx", "json"} {
			if from != to {
				pairs = append(pairs, convert.Pair{From: from, To: to})
			}
		}
	}
	return pairs
}

// cell is one value of a table. A number is written as it was, in JSON's notation.
type cell struct {
	text   string
	number bool
}

// rowWriter takes a table row by row, the names of the columns first.
type rowWriter interface {
	row(cells []cell) error
	close() error
}

// Convert makes one file.
func (*Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	in, err := os.Open(job.In)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	t := &tableInput{file: in, size: info.Size(), job: job}
	if job.To == "xlsx" {
		return []string{job.Out()}, writeXLSX(job, func(out rowWriter) error { return t.copy(ctx, out) })
	}
	return []string{job.Out()}, convert.Save(ctx, job.Out(), func(w io.Writer) error {
		var out rowWriter = newCSVWriter(w)
		if job.To == "json" {
			out = &jsonWriter{w: w}
		}
		return errors.Join(t.copy(ctx, out), out.close())
	})
}

// tableInput is an open table of any of the formats.
type tableInput struct {
	file *os.File
	size int64
	job  convert.Job
	cost int64 // of the rows so far, in bytes of output
}

func (t *tableInput) copy(ctx context.Context, out rowWriter) error {
	emit := func(cells []cell) error {
		if err := errors.Join(context.Cause(ctx), t.bound(cells)); err != nil {
			return err
		}
		return out.row(cells)
	}
	switch t.job.From {
	case "json":
		return t.readJSON(ctx, emit)
	case "xlsx":
		return t.readXLSX(emit)
	}
	return t.readCSV(ctx, emit)
}

// bound refuses rows that are too wide, and a small file that becomes a huge table because each short row is filled up.
func (t *tableInput) bound(cells []cell) error {
	limits := t.job.Limits
	if len(cells) > limits.Columns {
		return engine.Errorf(engine.TooLarge, "The table has more than %d columns.", limits.Columns)
	}
	for _, c := range cells {
		t.cost += int64(len(c.text)) + 1
	}
	if t.cost > limits.RatioMin && t.cost > limits.Ratio*t.size {
		return engine.Errorf(engine.TooLarge, "The table is more than %d times as large as the file it comes in.", limits.Ratio)
	}
	return nil
}

// isNumber reports whether s is a number that survives being one: no leading zeros or plus sign, at most 15 digits, no
// exponent. Part numbers and telephone numbers stay text.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if len(whole)+len(fraction) > 15 || whole == "" || point && fraction == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == "" && s != "-0"
}

// budgetReader ends with an error when a single record or element takes more than it is given.
type budgetReader struct {
	r    io.Reader
	max  int64
	left int64
}

func newBudgetReader(ctx context.Context, r io.Reader, limit int64) *budgetReader {
	return &budgetReader{r: convert.Reader(ctx, r), max: limit, left: limit}
}

func (b *budgetReader) reset() { b.left = b.max }

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, engine.Errorf(engine.TooLarge, "One row of the table is larger than %d MiB.", b.max>>20)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}
