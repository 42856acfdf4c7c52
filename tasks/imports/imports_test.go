package imports_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// start returns an engine with the imports, which may call everything.
func start(t *testing.T, change ...func(*engine.Limits)) *enginetest.Server {
	t.Helper()
	return startWith(t, egress.Unrestricted().Client(egress.ClientOptions{}), change...)
}

func startWith(t *testing.T, client *http.Client, change ...func(*engine.Limits)) *enginetest.Server {
	t.Helper()
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	for _, c := range change {
		c(&limits)
	}
	s := stopped(t, client, limits)
	s.Start(t)
	return s
}

// stopped returns an engine that takes jobs and does not run them.
func stopped(t *testing.T, client *http.Client, limits engine.Limits) *enginetest.Server {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	return enginetest.New(t, enginetest.Config{Operations: imports.All(client), Limits: limits})
}

// run runs one import to its end and returns its task.
func run(t *testing.T, s *enginetest.Server, operation string, params any) engine.Task {
	t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	job := s.MustSubmit(t, enginetest.Task("i", operation, string(raw)))
	return s.MustEnd(t, job.ID).Tasks[0]
}

// read returns the name and the content of a task's only file.
func read(t *testing.T, s *enginetest.Server, task engine.Task) (name, content string) {
	t.Helper()
	if task.Status != engine.StatusFinished || len(task.Result.Files) != 1 {
		t.Fatalf("the task ended %s, %s: %s", task.Status, task.Code, task.Message)
	}
	f := task.Result.Files[0]
	return f.Name, s.Content(t, f)
}

type object map[string]any

func TestContent(t *testing.T) {
	s := start(t)
	tests := map[string]struct {
		operation     string
		params        object
		name, content string
	}{
		"raw":                {"import/raw", object{"file": "größe", "filename": "a.txt"}, "a.txt", "größe"},
		"raw, empty":         {"import/raw", object{"file": "", "filename": "a.txt"}, "a.txt", ""},
		"raw, a number":      {"import/raw", object{"file": 12, "filename": "../a.txt"}, "a.txt", "12"},
		"raw, like base64":   {"import/raw", object{"file": "aGVsbG8=", "filename": "a.txt"}, "a.txt", "aGVsbG8="},
		"base64":             {"import/base64", object{"file": "aGVsbG8=", "filename": "a.txt"}, "a.txt", "hello"},
		"base64, empty":      {"import/base64", object{"file": "", "filename": "a.txt"}, "a.txt", ""},
		"base64, no padding": {"import/base64", object{"file": "aGVsbG8", "filename": "a.txt"}, "a.txt", "hello"},
		"base64, lines":      {"import/base64", object{"file": "aGVs\r\nbG8=\n", "filename": "a.txt"}, "a.txt", "hello"},
		"base64, for URLs":   {"import/base64", object{"file": "-_-_", "filename": "a"}, "a", "\xfb\xff\xbf"},
		"base64, data URL": {"import/base64", object{"file": "data:text/plain;charset=utf-8;base64,aGVsbG8=",
			"filename": "a.txt"}, "a.txt", "hello"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			name, content := read(t, s, run(t, s, test.operation, test.params))
			if name != test.name || content != test.content {
				t.Errorf("got %q, %q; want %q, %q", name, content, test.name, test.content)
			}
		})
	}
}

func TestLargeBase64(t *testing.T) {
	s := start(t)
	name, content := read(t, s, run(t, s, "import/base64", object{"file": strings.Repeat("QUFB\n", 1<<20),
		"filename": "a"}))
	if name != "a" || content != strings.Repeat("AAA", 1<<20) {
		t.Errorf("got %q with %d bytes", name, len(content))
	}
}

