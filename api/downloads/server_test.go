package downloads_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// server is a real engine behind the handler.
type server struct {
	*enginetest.Server
	Web   *httptest.Server
	links *downloads.Links
	ended chan any // gets what each request panicked with, nil if it did not; nobody need receive
}

type setup struct {
	limits   func(*engine.Limits)
	options  downloads.Options
	listener func(net.Listener) net.Listener
}

func start(t *testing.T, s setup) *server {
	t.Helper()
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	if s.limits != nil {
		s.limits(&limits)
	}
	operations := append(imports.All(http.DefaultClient), maker())
	out := &server{Server: enginetest.New(t, enginetest.Config{Operations: operations, Limits: limits}),
		ended: make(chan any, 100)}
	out.Server.Start(t)
	var handler http.Handler
	out.Web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			problem := recover()
			out.ended <- problem
			if problem != nil {
				panic(problem)
			}
		}()
		handler.ServeHTTP(w, r)
	}))
	if s.listener != nil {
		out.Web.Listener = s.listener(out.Web.Listener)
	}
	out.Web.Start()
	t.Cleanup(out.Web.Close)
	out.links = newLinks(t, out.Web.URL)
	handler = downloads.New(out.Engine, out.links, s.options)
	return out
}

// made are the parameters of an operation that makes one file with a link.
type made struct {
	Name    string `json:"name"`
	Content string `json:"content"` // in base64
	Inline  bool   `json:"inline"`
	Zeros   int64  `json:"zeros"`
}

func maker() engine.Operation {
	op := engine.Define("make", "Makes a file with a link.", engine.LaneCPU, made{},
		engine.HandlerFunc[made](func(ctx context.Context, run *engine.Run, p made) (engine.Result, error) {
			start := base64.NewDecoder(base64.StdEncoding, strings.NewReader(p.Content))
			content := io.MultiReader(start, io.LimitReader(zeros{}, p.Zeros))
			f, err := run.Create(ctx, p.Name, content)
			f.Link, f.Inline = true, p.Inline
			return engine.Result{Files: []engine.File{f}}, err
		}))
	op.Source = true
	return op
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// make makes the file and returns its task. The content is as it is.
func (s *server) make(t *testing.T, m made) engine.Task {
	t.Helper()
	m.Content = base64.StdEncoding.EncodeToString([]byte(m.Content))
	params, _ := json.Marshal(m)
	job := s.MustEnd(t, s.MustSubmit(t, enginetest.Task("m", "make", string(params))).ID)
	if got, want := enginetest.Summary(job), "finished m=finished"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	return job.Tasks[0]
}

// link returns the link to the file of the task.
func (s *server) link(task engine.Task) string {
	return s.links.Download(task.ID, task.Result.Files[0].Name, task.ExpiresAt)
}

// do sends a request with the header lines and returns the answer with its body read.
func (s *server) do(t *testing.T, method, address string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}
