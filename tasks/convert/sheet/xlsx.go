package sheet

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/inflate"
)

// What a workbook may hold at most: Excel's own limits, and what is read into memory beside the sheets.
const (
	xlsxRows     = 1_048_576
	xlsxColumns  = 16_384
	xlsxCell     = 32_767
	xlsxUnpacked = 4 << 30
	xlsxInMemory = 16 << 20 // sheets above it are unpacked to the scratch folder
)

func (t *tableInput) readXLSX(emit func([]cell) error) error {
	if err := t.checkWorkbook(); err != nil {
		return err
	}
	book, err := excelize.OpenReader(t.file, excelize.Options{
		UnzipSizeLimit: min(t.job.Limits.Unpacked, xlsxUnpacked), UnzipXMLSizeLimit: xlsxInMemory, TmpDir: t.job.Dir,
	})
	if err != nil {
		return engine.Errorf(engine.Invalid, "The xlsx file cannot be read: it is damaged or protected by a password.")
	}
	defer book.Close()
	sheets := book.GetSheetList()
	if len(sheets) == 0 {
		return engine.Errorf(engine.Invalid, "The xlsx file has no sheet.")
	}
	rows, err := book.Rows(sheets[0])
	if err != nil {
		return engine.Errorf(engine.Invalid, "The first sheet of the xlsx file cannot be read.")
	}
	defer rows.Close()
	for rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			return engine.Errorf(engine.Invalid, "The first sheet of the xlsx file cannot be read.")
		}
		cells := make([]cell, len(columns))
		for i, text := range columns {
			cells[i] = cell{text: text, number: isNumber(text)}
		}
		if err := emit(cells); err != nil {
			return err
		}
	}
	if rows.Error() != nil {
		return engine.Errorf(engine.Invalid, "The first sheet of the xlsx file is damaged.")
	}
	return nil
}

// checkWorkbook bounds what opening the workbook will take, from the directory of the ZIP it is.
func (t *tableInput) checkWorkbook() error {
	limits := t.job.Limits
	z, err := inflate.ZIP(t.file, t.size, limits.Entries)
	if err != nil {
		return err
	}
	if err := inflate.CheckOverlap(z.File); err != nil {
		return err
	}
	var total, xml, other uint64
	for _, f := range z.File {
		total += f.UncompressedSize64
		switch {
		case strings.HasPrefix(f.Name, "xl/worksheets/sheet") || strings.EqualFold(f.Name, "xl/sharedStrings.xml"):
		case strings.HasSuffix(strings.ToLower(f.Name), ".xml"):
			xml += f.UncompressedSize64
		default:
			other += f.UncompressedSize64
		}
	}
	most := uint64(max(limits.RatioMin, limits.Ratio*t.size))
	if total > min(most, xlsxUnpacked) || xml > uint64(limits.Text) || other > 8*uint64(limits.Text) {
		return engine.Errorf(engine.TooLarge, "The xlsx file unpacks to more than this server allows.")
	}
	return nil
}

// writeXLSX makes a workbook of one sheet. Rows go through a scratch file, not through memory.
func writeXLSX(job convert.Job, fill func(rowWriter) error) error {
	book := excelize.NewFile(excelize.Options{TmpDir: job.Dir})
	defer book.Close()
	stream, err := book.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	out := &xlsxWriter{stream: stream}
	if err := errors.Join(fill(out), out.close()); err != nil {
		return err
	}
	f, err := os.Create(job.Out())
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	return errors.Join(book.Write(f), f.Close())
}

type xlsxWriter struct {
	stream *excelize.StreamWriter
	rows   int
}

func (x *xlsxWriter) row(cells []cell) error {
	x.rows++
	if x.rows > xlsxRows || len(cells) > xlsxColumns {
		return engine.Errorf(engine.TooLarge, "An xlsx sheet holds at most %d rows and %d columns.", xlsxRows, xlsxColumns)
	}
	values := make([]any, len(cells))
	for i, c := range cells {
		if len(c.text) > xlsxCell {
			return engine.Errorf(engine.TooLarge, "An xlsx cell holds at most %d characters.", xlsxCell)
		}
		values[i] = xlsxValue(c)
	}
	return x.stream.SetRow("A"+strconv.Itoa(x.rows), values)
}

// xlsxValue is text unless the cell is a number: a text is never a formula.
func xlsxValue(c cell) any {
	if c.text == "" {
		return nil
	}
	if c.number && isNumber(c.text) {
		if f, err := strconv.ParseFloat(c.text, 64); err == nil {
			return f
		}
	}
	return c.text
}

func (x *xlsxWriter) close() error { return x.stream.Flush() }