func TestUpload(t *testing.T) {
	s := start(t)
	job := s.MustSubmit(t, enginetest.Task("u", "import/upload", ""))
	if err := s.Arrive(t.Context(), job.Tasks[0].ID, "a.txt", strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	name, content := read(t, s, s.MustEnd(t, job.ID).Tasks[0])
	if name != "a.txt" || content != "hello" {
		t.Errorf("got %q, %q", name, content)
	}
}

func TestRefusedParameters(t *testing.T) {
	s := stopped(t, http.DefaultClient, engine.DefaultLimits())
	tests := map[string]struct {
		operation string
		params    string
		want      string
	}{
		"raw without anything":  {"import/raw", `{}`, "tasks.i.filename is required"},
		"raw without a file":    {"import/raw", `{"filename":"a"}`, "tasks.i.file is required"},
		"base64 without a file": {"import/base64", `{"filename":"a","file":null}`, "tasks.i.file is required"},
		"base64 with another sign": {"import/base64", `{"filename":"a","file":"aGVs$G8="}`,
			`tasks.i.file is not base64: character 5 is "$"`},
		"base64 with a letter": {"import/base64", `{"filename":"a","file":"aGé"}`,
			`tasks.i.file is not base64: character 3 is "é"`},
		"base64 cut off": {"import/base64", `{"filename":"a","file":"aGVsb"}`,
			"tasks.i.file is not base64: it ends in the middle"},
		"base64 that goes on": {"import/base64", `{"filename":"a","file":"aGVsbG8=aGVs"}`,
			"tasks.i.file is not base64: it goes on after its padding, at character 9"},
		"base64, too much padding": {"import/base64", `{"filename":"a","file":"aGVsbG8=="}`,
			"tasks.i.file is not base64: it ends in the middle"},
		"data URL in plain": {"import/base64", `{"filename":"a","file":"data:,hello"}`,
			"tasks.i.file is a data: URL without"},
		"wrong place in data URL": {"import/base64", `{"filename":"a","file":"data:;base64,aG$s"}`,
			`tasks.i.file is not base64: character 16 is "$"`},
		"no URL":           {"import/url", `{}`, "tasks.i.url is required"},
		"relative URL":     {"import/url", `{"url":"/a"}`, "tasks.i.url must be"},
		"file URL":         {"import/url", `{"url":"file:///etc/passwd"}`, "tasks.i.url must be"},
		"URL without host": {"import/url", `{"url":"http:///a"}`, "tasks.i.url must be"},
		"broken URL":       {"import/url", `{"url":"http://a b"}`, "tasks.i.url must be"},
		"header name":      {"import/url", `{"url":"http://h/","headers":{"a b":"x"}}`, `tasks.i.headers has "a b"`},
		"header value": {"import/url", `{"url":"http://h/","headers":{"a":"x\r\ny: z"}}`,
			`tasks.i.headers has "a"`},
		"redirect to a script": {"import/upload", `{"redirect":"javascript:alert(1)"}`, "tasks.i.redirect must be"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("i",
				test.operation, test.params)}})
			got := problems(err)
			if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, test.want) }) {
				t.Errorf("got %q, want %s", got, test.want)
			}
		})
	}
}

func problems(err error) (lines []string) {
	refused, ok := err.(*engine.Error)
	if !ok {
		return nil
	}
	for _, p := range refused.Problems {
		lines = append(lines, p.Field+" "+p.Message)
	}
	return lines
}

func FuzzBase64(f *testing.F) {
	for _, seed := range []string{"aGVsbG8=", "data:;base64,aGVsbG8", "a G\nVs", "-_", "====", "data:,", "aGVsbG8=="} {
		f.Add(seed)
	}
	operations := imports.All(nil)
	i := slices.IndexFunc(operations, func(op engine.Operation) bool { return op.Name == "import/base64" })
	f.Fuzz(func(t *testing.T, text string) {
		raw, _ := json.Marshal(object{"file": text, "filename": "a"})
		params, wrong := operations[i].Params.Decode(raw)
		if len(wrong) > 0 || len(operations[i].Check(params, nil)) > 0 {
			return
		}
		_, content, err := operations[i].Content(params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(content); err != nil {
			t.Errorf("%q is found to be right and cannot be decoded: %v", text, err)
		}
	})
}

func TestNoOperationShowsItsSecrets(t *testing.T) {
	s := stopped(t, http.DefaultClient, engine.DefaultLimits())
	job := s.MustSubmit(t,
		enginetest.Task("a", "import/raw", `{"file":"the content","filename":"a"}`),
		enginetest.Task("b", "import/url", `{"url":"http://user:pass@127.0.0.1:1/x?sig=hidden","headers":{"Authorization":"Bearer hidden"}}`))
	for _, task := range job.Tasks {
		for _, secret := range []string{"the content", "pass", "hidden"} {
			if strings.Contains(string(task.Payload), secret) {
				t.Errorf("%s shows %q: %s", task.Name, secret, task.Payload)
			}
		}
	}
}
