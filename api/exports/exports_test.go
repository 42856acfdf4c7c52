package exports_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/apitest"
	"github.com/gantry-engine/gantry/api/exports"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/imports"
)

const prefix = "/prototype/platform"

// client calls a server as a user who is a member of one organisation.
type client struct {
	*apitest.Client
	gate         *enginetest.Gate
	user         engine.UserID
	organisation engine.ID
}

type convertParams struct {
	OutputFormat string `json:"output_format" rule:"required"`
	Wait         bool   `json:"wait"`
}

// convert makes pdf and html of txt, and waits at the gate before it makes html.
func convert(gate *enginetest.Gate) engine.Operation {
	waiting := gate.Operation("gate", engine.LaneCPU)
	op := engine.Define("convert", "Converts.", engine.LaneCPU, convertParams{}, engine.HandlerFunc[convertParams](
		func(ctx context.Context, run *engine.Run, p convertParams) (engine.Result, error) {
			if p.OutputFormat == "html" {
				if _, err := waiting.Run(ctx, run, struct{}{}); err != nil {
					return engine.Result{}, err
				}
			}
			if p.OutputFormat == "odt" {
				return engine.Result{}, engine.Errorf(engine.Unsupported, "It cannot be done.")
			}
			f, err := run.Create(ctx, "a."+p.OutputFormat, strings.NewReader("as "+p.OutputFormat))
			return engine.Result{Files: []engine.File{f}}, err
		}))
	op.Rows = func() (rows []engine.Row) {
		for _, to := range []string{"pdf", "html", "odt"} {
			rows = append(rows, engine.Row{InputFormat: "txt", OutputFormat: to, Engine: "e"})
		}
		return rows
	}
	return op
}

