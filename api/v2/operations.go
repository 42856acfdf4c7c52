package v2

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

var operationQuery = []api.Query{
	{Name: "filter[operation]", Doc: "Such as convert."},
	{Name: "filter[input_format]", Doc: "Such as docx."},
	{Name: "filter[output_format]", Doc: "Such as pdf."},
	{Name: "filter[engine]", Doc: "Such as libreoffice."},
	{Name: "filter[engine_version]", Doc: "The version, exactly."},
	{Name: "include", Doc: "Any of options, engine_versions, with a comma between them."},
	{Name: "alternatives", Doc: "true: with every engine of a pair of formats, not only the preferred one."},
}

// Operation is one line of the catalog on the wire.
type Operation struct {
	Operation      string          `json:"operation"`
	InputFormat    *string         `json:"input_format"`
	OutputFormat   *string         `json:"output_format"`
	Engine         *string         `json:"engine"`
	Credits        int             `json:"credits"`
	Options        []Option        `json:"options,omitzero"`
	EngineVersions []EngineVersion `json:"engine_versions,omitzero"`
	Deprecated     bool            `json:"deprecated"`
	Experimental   bool            `json:"experimental"`
	Meta           *string         `json:"meta"` // always null
}

// Option is a parameter of an operation.
type Option struct {
	Name           string   `json:"name"`
	Type           string   `json:"type"` // string, integer, float, boolean, enum, Input, array or object
	Default        any      `json:"default"`
	PossibleValues []string `json:"possible_values"`
	Description    string   `json:"description"`
}

// EngineVersion is a version of the program that does the work.
type EngineVersion struct {
	Version      string `json:"version"`
	Default      bool   `json:"default"`
	Latest       bool   `json:"latest"`
	Deprecated   bool   `json:"deprecated"`
	Experimental bool   `json:"experimental"`
}

// rows is the envelope of the catalog, which has no pages.
type rows = data[[]Operation]

// row is a line of the catalog before it is asked for.
type row struct {
	operation engine.Operation
	engine.Row
}

// catalog lists what all operations can do, here or on other workers.
func (h *handlers) catalog() []row {
	var all []row
	for _, op := range h.engine.Catalog.All() {
		for _, line := range h.engine.Rows(op) {
			all = append(all, row{op, line})
		}
	}
	return all
}

func (h *handlers) operations(c *api.Call) error {
	q := ask(c)
	return h.answerRows(c, q, q.filter("operation"))
}

func (h *handlers) formats(c *api.Call) error { return h.answerRows(c, ask(c), "convert") }

func (h *handlers) answerRows(c *api.Call, q question, operation string) error {
	shown := []Operation{}
	for _, r := range h.catalog() {
		if r.matches(q, operation) {
			shown = append(shown, r.show(q))
		}
	}
	return c.Reply(http.StatusOK, rows{shown})
}

func (r row) matches(q question, operation string) bool {
	named := operation == "" || operation == r.operation.Name || slices.Contains(r.operation.Aliases, operation)
	is := func(filter, value string) bool { return q.filter(filter) == "" || q.filter(filter) == value }
	return named && is("input_format", r.InputFormat) && is("output_format", r.OutputFormat) &&
		is("engine", r.Engine) && is("engine_version", r.EngineVersion) && (!r.Alternative || q.is("alternatives"))
}

func (r row) show(q question) Operation {
	out := Operation{Operation: r.operation.Name, InputFormat: orNull(r.InputFormat), OutputFormat: orNull(r.OutputFormat),
		Engine: orNull(r.Engine)}
	if processes(r.operation.Name) {
		out.Credits = 1
	}
	if q.includes("options") {
		out.Options = r.options()
	}
	if q.includes("engine_versions") {
		out.EngineVersions = []EngineVersion{}
		if r.EngineVersion != "" {
			out.EngineVersions = append(out.EngineVersions, EngineVersion{Version: r.EngineVersion, Default: true, Latest: true})
		}
	}
	return out
}

func (r row) options() []Option {
	fields := r.Options
	if fields == nil {
		fields = r.operation.Params.Fields()
	}
	options := make([]Option, len(fields))
	for i, f := range fields {
		options[i] = Option{Name: f.Name, Type: f.Type, Default: f.Default,
			PossibleValues: append([]string{}, f.Enum...), Description: f.Doc}
		if f.Role == param.RoleTask {
			options[i].Type = "Input"
		}
		if list, is := f.Default.([]string); is {
			options[i].Default = strings.Join(list, ",") // some clients read a string
		}
	}
	return options
}

var inputSchema = map[string]any{
	"description": "The name of a task of the same job, the id of another task, or a list of these.",
	"anyOf": []any{map[string]any{"type": "string"},
		map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": 1}},
}

// jobSchema describes the body of POST /v2/jobs. What else a task may hold is described at POST /v2/{operation}.
func jobSchema(catalog *engine.Catalog) map[string]any {
	var names []string
	for _, op := range catalog.All() {
		names = append(append(names, op.Name), op.Aliases...)
	}
	task := map[string]any{"type": "object", "required": []string{"operation"}, "additionalProperties": true,
		"description": "A task with the parameters of its operation, as described at POST /v2/{operation}.",
		"properties": map[string]any{
			"operation": map[string]any{"enum": names},
			"input":     inputSchema,
			"ignore_error": map[string]any{"type": "boolean",
				"description": "Whether the job may finish although this task fails."},
		}}
	return map[string]any{"type": "object", "required": []string{"tasks"}, "properties": map[string]any{
		"tasks": map[string]any{"type": "object", "minProperties": 1, "additionalProperties": task,
			"description": "The tasks by their names: letters, digits, - and _. Their order is kept."},
		"tag":         map[string]any{"type": []string{"string", "null"}, "maxLength": maxTag},
		"webhook_url": map[string]any{"type": []string{"string", "null"}, "format": "uri"},
		"redirect": map[string]any{"type": "boolean",
			"description": "On the sync host: answer with the address of the first exported file."},
	}}
}
