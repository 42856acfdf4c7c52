package gcs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/gcs"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

const mib = 1 << 20

var (
	small = file{Name: "own.bin", Size: 70_001}
	large = file{Name: "own.bin", Size: 12*mib + 3}
)

// lab is an engine with the export and the import, whose requests can be seen and tampered with.
type lab struct {
	*enginetest.Server
	google
	*wire
	log *logged
	dir string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{google: newGoogle(t), wire: &wire{}, log: &logged{}, dir: t.TempDir()}
	definitions, env := []exporters.Definition{gcs.Definition()}, l.env()
	operations := append(export.Operations(definitions, env), imports.Sources(definitions, env)...)
	l.Server = enginetest.New(t, enginetest.Config{Dir: l.dir, Operations: append(operations, maker()), Log: l.log})
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
		enginetest.Task("export", "export/google-cloud-storage", object(t, params), "make"))
	task := enginetest.Named(t, l.MustEnd(t, job.ID), "export")
	l.showsNothing(t, object(t, task)+task.Message)
	return task
}

// exported is export for one that has to arrive.
func (l *lab) exported(t testing.TB, f file, params map[string]any) engine.Task {
	t.Helper()
	task := l.export(t, f, params)
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s\n%s", task.Code, task.Message, l.log.String())
	}
	l.holds(t, params["file"].(string), f)
	return task
}

// holds checks the content of an object, and that no session is left.
func (l *lab) holds(t testing.TB, name string, f file) {
	t.Helper()
	got, ok := l.Read(t, name)
	if sum := sha256.Sum256(got.Bytes); !ok || hex.EncodeToString(sum[:]) != f.digest(t) {
		t.Errorf("%q has %d bytes (there: %v), which are not those of the file", name, len(got.Bytes), ok)
	}
	l.leavesNothing(t, name)
}

func (l *lab) leavesNothing(t testing.TB, name string) {
	t.Helper()
	for _, left := range l.Unfinished(t) {
		if strings.HasPrefix(left, name+" ") {
			t.Errorf("a session is left: %s", left)
		}
	}
}

// showsNothing checks that a text has no secret: keys, tokens, addresses of sessions.
func (l *lab) showsNothing(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(text, "upload_id=") || strings.Contains(text, "ya29.") || strings.Contains(text, l.key[100:140]) {
		t.Errorf("a secret is shown: %s", text)
	}
}

// with returns the parameters for an object of that name with changes; a nil value takes a parameter away.
func (l *lab) with(t testing.TB, name string, changes map[string]any) map[string]any {
	t.Helper()
	params := l.Params(t, l.address, name)
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
	tamper func(kind string, req *http.Request) (*http.Response, error)
}

func (w *wire) env() exporters.Env { return exporters.Env{HTTP: &http.Client{Transport: w}} }

// kind names what a request is for.
func kind(req *http.Request) string {
	query, path := req.URL.Query(), req.URL.EscapedPath()
	switch {
	case strings.HasSuffix(path, "/token"):
		return "token"
	case req.Method == http.MethodDelete:
		return "cancel"
	case req.Method == http.MethodPut && strings.HasPrefix(req.Header.Get("Content-Range"), "bytes */"):
		return "ask"
	case req.Method == http.MethodPut:
		return "send"
	case query.Get("uploadType") == "multipart":
		return "insert"
	case query.Get("uploadType") == "resumable":
		return "open"
	case strings.HasSuffix(path, "/testPermissions"):
		return "permissions"
	case query.Get("alt") == "media":
		return "media"
	case strings.HasSuffix(path, "/o"):
		return "list"
	}
	return "look"
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.heads = append(w.heads, req.Clone(context.Background()))
	tamper := w.tamper
	w.mu.Unlock()
	if tamper != nil {
		if resp, err := tamper(kind(req), req); resp != nil || err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return resp, err
		}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// calls returns the heads of all requests of that kind.
func (w *wire) calls(of string) (heads []*http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.heads {
		if kind(r) == of {
			heads = append(heads, r)
		}
	}
	return heads
}

// story is the kinds of all requests but those for tokens, in their order.
func (w *wire) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, r := range w.heads {
		kinds = append(kinds, kind(r))
	}
	return strings.Join(slices.DeleteFunc(kinds, func(k string) bool { return k == "token" }), " ")
}

// always tampers with all requests of that kind, from now on.
func (w *wire) always(of string, tamper func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heads = nil
	w.tamper = func(kind string, req *http.Request) (*http.Response, error) {
		if kind != of {
			return nil, nil
		}
		return tamper(req)
	}
}

// once tampers with the next request of that kind.
func (w *wire) once(of string, tamper func(*http.Request) (*http.Response, error)) {
	var first sync.Once
	w.always(of, func(req *http.Request) (resp *http.Response, err error) {
		first.Do(func() { resp, err = tamper(req) })
		return resp, err
	})
}

// lost lets a request arrive, and its answer not.
func lost(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return nil, errors.New("the connection broke")
}

// cut lets so many bytes of a request arrive, and then breaks the connection.
func cut(n int64) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(req.Body, n), broken{}), req.Body}
		return http.DefaultTransport.RoundTrip(req)
	}
}

type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// says answers with a status and headers.
func says(status int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) { return answer(req, status, "", "", header...), nil }
}

// answer is what Google says, with an error in it if there is a reason.
func answer(req *http.Request, status int, reason, message string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Request: req, ProtoMajor: 1, ProtoMinor: 1}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	text, _ := json.Marshal(map[string]any{"error": map[string]any{"code": status, "message": message,
		"errors": []map[string]string{{"reason": reason, "message": message}}}})
	if resp.Header.Get("Content-Type") == "text/plain" {
		text = []byte(message)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}
