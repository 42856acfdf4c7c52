package sheet

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/charset"
)

// readCSV reads RFC 4180 and what is near it: other separators, stray quotes, rows of different lengths.
func (t *tableInput) readCSV(ctx context.Context, emit func([]cell) error) error {
	head := make([]byte, min(t.size, charset.HeadLen))
	if _, err := t.file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the input: %w", err)
	}
	raw := newBudgetReader(ctx, io.NewSectionReader(t.file, 0, t.size), t.job.Limits.Text)
	r := csv.NewReader(charset.Reader(raw, head))
	r.Comma = separator(head)
	if t.job.From == "tsv" {
		r.Comma = '\t'
	}
	r.LazyQuotes, r.FieldsPerRecord, r.ReuseRecord = true, -1, true
	for {
		raw.reset()
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(err)
		}
		if len(record) > t.job.Limits.Columns {
			return engine.Errorf(engine.TooLarge, "The table has more than %d columns.", t.job.Limits.Columns)
		}
		cells := make([]cell, len(record))
		for i, text := range record {
			cells[i] = cell{text: text, number: isNumber(text)}
		}
		if err := emit(cells); err != nil {
			return err
		}
	}
}

func csvError(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return engine.Errorf(engine.Invalid, "The csv file cannot be read: %v.", err)
	}
	return err
}

// separator is the one of comma, semicolon, tab and bar that the first line has most of, outside of quotes.
func separator(head []byte) rune {
	count := map[byte]int{}
	quoted := false
	for _, c := range head {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			break
		}
		if !quoted && bytes.IndexByte([]byte(",;\t|"), c) >= 0 {
			count[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte(";\t|") {
		if count[c] > count[best] {
			best = c
		}
	}
	return rune(best)
}

type csvWriter struct{ w *csv.Writer }

func newCSVWriter(w io.Writer) *csvWriter { return &csvWriter{csv.NewWriter(w)} }

func (c *csvWriter) row(cells []cell) error {
	record := make([]string, len(cells))
	for i, cell := range cells {
		record[i] = cell.text
	}
	return c.w.Write(record)
}

func (c *csvWriter) close() error {
	c.w.Flush()
	return c.w.Error()
}
