package v2_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/engine"
)

func TestUpload(t *testing.T) {
	c := start(t)
	job := c.get(t, "POST", "/v2/jobs", `{"tasks":{"up":{"operation":"import/upload"},"out":{"operation":"export/url","input":"up"}}}`).Data
	if err := c.Arrive(t.Context(), engine.ID(job.task(0).text("id")), "ä b.txt", strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	a := c.Call(t, "GET", "/v2/jobs/"+job.text("id")+"/wait", "")
	want := `{"filename":"ä b.txt","size":5,"url":"https://files.example.org/` + job.task(1).text("id") +
		`/ä b.txt?a=1&b=2","md5":"5d41402abc4b2a76b9719d911017c592"}`
	if a.Status != 200 || !strings.Contains(a.Body, want) || strings.Contains(a.Body, `"form"`) {
		t.Errorf("got %d %s, want %s", a.Status, a.Body, want)
	}
}

func TestCreateReportsWhatTheEngineFinds(t *testing.T) {
	c := open(t, nil)
	a := c.Call(t, "POST", "/v2/jobs", `{"tasks":{"a":{"operation":"nonsense"},"b":{"operation":"convert","input":"c","width":"x"}}}`)
	for _, field := range []string{`"tasks.a.operation":[`, `"tasks.b.input":[`, `"tasks.b.width":[`, `"tasks.b.output_format":[`} {
		if a.Status != 422 || !strings.Contains(a.Body, field) {
			t.Errorf("got %d %s, want %s", a.Status, a.Body, field)
		}
	}
	a = c.Call(t, "POST", "/v2/convert", `{"input":[1]}`)
	for _, want := range []string{`"errors":{"input":["must be a name or a list of names; its element 0 is a number"],`, `"output_format":[`} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("got %s, want %s", a.Body, want)
		}
	}
	a = c.Call(t, "POST", "/v2/jobs", `{"tag":7,"tasks":{"a":{"operation":"nonsense"},"b":{"operation":"convert","input":[1]},"c":5}}`)
	for _, field := range []string{`"tag":[`, `"tasks.a.operation":[`, `"tasks.b.input":[`, `"tasks.b.output_format":[`, `"tasks.c":[`} {
		if a.Status != 422 || strings.Count(a.Body, field) != 1 {
			t.Errorf("got %d %s, want %s once", a.Status, a.Body, field)
		}
	}
	if n := len(c.get(t, "GET", "/v2/jobs", "").List); n != 0 {
		t.Errorf("%d jobs were made nevertheless", n)
	}
}

func TestDeleteARunningJob(t *testing.T) {
	c := start(t)
	job := c.get(t, "POST", "/v2/jobs",
		`{"tasks":{"up":{"operation":"import/upload"},"n":{"operation":"convert","input":"up","output_format":"txt"}}}`).Data
	if a := c.Call(t, "DELETE", "/v2/jobs/"+job.text("id"), ""); a.Status != 204 || a.Body != "" {
		t.Errorf("got %d %q, want 204", a.Status, a.Body)
	}
	if a := c.Call(t, "GET", "/v2/jobs/"+job.text("id"), ""); a.Status != 404 {
		t.Errorf("afterwards: got %d, want 404", a.Status)
	}
}

