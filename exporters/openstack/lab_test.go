package openstack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/openstack"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// lab is an engine with the export and the import, whose requests can be seen and tampered with.
type lab struct {
	*enginetest.Server
	*cloud
	*wire
	log *logged
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{cloud: newCloud(t), wire: &wire{}, log: &logged{}}
	definitions, env := []exporters.Definition{openstack.Definition()}, l.env()
	operations := append(export.Operations(definitions, env), imports.Sources(definitions, env)...)
	l.Server = enginetest.New(t, enginetest.Config{Operations: append(operations, maker()), Log: l.log})
	l.Start(t)
	return l
}

// file is a file to be made; its content is random where no text is given.
type file struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Text string `json:"text"`
}

func (f file) content() io.Reader {
	if f.Text != "" {
		return strings.NewReader(f.Text)
	}
	return io.LimitReader(rand.NewChaCha8([32]byte{byte(f.Size)}), f.Size)
}

func (f file) digest(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, f.content()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func maker() engine.Operation {
	op := engine.Define("test/make", "Makes a file.", engine.LaneNet, file{},
		engine.HandlerFunc[file](func(ctx context.Context, run *engine.Run, f file) (engine.Result, error) {
			made, err := run.Create(ctx, f.Name, f.content())
			return engine.Result{Files: []engine.File{made}}, err
		}))
	op.Source = true
	return op
}

// export runs an export of the file and returns its end.
func (l *lab) export(t testing.TB, f file, params map[string]any) engine.Task {
	t.Helper()
	job := l.MustSubmit(t, enginetest.Task("make", "test/make", object(t, f)),
		enginetest.Task("export", "export/openstack", object(t, params), "make"))
	return enginetest.Named(t, l.MustEnd(t, job.ID), "export")
}

// exported is export for one that has to arrive.
func (l *lab) exported(t testing.TB, f file, params map[string]any) engine.Task {
	t.Helper()
	task := l.export(t, f, params)
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	l.holds(t, params["file"].(string), f)
	return task
}

// holds checks the content of an object.
func (l *lab) holds(t testing.TB, name string, f file) {
	t.Helper()
	got, ok := l.Read(t, name)
	if sum := sha256.Sum256(got.Bytes); !ok || hex.EncodeToString(sum[:]) != f.digest(t) {
		t.Errorf("%q has %d bytes (there: %v), which are not those of the file", name, len(got.Bytes), ok)
	}
}

// with returns the parameters for an object of that name with changes; a nil value takes a parameter away.
func (l *lab) with(t testing.TB, name string, changes map[string]any) map[string]any {
	t.Helper()
	params := l.Params(t, l.swift, name)
	maps.Copy(params, changes)
	maps.DeleteFunc(params, func(_ string, v any) bool { return v == nil })
	return params
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func object(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// wire passes requests on, keeps their heads and asks tamper first, which may answer in the server's place.
type wire struct {
	mu     sync.Mutex
	heads  []*http.Request
	tamper func(*http.Request) *http.Response
}

func (w *wire) env() exporters.Env { return exporters.Env{HTTP: &http.Client{Transport: w}} }

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.heads = append(w.heads, req.Clone(context.Background()))
	tamper := w.tamper
	w.mu.Unlock()
	if tamper != nil {
		if resp := tamper(req); resp != nil {
			return resp, nil
		}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// calls returns the heads of all requests of that method whose path and query have part in them.
func (w *wire) calls(method, part string) (heads []*http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.heads {
		if r.Method == method && strings.Contains(r.URL.RequestURI(), part) {
			heads = append(heads, r)
		}
	}
	return heads
}

// set makes tamper what is asked from now on.
func (w *wire) set(tamper func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = tamper
}

// once tampers with the first request of that method whose path and query have part in them.
func (w *wire) once(method, part string, tamper func(*http.Request) *http.Response) {
	var first sync.Once
	w.set(func(req *http.Request) (resp *http.Response) {
		if req.Method == method && strings.Contains(req.URL.RequestURI(), part) {
			first.Do(func() { resp = tamper(req) })
		}
		return resp
	})
}

// answer is one that a server gives.
func answer(req *http.Request, status int, text string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Request: req, ProtoMajor: 1, ProtoMinor: 1}
	resp.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp
}
