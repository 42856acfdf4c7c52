package exports

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

const (
	convert = "convert" // the operation

	asItIs = "SupportingDocument" // the kind of which the bytes are those that were stored
)

// kind is what a file can be exported as.
type kind struct {
	options string   // the member of the body that holds them
	formats []string // the first is the default
}

var kinds = map[string]kind{
	"Document":          {"documentOptions", []string{"pdf", "docx", "odt", "html", "txt"}},
	"Spreadsheet":       {"spreadsheetOptions", []string{"xlsx", "pdf", "csv", "ods"}},
	"LegacySpreadsheet": {"spreadsheetOptions", []string{"xlsx", "pdf", "csv", "ods"}},
	"Presentation":      {"presentationOptions", []string{"pptx", "pdf", "odp"}},
}

var kindNames = []string{asItIs, "Document", "Spreadsheet", "LegacySpreadsheet", "Presentation"}

var bodySchema = map[string]any{"type": "object", "required": []string{"kind"}, "properties": map[string]any{
	"kind":                map[string]any{"type": "string", "enum": kindNames},
	"documentOptions":     options(kinds["Document"]),
	"spreadsheetOptions":  options(kinds["Spreadsheet"]),
	"presentationOptions": options(kinds["Presentation"]),
}}

func options(k kind) map[string]any {
	return map[string]any{"type": "object", "properties": map[string]any{
		"format": map[string]any{"type": "string", "enum": k.formats, "default": k.formats[0]}}}
}

// wish is what a request asks for.
type wish struct {
	kind   string
	format string // empty: as it is
}

func (w wish) formats() []string { return kinds[w.kind].formats }

// parse reads the body of a request. None at all asks for the file as it is.
func parse(body []byte) (wish, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return wish{kind: asItIs}, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return wish{}, invalid("The request body must be a JSON object with a kind, or empty.")
	}
	var w wish
	if json.Unmarshal(members["kind"], &w.kind) != nil || !slices.Contains(kindNames, w.kind) {
		return wish{}, invalid("kind must be one of %s.", strings.Join(kindNames, ", "))
	}
	if w.kind == asItIs {
		return w, nil
	}
	k := kinds[w.kind]
	var given struct {
		Format *string `json:"format"`
	}
	if raw := members[k.options]; raw != nil && json.Unmarshal(raw, &given) != nil {
		return wish{}, invalid("%s must be an object with a format.", k.options)
	}
	w.format = k.formats[0]
	if given.Format != nil {
		w.format = strings.ToLower(*given.Format)
	}
	if !slices.Contains(k.formats, w.format) {
		return wish{}, invalid("%s.format must be one of %s.", k.options, strings.Join(k.formats, ", "))
	}
	return w, nil
}

// formatsOf are the formats of the media types that this API knows; of others the name tells.
var formatsOf = map[string]string{
	"application/pdf": "pdf", "text/html": "html", "text/csv": "csv", "text/plain": "txt",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
	"application/vnd.oasis.opendocument.text":                                   "odt",
	"application/vnd.oasis.opendocument.spreadsheet":                            "ods",
	"application/vnd.oasis.opendocument.presentation":                           "odp",
}

// formatOf is what the file is.
func formatOf(f engine.StoredFile) string {
	base, _, _ := strings.Cut(f.MIME, ";")
	if known, ok := formatsOf[base]; ok {
		return known
	}
	return strings.ToLower(strings.TrimPrefix(path.Ext(f.Name), "."))
}

// possible tells which of the formats can be made of the file, here or on another worker.
func (h *handlers) possible(ctx context.Context, f engine.StoredFile, formats []string) (map[string]bool, error) {
	possible, from := map[string]bool{}, formatOf(f)
	op, ok := h.engine.Catalog.Find(convert)
	rows, err := h.engine.RowsNow(ctx, op)
	for _, to := range formats {
		possible[to] = to == from || ok && makes(rows, from, to) && accepts(op, f.File, to)
	}
	return possible, err
}

func makes(rows []engine.Row, from, to string) bool {
	return slices.ContainsFunc(rows, func(r engine.Row) bool {
		return r.InputFormat == from && r.OutputFormat == to
	})
}

// accepts asks the operation what it thinks of the file's content, which may not be what its name says.
func accepts(op engine.Operation, f engine.File, to string) bool {
	raw, err := json.Marshal(map[string]string{"output_format": to})
	if err != nil {
		return false
	}
	params, problems := op.Params.Decode(raw)
	return len(problems) == 0 && (op.Check == nil || len(op.Check(params, []engine.File{f})) == 0)
}

// impossible says what can be made of the file instead.
func impossible(f engine.StoredFile, want wish, possible map[string]bool) error {
	var names []string
	for _, format := range want.formats() {
		if possible[format] {
			names = append(names, format)
		}
	}
	if len(names) == 0 {
		return invalid("This server cannot make a %s of %q, in any format. %s gives it as it is.", want.kind, f.Name, asItIs)
	}
	return invalid("This server cannot make %s of %q as a %s. It can make %s.", want.format, f.Name, want.kind, strings.Join(names, ", "))
}