func start(t *testing.T) (mine, theirs *client) {
	t.Helper()
	gate := enginetest.NewGate()
	s := enginetest.Start(t, append(imports.All(http.DefaultClient), convert(gate))...)
	t.Cleanup(gate.Open)
	c := apitest.Serve(t, s, "", func(p apitest.Parts) []api.Route {
		return exports.Routes(exports.Config{Engine: p.Engine, PublicURL: p.PublicURL})
	})
	other := *c
	mine, theirs = &client{Client: c, gate: gate}, &client{Client: &other, gate: gate}
	for c, name := range map[*client]string{mine: "me", theirs: "them"} {
		user, err := c.UserNamed(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.CreateOrganisation(t.Context(), name, user.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.user, c.organisation, c.Token = user.ID, o.ID, c.Key(t, name, engine.Scopes()...)
	}
	return mine, theirs
}

// store keeps a file of the organisation and returns the path to export it.
func (c *client) store(t *testing.T, name, contentType, content string) (id engine.ID, path string) {
	t.Helper()
	f, err := c.Deposit(t.Context(), engine.Deposit{Organisation: c.organisation, Name: name, ContentType: contentType,
		Content: strings.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	return f.ID, prefix + "/files/" + string(f.ID) + "/export"
}

type operation struct {
	ID, Status, Created, Updated string
	ResourceURL                  *string
	Error                        *struct{ Code, Message string }
}

// begin starts an export and returns the address to poll.
func (c *client) begin(t *testing.T, path, body string, headers ...string) string {
	t.Helper()
	a := c.Call(t, "POST", path, body, headers...)
	at := a.Header.Get("Location")
	if a.Status != 202 || a.Body != "" || !strings.HasPrefix(at, c.URL+prefix+"/operations/") || a.Header.Get("Retry-After") != "1" {
		t.Fatalf("got %d %s %v", a.Status, a.Body, a.Header)
	}
	return at
}

// poll shows the operation.
func (c *client) poll(t *testing.T, at string) (operation, apitest.Answer) {
	t.Helper()
	a := c.Call(t, "GET", at, "")
	var op operation
	if err := json.Unmarshal([]byte(a.Body), &op); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return op, a
}

// end waits for the job and shows the operation.
func (c *client) end(t *testing.T, at string) operation {
	t.Helper()
	if _, err := c.WaitJob(t.Context(), c.user, engine.ID(at[strings.LastIndexByte(at, '/')+1:])); err != nil {
		t.Fatal(err)
	}
	op, a := c.poll(t, at)
	if a.Header.Get("Retry-After") != "" {
		t.Errorf("an ended operation asks to poll again")
	}
	return op
}

func TestExports(t *testing.T) {
	c, _ := start(t)
	_, path := c.store(t, "a.txt", "text/x-mine", "hello")
	for _, tt := range []struct{ name, body, contentType, content string }{
		{"no body", "", "text/x-mine", "hello"},
		{"as it is", `{"kind":"SupportingDocument"}`, "text/x-mine", "hello"},
		{"default", `{"kind":"Document"}`, "", "as pdf"},
		{"null", `{"kind":"Document","documentOptions":null}`, "", "as pdf"},
		{"format", `{"kind":"Document","documentOptions":{"format":"pdf"}}`, "", "as pdf"},
		{"in capitals", `{"kind":"Document","documentOptions":{"format":"PDF","other":1}}`, "", "as pdf"},
		{"what it is", `{"kind":"Document","documentOptions":{"format":"txt"}}`, "text/x-mine", "hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := c.begin(t, path, tt.body, "X-Version", "2022-01-01", "Content-Type", "application/json", "Accept", "application/json")
			op := c.end(t, at)
			if op.Status != "completed" || op.Error != nil || op.ResourceURL == nil || !strings.HasSuffix(at, "/"+op.ID) {
				t.Fatalf("got %+v", op)
			}
			for _, at := range []string{op.Created, op.Updated} {
				if _, err := time.Parse(time.RFC3339, at); err != nil {
					t.Error(err)
				}
			}
			got := c.Call(t, "GET", *op.ResourceURL, "")
			if got.Status != 200 || got.Body != tt.content || !strings.HasPrefix(got.Header.Get("Content-Type"), tt.contentType) {
				t.Errorf("got %d %q %v", got.Status, got.Body, got.Header)
			}
			if part := c.Call(t, "GET", *op.ResourceURL, "", "Range", "bytes=0-1"); part.Status != 206 || part.Body != tt.content[:2] {
				t.Errorf("range: got %d %q", part.Status, part.Body)
			}
			for header, want := range map[string]int{"": 401, "Bearer x": 401, "Bearer " + c.Key(t, "me", engine.ScopeTaskRead): 403,
				"Bearer " + c.Key(t, "me", engine.ScopeFileRead): 200, c.Key(t, "me", engine.ScopeFileWrite): 200} {
				for _, address := range []string{at, *op.ResourceURL} {
					if a := c.Call(t, "GET", address, "", "Authorization", header); a.Status != want {
						t.Errorf("%s with %q: got %d %s", address, header, a.Status, a.Body)
					}
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	c, theirs := start(t)
	id, path := c.store(t, "a.txt", "", "hello")
	_, picture := c.store(t, "a.png", "", "\x89PNG\r\n\x1a\n")
	for _, tt := range []struct {
		name, path, body string
		headers          []string
		status           int
		code, says       string
	}{
		{"empty object", path, "{}", nil, 400, "400BadRequest", "SupportingDocument, Document"},
		{"no object", path, "[]", nil, 400, "400BadRequest", "JSON object"},
		{"null", path, "null", nil, 400, "400BadRequest", "JSON object"},
		{"no JSON", path, "{", nil, 400, "400BadRequest", "JSON object"},
		{"unknown kind", path, `{"kind":"Film"}`, nil, 400, "400BadRequest", "Spreadsheet"},
		{"kind of another type", path, `{"kind":7}`, nil, 400, "400BadRequest", "Spreadsheet"},
		{"unknown format", path, `{"kind":"Document","documentOptions":{"format":"exe"}}`, nil, 400, "400BadRequest", "pdf, docx, odt, html, txt"},
		{"format of another type", path, `{"kind":"Document","documentOptions":{"format":7}}`, nil, 400, "400BadRequest", "documentOptions"},
		{"format that cannot be made", path, `{"kind":"Document","documentOptions":{"format":"docx"}}`, nil, 400, "400BadRequest", "It can make pdf, odt, html, txt."},
		{"kind that can be made otherwise", path, `{"kind":"Presentation"}`, nil, 400, "400BadRequest", "It can make pdf."},
		{"of a picture", picture, `{"kind":"Document"}`, nil, 400, "400BadRequest", "in any format"},
		{"unknown version", path, "", []string{"X-Version", "2023-01-01"}, 400, "400BadRequest", "2022-01-01"},
		{"no file", prefix + "/files/" + string(engine.NewID()) + "/export", "", nil, 404, "404NotFound", "no such file"},
		{"no id", prefix + "/files/x/export", "", nil, 404, "404NotFound", "no such file"},
		{"of another organisation", path, "", []string{"Authorization", "Bearer " + theirs.Token}, 404, "404NotFound", "no such file"},
		{"no key", path, "", []string{"Authorization", ""}, 401, "401Unauthorized", "Unauthenticated."},
		{"reading key", path, "", []string{"Authorization", c.Key(t, "me", engine.ScopeFileRead)}, 403, "403Forbidden", "file:write"},
		{"no address", prefix + "/files/" + string(id) + "/import", "", nil, 404, "404NotFound", "nothing at this address"},
		{"wrong method", prefix + "/operations/x", "", nil, 405, "405MethodNotAllowed", "GET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := c.Call(t, "POST", tt.path, tt.body, tt.headers...)
			var body map[string]string
			if err := json.Unmarshal([]byte(a.Body), &body); err != nil || len(body) != 2 {
				t.Fatalf("got %s", a.Body)
			}
			if a.Status != tt.status || body["code"] != tt.code || !strings.Contains(body["message"], tt.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			if retires := strings.HasSuffix(tt.path, "/export"); retires != (a.Header.Get("Sunset") == "Sun, 31 Jan 2027 00:00:00 GMT") ||
				retires != (a.Header.Get("Deprecation") == "@1770854400") {
				t.Errorf("got headers %v", a.Header)
			}
		})
	}
	if jobs, err := c.Jobs(t.Context(), engine.JobQuery{User: c.user}); err != nil || len(jobs) > 0 {
		t.Errorf("there are jobs %v (%v)", jobs, err)
	}
}

// slow is an export that waits at the gate.
const slow = `{"kind":"Document","documentOptions":{"format":"html"}}`

func TestSameExportTwice(t *testing.T) {
	c, _ := start(t)
	_, path := c.store(t, "a.txt", "", "hello")
	at := c.begin(t, path, slow)
	call := c.gate.Await(t, "export")
	if op, a := c.poll(t, at); op.Status != "started" || op.ResourceURL != nil || a.Header.Get("Retry-After") != "1" {
		t.Errorf("got %s", a.Body)
	}
	if a := c.Call(t, "GET", at+"/resource", ""); a.Status != 409 {
		t.Errorf("its resource: got %d %s", a.Status, a.Body)
	}
	a := c.Call(t, "POST", path, slow)
	if a.Status != 409 || !strings.Contains(a.Body, `"409Conflict"`) {
		t.Errorf("twice: got %d %s", a.Status, a.Body)
	}
	c.end(t, c.begin(t, path, `{"kind":"Document"}`)) // another one may
	call.Finish()
	if op := c.end(t, at); op.Status != "completed" {
		t.Errorf("got %+v", op)
	}
	again := c.begin(t, path, slow)
	c.gate.Await(t, "export").Finish()
	c.end(t, again)
}

func TestFileThatGoesWhileItIsExported(t *testing.T) {
	c, _ := start(t)
	id, path := c.store(t, "a.txt", "", "hello")
	done := c.end(t, c.begin(t, path, ""))
	at := c.begin(t, path, slow)
	c.gate.Await(t, "export")
	if err := c.Engine.Store.Organisations.RemoveFile(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if op := c.end(t, at); op.Status != "failed" || op.Error == nil || op.Error.Code != "409Conflict" || op.ResourceURL != nil {
		t.Errorf("got %+v", op)
	}
	if a := c.Call(t, "GET", *done.ResourceURL, ""); a.Status != 404 {
		t.Errorf("what was exported before: got %d %s", a.Status, a.Body)
	}
	if a := c.Call(t, "POST", path, ""); a.Status != 404 {
		t.Errorf("export again: got %d %s", a.Status, a.Body)
	}
}

func TestFailuresAndCancels(t *testing.T) {
	c, _ := start(t)
	_, path := c.store(t, "a.txt", "", "hello")
	op := c.end(t, c.begin(t, path, `{"kind":"Document","documentOptions":{"format":"odt"}}`))
	if op.Status != "failed" || op.Error == nil || op.Error.Code != "400BadRequest" || op.Error.Message != "It cannot be done." {
		t.Errorf("got %+v", op)
	}
	at := c.begin(t, path, slow)
	call := c.gate.Await(t, "export")
	if _, err := c.Cancel(t.Context(), c.user, call.Run.Task); err != nil {
		t.Fatal(err)
	}
	if op := c.end(t, at); op.Status != "cancelled" {
		t.Errorf("got %+v", op)
	}
}

func TestOthersSeeNothing(t *testing.T) {
	mine, theirs := start(t)
	_, path := mine.store(t, "a.txt", "", "secret")
	at := mine.begin(t, path, "")
	op := mine.end(t, at)
	for _, address := range []string{at, *op.ResourceURL} {
		if a := theirs.Call(t, "GET", address, ""); a.Status != 404 || !strings.Contains(a.Body, `"404NotFound"`) {
			t.Errorf("%s: got %d %s", address, a.Status, a.Body)
		}
	}
	ordinary := mine.MustSubmitAs(t, mine.user)
	for _, id := range []string{string(ordinary), "x", string(engine.NewID()), strings.ToUpper(op.ID)} {
		for _, more := range []string{"", "/resource"} {
			if a := mine.Call(t, "GET", prefix+"/operations/"+id+more, ""); a.Status != 404 {
				t.Errorf("%s%s: got %d %s", id, more, a.Status, a.Body)
			}
		}
	}
	job, err := mine.Job(t.Context(), mine.user, engine.ID(op.ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range job.Tasks {
		if task.Operation == "export/url" || task.Result.Files[0].Link {
			t.Errorf("task %+v has a link without a key", task)
		}
	}
}

// MustSubmitAs makes an ordinary job of the user.
func (c *client) MustSubmitAs(t *testing.T, user engine.UserID) engine.ID {
	t.Helper()
	job, err := c.Submit(t.Context(), user, engine.Submission{Tasks: []engine.TaskSpec{
		enginetest.Task("a", "import/raw", `{"file":"x","filename":"a.txt"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return job.ID
}
