package v2_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestOperations(t *testing.T) {
	c := open(t, nil)
	c.Token = "" // it is public
	tests := []struct {
		query string
		want  []string
	}{
		{"operations?filter[operation]=convert", []string{"convert txt pdf copier", "convert pdf txt copier"}},
		{"operations?filter[operation]=convert&alternatives=true",
			[]string{"convert txt pdf copier", "convert txt pdf other", "convert pdf txt copier"}},
		{"operations?filter[input_format]=txt&filter[output_format]=pdf", []string{"convert txt pdf copier"}},
		{"operations?filter[engine]=other&alternatives=true", []string{"convert txt pdf other"}},
		{"operations?filter[engine_version]=2.0&alternatives=true", []string{"convert txt pdf other"}},
		{"operations?filter[operation]=export/azure-blob", []string{"export/azure/blob <nil> <nil> <nil>"}},
		{"operations?filter[operation]=nonsense", nil},
		{"convert/formats", []string{"convert txt pdf copier", "convert pdf txt copier"}},
		{"convert/formats?filter[output_format]=txt", []string{"convert pdf txt copier"}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			var got []string
			for _, row := range c.get(t, "GET", "/v2/"+tt.query, "").List {
				got = append(got, fmt.Sprint(row["operation"], " ", row["input_format"], " ", row["output_format"], " ", row["engine"]))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if n := len(c.get(t, "GET", "/v2/operations", "").List); n != 9 {
		t.Errorf("got %d rows in all", n)
	}
}

func TestOperationOptions(t *testing.T) {
	c := open(t, nil)
	a := c.Call(t, "GET", "/v2/operations?filter[operation]=convert&filter[output_format]=pdf&include=options,engine_versions", "")
	want := `{"data":[{"operation":"convert","input_format":"txt","output_format":"pdf","engine":"copier","credits":1,"options":[` +
		`{"name":"output_format","type":"enum","default":null,"possible_values":["pdf","txt"],"description":"What to make."},` +
		`{"name":"image","type":"Input","default":null,"possible_values":[],"description":"Another task."},` +
		`{"name":"width","type":"integer","default":null,"possible_values":[],"description":"Pixels."},` +
		`{"name":"pages","type":"array","default":"1,2","possible_values":[],"description":"Pages."}],` +
		`"engine_versions":[{"version":"1.0","default":true,"latest":true,"deprecated":false,"experimental":false}],` +
		`"deprecated":false,"experimental":false,"meta":null}]}`
	if a.Body != want {
		t.Errorf("got  %s\nwant %s", a.Body, want)
	}
}

func TestDocument(t *testing.T) {
	c := open(t, nil)
	a := c.Call(t, "GET", "/openapi.json", "")
	var doc struct {
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(a.Body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"post /v2/jobs", "get /v2/jobs/{id}/wait", "delete /v2/tasks/{id}", "post /v2/export/azure/blob",
		"post /v2/export/azure-blob", "get /v2/operations", "get /v2/users/me", "get /healthz"} {
		method, path, _ := strings.Cut(want, " ")
		if _, there := doc.Paths[path][method]; !there {
			t.Errorf("%s is not in the document", want)
		}
	}
	seen := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if seen[op.OperationID] || op.OperationID == "" {
				t.Errorf("%s %s has the id %q, as another has", method, path, op.OperationID)
			}
			seen[op.OperationID] = true
		}
	}
	for _, part := range strings.Split(a.Body, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("the schema %s is missing", name)
		}
	}
}
