package v2_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/engine"
)

func TestParseJob(t *testing.T) {
	spec := func(name, operation, params string, input ...string) engine.TaskSpec {
		return engine.TaskSpec{Name: name, Operation: operation, Input: input, Params: json.RawMessage(params)}
	}
	tests := []struct {
		name, body string
		want       engine.Submission
	}{
		{"the order of the document is kept",
			`{"tasks":{"z":{"operation":"o"},"upload-10":{"operation":"o"},"a":{"operation":"o"},"upload-2":{"operation":"o"}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{
				spec("z", "o", `{}`), spec("upload-10", "o", `{}`), spec("a", "o", `{}`), spec("upload-2", "o", `{}`)}}},
		{"the form of a list", `{"tasks":[{"name":"b","operation":"o"},{"operation":"p","name":"a","input":"b"}]}`,
			engine.Submission{Tasks: []engine.TaskSpec{spec("b", "o", `{}`), spec("a", "p", `{}`, "b")}}},
		{"parameters keep order and types", `{"tasks":{"a":{"z":1.50,"operation":"o","name":"x","b":{"c":[null,"<&>"]},"input":["i","j"]}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{spec("a", "o", `{"z":1.50,"b":{"c":[null,"<&>"]}}`, "i", "j")}}},
		{"nulls are absent", `{"tag":null,"webhook_url":null,"redirect":null,"tasks":{"a":{"operation":"o","input":null,"ignore_error":null,"p":null}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{spec("a", "o", `{}`)}}},
		{"tag and webhook", `{"tag":"` + strings.Repeat("ä", 255) + `","webhook_url":"https://h/p?q","tasks":{"a":{"operation":"o"}}}`,
			engine.Submission{Tag: strings.Repeat("ä", 255), WebhookURL: "https://h/p?q", Tasks: []engine.TaskSpec{spec("a", "o", `{}`)}}},
		{"empty tag", `{"tag":"","tasks":{"a":{"operation":"o"}}}`, engine.Submission{Tasks: []engine.TaskSpec{spec("a", "o", `{}`)}}},
		{"a task of PHP without fields", `{"tasks":{"a":[]}}`, engine.Submission{Tasks: []engine.TaskSpec{spec("a", "", `{}`)}}},
		{"an empty list of inputs stays one", `{"tasks":{"a":{"operation":"o","input":[]}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{{Name: "a", Operation: "o", Input: []string{}, Params: json.RawMessage(`{}`)}}}},
		{"lenient booleans", `{"tasks":{"a":{"operation":"o","ignore_error":"true"}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{{Name: "a", Operation: "o", IgnoreError: true, Params: json.RawMessage(`{}`)}}}},
		{"unknown members are ignored", `{"x":1,"tasks":{"a":{"operation":"o"}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{spec("a", "o", `{}`)}}},
		{"odd names are left to the engine", `{"tasks":{"a.b\u0000\"":{"operation":"o"}}}`,
			engine.Submission{Tasks: []engine.TaskSpec{spec("a.b\x00\"", "o", `{}`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := v2.ParseJob([]byte(tt.body))
			if err != nil {
				t.Fatalf("got error %v %v", err, problems(err))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func problems(err error) []string {
	var e *engine.Error
	var all []string
	if errors.As(err, &e) {
		for _, p := range e.Problems {
			all = append(all, p.Field+": "+p.Message)
		}
	}
	return all
}

func TestParseJobProblems(t *testing.T) {
	const required = "tasks: The tasks field is required."
	tests := []struct {
		name, body string
		want       []string
	}{
		{"empty body", ``, []string{required}},
		{"empty object", `{}`, []string{required}},
		{"PHP's empty body", `[]`, []string{required}},
		{"no tasks", `{"tasks":{}}`, []string{required}},
		{"PHP's empty tasks", `{"tasks":[]}`, []string{required}},
		{"null tasks", `{"tasks":null}`, []string{required}},
		{"tasks of another type", `{"tasks":7}`, []string{"tasks: must be an object, not a number"}},
		{"tag of another type", `{"tag":7,"tasks":{"a":{}}}`, []string{"tag: must be a string, not a number"}},
		{"long tag", `{"tag":"` + strings.Repeat("x", 256) + `","tasks":{"a":{}}}`, []string{"tag: has 256 characters; it may have 255"}},
		{"webhook", `{"webhook_url":"ftp://h","tasks":{"a":{}}}`,
			[]string{"webhook_url: must be an address that begins with http:// or https://"}},
		{"every mistake at once", `{"tag":[1],"tasks":{"a":7,"b":{"operation":1,"input":2,"ignore_error":"x"},"c":{"input":["a",null]}}}`,
			[]string{"tag: must be a string, not a list",
				"tasks.a: must be an object, not a number",
				"tasks.b.operation: must be a string, not a number",
				"tasks.b.input: must be a name or a list of names, not a number",
				"tasks.b.ignore_error: must be true or false",
				"tasks.c.input: must be a name or a list of names; its element 1 is null"}},
		{"twice", `{"tag":"a","tasks":{"a":{"operation":"o","operation":"p"},"a":{}},"tag":"b"}`,
			[]string{"tag: is given twice", "tasks.a: is given twice", "tasks.a.operation: is given twice"}},
		{"too many members", `{"tasks":{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}}`,
			[]string{"tasks: has more than 100000 members"}},
		{"too many members of all", `{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`,
			[]string{"body: has more than 100000 members", required}},
		{"too many tasks of a list", `{"tasks":[` + strings.Repeat(`1,`, 100_000) + `1]}`,
			[]string{"tasks: has more than 100000 elements"}},
		{"too many inputs", `{"tasks":{"a":{"input":[` + strings.Repeat(`"b",`, 100_000) + `"b"]}}}`,
			[]string{"tasks.a.input: has more than 100000 elements"}},
		{"a list", `{"tasks":[{"name":"a"},{"name":"a"},{"operation":"o"},{"name":3},7]}`,
			[]string{"tasks.a: is the name of two tasks; give each its own",
				"tasks.2.name: is required where tasks is a list",
				"tasks.3.name: must be a string, not a number",
				"tasks.4: must be an object, not a number"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := v2.ParseJob([]byte(tt.body))
			if got := problems(err); !reflect.DeepEqual(got, tt.want) || engine.CodeOf(err) != engine.Invalid {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if errors.Is(err, api.ErrMalformed) {
				t.Error("it is JSON")
			}
		})
	}
}

func TestParseJobSaysWhereItIsNotJSON(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"a comma too many", "{\n  \"tasks\": {},\n}", "The body is not valid JSON at line 3, column 1 (byte 18): " +
			"invalid character '}' looking for beginning of object key string."},
		{"cut", `{"tasks":`, "The body is not valid JSON at line 1, column 9 (byte 9): unexpected end of JSON input."},
		{"more after it", `{} x`, "The body is not valid JSON at line 1, column 4 (byte 4): invalid character 'x' after top-level value."},
		{"a string", `"x"`, "The body must be a JSON object; it is a string (line 1, byte 1)."},
		{"a list", `[1]`, "The body must be a JSON object; it is a list (line 1, byte 1)."},
		{"null", `null`, "The body must be a JSON object; it is null (line 1, byte 1)."},
		{"a form", `tasks=1`, "The body is not valid JSON at line 1, column 2 (byte 2): invalid character 'a' in literal true (expecting 'r')."},
		{"another encoding", "{\"tag\":\"\xe4\"}", "The body is not UTF-8 at byte 9; JSON must be."},
		{"too deep", strings.Repeat("[", 20_000), "The body is not valid JSON at line 1, column 10001 (byte 10001): invalid character '[' exceeded max depth."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := v2.ParseJob([]byte(tt.body))
			if got := engine.MessageOf(err); got != tt.want || !errors.Is(err, api.ErrMalformed) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestParseJobBoundsItsProblems(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `,"t%d":1`, i)
	}
	_, err := v2.ParseJob([]byte(`{"tasks":{` + b.String()[1:] + `}}`))
	if got := len(problems(err)); got != 1000 {
		t.Errorf("got %d problems, want 1000", got)
	}
}

func FuzzParseJob(f *testing.F) {
	files, err := filepath.Glob("testdata/jobs/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := v2.ParseJob(body)
		if err != nil {
			if engine.CodeOf(err) != engine.Invalid {
				t.Errorf("got the code %s", engine.CodeOf(err))
			}
			return
		}
		if len(s.Tasks) == 0 {
			t.Error("a job without tasks was taken")
		}
		for _, task := range s.Tasks {
			var params map[string]json.RawMessage
			if err := json.Unmarshal(task.Params, &params); err != nil {
				t.Errorf("task %q has the parameters %s", task.Name, task.Params)
			}
			for _, name := range []string{"name", "operation", "input", "ignore_error"} {
				if _, kept := params[name]; kept {
					t.Errorf("task %q keeps %s as a parameter", task.Name, name)
				}
			}
		}
	})
}
