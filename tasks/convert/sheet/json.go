package sheet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/charset"
)

var errNotTable = engine.Errorf(engine.Invalid, "The json file is no table: it must be an array of objects or an array of arrays.")

// readJSON reads the file twice when it holds objects: the columns are the keys of all of them.
func (t *tableInput) readJSON(ctx context.Context, emit func([]cell) error) error {
	columns := map[string]int{}
	var header []cell
	err := t.elements(ctx, func(raw json.RawMessage) error {
		if raw[0] != '{' {
			return nil
		}
		return members(raw, func(key string, _ json.RawMessage) error {
			if _, ok := columns[key]; !ok {
				if len(header) == t.job.Limits.Columns {
					return engine.Errorf(engine.TooLarge, "The table has more than %d columns.", t.job.Limits.Columns)
				}
				columns[key] = len(header)
				header = append(header, cell{text: key})
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(header) > 0 {
		if err := emit(header); err != nil {
			return err
		}
	}
	return t.elements(ctx, func(raw json.RawMessage) error {
		cells, err := jsonRow(raw, columns)
		if err != nil {
			return err
		}
		return emit(cells)
	})
}

// elements calls visit with each element of the array; a lone object counts as an array of one.
func (t *tableInput) elements(ctx context.Context, visit func(json.RawMessage) error) error {
	budget := newBudgetReader(ctx, io.NewSectionReader(t.file, 0, t.size), t.job.Limits.Text)
	d := json.NewDecoder(charset.Reader(budget, nil))
	first, err := d.Token()
	if err != nil {
		return jsonError(err)
	}
	if first == json.Delim('{') {
		return t.loneObject(ctx, visit)
	}
	if first != json.Delim('[') {
		return errNotTable
	}
	for d.More() {
		budget.reset()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return jsonError(err)
		}
		if err := visit(raw); err != nil {
			return jsonError(err)
		}
	}
	_, err = d.Token()
	return jsonError(err)
}

func (t *tableInput) loneObject(ctx context.Context, visit func(json.RawMessage) error) error {
	budget := newBudgetReader(ctx, io.NewSectionReader(t.file, 0, t.size), t.job.Limits.Text)
	var raw json.RawMessage
	if err := json.NewDecoder(charset.Reader(budget, nil)).Decode(&raw); err != nil {
		return jsonError(err)
	}
	return jsonError(visit(raw))
}

// jsonError makes the file's fault of what the parser says.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return engine.Errorf(engine.Invalid, "The json file cannot be read: %v.", err)
	}
	return err
}

// members visits an object's members in their order.
func members(object json.RawMessage, visit func(key string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := visit(key.(string), value); err != nil {
			return err
		}
	}
	return nil
}

func jsonRow(raw json.RawMessage, columns map[string]int) ([]cell, error) {
	switch {
	case raw[0] == '{':
		cells := make([]cell, len(columns))
		err := members(raw, func(key string, value json.RawMessage) (err error) {
			cells[columns[key]], err = jsonCell(value)
			return err
		})
		return cells, err
	case raw[0] == '[' && len(columns) == 0:
		var values []json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return nil, err
		}
		cells := make([]cell, len(values))
		for i, v := range values {
			var err error
			if cells[i], err = jsonCell(v); err != nil {
				return nil, err
			}
		}
		return cells, nil
	}
	return nil, errNotTable
}

// jsonCell keeps numbers as they are written; objects and arrays stay JSON, null is an empty cell.
func jsonCell(raw json.RawMessage) (cell, error) {
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return cell{text: text}, err
	case '{', '[':
		var compact bytes.Buffer
		err := json.Compact(&compact, raw)
		return cell{text: compact.String()}, err
	case 'n':
		return cell{}, nil
	case 't', 'f':
		return cell{text: string(raw)}, nil
	}
	return cell{text: string(raw), number: true}, nil
}

// jsonWriter writes an array of objects, one a line. The first row names the keys.
type jsonWriter struct {
	w    io.Writer
	keys []string // encoded, with their colon
	rows int
}

func (j *jsonWriter) row(cells []cell) error {
	if j.keys == nil {
		j.keys = uniqueKeys(cells)
		return nil
	}
	var b bytes.Buffer
	b.WriteString(map[bool]string{true: "[\n{", false: ",\n{"}[j.rows == 0])
	j.rows++
	for i := range max(len(cells), len(j.keys)) {
		if i > 0 {
			b.WriteByte(',')
		}
		if i == len(j.keys) {
			j.keys = append(j.keys, quote(fmt.Sprintf("column_%d", i+1))+":")
		}
		b.WriteString(j.keys[i])
		switch {
		case i >= len(cells):
			b.WriteString(`""`)
		case cells[i].number:
			b.WriteString(cells[i].text)
		default:
			b.WriteString(quote(cells[i].text))
		}
	}
	b.WriteByte('}')
	_, err := j.w.Write(b.Bytes())
	return err
}

func (j *jsonWriter) close() error {
	end := "\n]\n"
	if j.rows == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}

// uniqueKeys names each column: one without a name is column_N, a second one of the same name gets a number.
func uniqueKeys(cells []cell) []string {
	seen := map[string]int{}
	keys := make([]string, len(cells))
	for i, c := range cells {
		name := strings.TrimSpace(c.text)
		if name == "" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		key := name
		for seen[key] > 0 {
			seen[name]++
			key = fmt.Sprintf("%s_%d", name, seen[name])
		}
		seen[key]++
		keys[i] = quote(key) + ":"
	}
	return keys
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}