func TestRedirect(t *testing.T) {
	c := start(t)
	withRedirect := strings.Replace(chain, "{", `{"redirect":true,`, 1)
	failing := `{"redirect":true,"tasks":{"a":{"operation":"fail"},"out":{"operation":"export/url","input":"a"}}}`
	plain := `{"redirect":true,"tasks":{"a":{"operation":"fail"}}}`
	ended := c.get(t, "POST", "/sync/v2/jobs", chain).Data
	open := c.get(t, "POST", "/v2/jobs", `{"tasks":{"a":{"operation":"import/upload"}}}`).Data
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string // of the address, or of the body
	}{
		{"create and wait", "POST", "/sync/v2/jobs", withRedirect, 302, "https://files.example.org/"},
		{"create", "POST", "/v2/jobs", withRedirect, 201, `"status":"waiting"`},
		{"show", "GET", "/sync/v2/jobs/" + ended.text("id") + "?redirect=true", "", 302, ended.task(2).text("id")},
		{"show what has ended", "GET", "/v2/jobs/" + ended.text("id") + "?redirect=1", "", 302, ended.task(2).text("id")},
		{"show what has not", "GET", "/v2/jobs/" + open.text("id") + "?redirect=true", "", 409, "has not ended yet"},
		{"a job that fails", "POST", "/sync/v2/jobs", failing, 422, `The job failed in its task \"a\": It cannot be done. (UNSUPPORTED_CONVERSION)`},
		{"nothing to redirect to", "POST", "/sync/v2/jobs", plain, 422, `"redirect":["needs a task with the operation export/url"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := c.Call(t, tt.method, tt.path, tt.body)
			got := a.Body
			if tt.status == 302 {
				got = a.Header.Get("Location")
			}
			if a.Status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %s, want %d %s", a.Status, got, tt.status, tt.want)
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	c := open(t, nil)
	first := c.get(t, "POST", "/v2/jobs", chain, "Idempotency-Key", "k1").Data
	if again := c.get(t, "POST", "/v2/jobs", chain, "Idempotency-Key", "k1").Data; again.text("id") != first.text("id") {
		t.Error("the repetition made another job")
	}
	alone := c.get(t, "POST", "/v2/import/upload", "", "Idempotency-Key", "k3").Data
	if again := c.get(t, "POST", "/v2/import/upload", "", "Idempotency-Key", "k3").Data; again.text("id") != alone.text("id") {
		t.Error("the repetition made another task")
	}
	for _, tt := range []struct {
		name, path, body, key string
		status                int
		want                  string
	}{
		{"another body", "/v2/jobs", chain + " ", "k1", 409, "CONFLICT"},
		{"another path", "/v2/import/upload", chain, "k1", 409, "CONFLICT"},
		{"another key", "/v2/jobs", chain, "k2", 201, "waiting"},
		{"the longest key", "/v2/jobs", chain, strings.Repeat("~", 255), 201, "waiting"},
		{"a longer key", "/v2/jobs", chain, strings.Repeat("~", 256), 422, "Idempotency-Key"},
		{"a key of other letters", "/v2/import/upload", "", "kä", 422, "Idempotency-Key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := c.Call(t, "POST", tt.path, tt.body, "Idempotency-Key", tt.key)
			if a.Status != tt.status || !strings.Contains(a.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", a.Status, a.Body, tt.status, tt.want)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	c := open(t, nil)
	all := c.Token
	for _, tt := range []struct{ method, path, scope string }{
		{"GET", "/v2/jobs", "task.read"}, {"GET", "/v2/tasks", "task.read"}, {"POST", "/v2/jobs", "task.write"},
		{"POST", "/v2/convert", "task.write"}, {"GET", "/v2/users/me", "user.read"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			var others []string
			for _, scope := range engine.Scopes() {
				if scope != tt.scope {
					others = append(others, scope)
				}
			}
			c.Token = c.Key(t, "tester", others...)
			defer func() { c.Token = all }()
			a := c.Call(t, tt.method, tt.path, "")
			want := `{"message":"The API key lacks the scope ` + tt.scope + `.","code":"FORBIDDEN"}`
			if a.Status != 403 || a.Body != want {
				t.Errorf("got %d %s, want %s", a.Status, a.Body, want)
			}
		})
	}
}

func TestARevokedKeyIsRefusedAtOnce(t *testing.T) {
	c := open(t, nil)
	c.get(t, "GET", "/v2/users/me", "")
	key, err := c.Authenticate(t.Context(), c.Token)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Engine.Store.Accounts.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if a := c.Call(t, "GET", "/v2/users/me", ""); a.Status != 401 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestOthersAreNotFound(t *testing.T) {
	c := start(t)
	job := c.get(t, "POST", "/v2/jobs", chain).Data
	task := job.task(0).text("id")
	c.Token = c.Key(t, "mallory", engine.Scopes()...)
	for _, tt := range []struct{ method, path string }{
		{"GET", "/v2/jobs/" + job.text("id")}, {"GET", "/sync/v2/jobs/" + job.text("id")}, {"GET", "/v2/jobs/" + job.text("id") + "/wait"},
		{"DELETE", "/v2/jobs/" + job.text("id")}, {"GET", "/v2/tasks/" + task}, {"GET", "/v2/tasks/" + task + "/wait"},
		{"POST", "/v2/tasks/" + task + "/cancel"}, {"POST", "/v2/tasks/" + task + "/retry"}, {"DELETE", "/v2/tasks/" + task},
	} {
		if a := c.Call(t, tt.method, tt.path, ""); a.Status != 404 {
			t.Errorf("%s %s: got %d %s", tt.method, tt.path, a.Status, a.Body)
		}
	}
	if a := c.Call(t, "POST", "/v2/export/url", `{"input":"`+task+`"}`); a.Status != 422 {
		t.Errorf("input: got %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/v2/jobs", "/v2/tasks", "/v2/tasks?filter[job_id]=" + job.text("id")} {
		if n := len(c.get(t, "GET", path, "").List); n != 0 {
			t.Errorf("%s: got %d", path, n)
		}
	}
}

func TestWaitEndsWithTheServer(t *testing.T) {
	c := open(t, nil)
	job := c.get(t, "POST", "/v2/jobs", `{"tasks":{"a":{"operation":"import/upload"}}}`).Data
	routes := v2.Routes(v2.Config{Engine: c.Engine, Links: links{}, PublicURL: publicURL})
	log := slog.New(slog.DiscardHandler)
	handler := api.New(api.Config{Engine: c.Engine, Routes: routes, Log: log})
	ctx, stop := context.WithCancelCause(t.Context())
	server := httptest.NewUnstartedServer(handler)
	server.Config = api.Server(ctx, handler, log)
	server.Start()
	defer server.Close()
	stop(engine.ErrShuttingDown)
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/sync/v2/jobs/"+job.text("id"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	want := `{"message":"The server is shutting down.","code":"UNAVAILABLE"}`
	if err != nil || resp.StatusCode != 503 || string(body) != want || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %s %v %v", resp.StatusCode, body, resp.Header, err)
	}
}
