package v2_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/apitest"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/engine/param"
)

const publicURL = "https://api.example.org"

// client calls a server as a user.
type client struct{ *apitest.Client }

// start returns a client of a running server with a few small operations.
func start(t *testing.T) *client {
	t.Helper()
	held := make(chan struct{})
	c := open(t, held)
	c.Start(t)
	t.Cleanup(func() { close(held) })
	return c
}

// open returns a client of a server that runs no tasks.
func open(t *testing.T, held <-chan struct{}) *client {
	t.Helper()
	s := enginetest.New(t, enginetest.Config{Operations: operations(held)})
	return &client{apitest.Serve(t, s, publicURL, func(p apitest.Parts) []api.Route {
		return v2.Routes(v2.Config{Engine: p.Engine, Links: links{}, PublicURL: p.PublicURL})
	})}
}

// get calls and decodes a success.
func (c *client) get(t *testing.T, method, path, body string, headers ...string) envelope {
	t.Helper()
	a := c.Call(t, method, path, body, headers...)
	if a.Status >= 300 {
		t.Fatalf("%s %s: got %d %s", method, path, a.Status, a.Body)
	}
	return decode(t, a.Body)
}

// envelope is what tests look at in an answer.
type envelope struct {
	Data  thing
	List  []thing
	Links map[string]*string
	Meta  map[string]any
}

// thing is a job or task of which nothing is known before.
type thing map[string]any

func (t thing) text(name string) string {
	s, _ := t[name].(string)
	return s
}

// task returns the i-th task of a job.
func (t thing) task(i int) thing {
	tasks, _ := t["tasks"].([]any)
	if i >= len(tasks) {
		return nil
	}
	task, _ := tasks[i].(map[string]any)
	return task
}

func decode(t *testing.T, body string) envelope {
	t.Helper()
	var raw struct {
		Data  json.RawMessage
		Links map[string]*string
		Meta  map[string]any
	}
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	e := envelope{Links: raw.Links, Meta: raw.Meta}
	var err error
	if strings.HasPrefix(string(raw.Data), "[") {
		err = json.Unmarshal(raw.Data, &e.List)
	} else {
		err = json.Unmarshal(raw.Data, &e.Data)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return e
}

// links renders links that a test can read.
type links struct{}

func (links) Download(task engine.ID, name string, until time.Time) string {
	return "https://files.example.org/" + string(task) + "/" + name + "?a=1&b=2"
}

func (links) Form(task engine.ID, until time.Time) (string, []link.Field) {
	return "https://files.example.org/upload/" + string(task), []link.Field{{Name: "z", Value: "1"}, {Name: "a", Value: "2"}}
}

type nothing struct{}

type rawParams struct {
	File     string `json:"file" rule:"role=content" doc:"The text."`
	Filename string `json:"filename" rule:"required" doc:"The file's name."`
}

type convertParams struct {
	OutputFormat string   `json:"output_format" rule:"required,oneof=pdf|txt" doc:"What to make."`
	Image        string   `json:"image" rule:"role=task" doc:"Another task."`
	Width        int      `json:"width" rule:"min=1" doc:"Pixels."`
	Pages        []string `json:"pages" doc:"Pages."`
}

type azureParams struct {
	Container string       `json:"container" rule:"required"`
	Key       param.Secret `json:"storage_access_key" rule:"required,role=credential"`
}

// pass hands its input on, changed by change.
func pass[P any](change func(*engine.Result)) engine.Handler[P] {
	return engine.HandlerFunc[P](func(ctx context.Context, run *engine.Run, _ P) (engine.Result, error) {
		files, err := run.Files(ctx)
		result := engine.Result{Files: files}
		change(&result)
		return result, err
	})
}

// operations are the smallest that show every side of the API. The tasks of hold end when held is closed.
func operations(held <-chan struct{}) []engine.Operation {
	keep := func(*engine.Result) {}
	raw := engine.Define("import/raw", "Takes text.", engine.LaneNet, rawParams{}, pass[rawParams](keep))
	raw.Source = true
	raw.Content = func(params any) (string, io.Reader, error) {
		p := params.(rawParams)
		return p.Filename, strings.NewReader(p.File), nil
	}
	upload := engine.Define("import/upload", "Waits for a file.", engine.LaneNet, nothing{}, pass[nothing](keep))
	upload.Source, upload.Outside = true, true
	convert := engine.Define("convert", "Converts.", engine.LaneCPU, convertParams{Pages: []string{"1", "2"}},
		pass[convertParams](func(r *engine.Result) { r.Engine, r.Version, r.Message = "copier", "1.0", "Copied." }))
	convert.Rows = func() []engine.Row {
		return []engine.Row{
			{InputFormat: "txt", OutputFormat: "pdf", Engine: "copier", EngineVersion: "1.0"},
			{InputFormat: "txt", OutputFormat: "pdf", Engine: "other", EngineVersion: "2.0", Alternative: true},
			{InputFormat: "pdf", OutputFormat: "txt", Engine: "copier", EngineVersion: "1.0"},
		}
	}
	metadata := engine.Define("metadata", "Reads.", engine.LaneCPU, nothing{}, pass[nothing](func(r *engine.Result) {
		*r = engine.Result{Metadata: map[string]string{"PageCount": "3"}}
	}))
	export := engine.Define("export/url", "Makes links.", engine.LaneNet, nothing{}, pass[nothing](func(r *engine.Result) {
		for i := range r.Files {
			r.Files[i].Link = true
		}
	}))
	azure := engine.Define("export/azure/blob", "Sends away.", engine.LaneNet, azureParams{}, pass[azureParams](func(r *engine.Result) {
		for i, f := range r.Files {
			r.Files[i] = engine.File{Name: f.Name, Size: -1, Facts: map[string]string{"container": "c", "filename": "no"}}
		}
	}))
	azure.Aliases = []string{"export/azure-blob"}
	fail := engine.Define("fail", "Fails.", engine.LaneCPU, nothing{}, engine.HandlerFunc[nothing](
		func(context.Context, *engine.Run, nothing) (engine.Result, error) {
			return engine.Result{}, engine.Errorf(engine.Unsupported, "It cannot be done.")
		}))
	fail.Source = true
	hold := engine.Define("hold", "Waits.", engine.LaneCPU, nothing{}, engine.HandlerFunc[nothing](
		func(ctx context.Context, _ *engine.Run, _ nothing) (engine.Result, error) {
			select {
			case <-held:
				return engine.Result{}, nil
			case <-ctx.Done():
				return engine.Result{}, context.Cause(ctx)
			}
		}))
	hold.Source = true
	return []engine.Operation{raw, upload, convert, metadata, export, azure, fail, hold}
}

// chain is a job that brings a file in, converts it and shows a link to it.
const chain = `{"tag":"t1","tasks":{"in":{"operation":"import/raw","file":"hello","filename":"a b.txt"},` +
	`"work":{"operation":"convert","input":"in","output_format":"pdf","width":"800"},` +
	`"out":{"operation":"export/url","input":["work"]}}}`
