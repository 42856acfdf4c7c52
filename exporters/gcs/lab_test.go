package gcs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

const mib = 1 << 20

type file = exportertest.File

var (
	small = file{Name: "own.bin", Size: 70_001}
	large = file{Name: "own.bin", Size: 12*mib + 3}
)

// lab is an engine with the export and the import, whose requests can be seen and tampered with.
type lab struct {
	*exportertest.Lab
	google
}

func newLab(t *testing.T) *lab {
	t.Helper()
	g := newGoogle(t)
	l := exportertest.NewLab(t, g, func(d []exporters.Definition, env exporters.Env) []engine.Operation {
		return append(export.Operations(d, env), imports.Sources(d, env)...)
	})
	return &lab{Lab: l, google: g}
}

// export is Export that looks whether a secret is shown.
func (l *lab) export(t testing.TB, f file, params map[string]any) engine.Task {
	t.Helper()
	task := l.Export(t, f, params)
	l.showsNothing(t, exportertest.JSON(t, task)+task.Message)
	return task
}

// exported is Exported that also looks whether a secret is shown, or a session left.
func (l *lab) exported(t testing.TB, f file, params map[string]any) engine.Task {
	t.Helper()
	task := l.Exported(t, f, params)
	l.showsNothing(t, exportertest.JSON(t, task)+task.Message)
	l.leavesNothing(t, params["file"].(string))
	return task
}

// holds is Holds that also looks whether a session is left.
func (l *lab) holds(t testing.TB, name string, f file) {
	t.Helper()
	l.Holds(t, name, f)
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

// of matches requests of that kind.
func of(want string) func(*http.Request) bool {
	return func(r *http.Request) bool { return kind(r) == want }
}

// calls returns the heads of all requests of that kind.
func (l *lab) calls(kind string) []*http.Request { return l.Calls(of(kind)) }

// story is the kinds of all requests but those for tokens, in their order.
func (l *lab) story() string {
	var kinds []string
	for _, r := range l.Heads() {
		kinds = append(kinds, kind(r))
	}
	return strings.Join(slices.DeleteFunc(kinds, func(k string) bool { return k == "token" }), " ")
}

// byKind is a tampering that is told what a request is for.
func byKind(tamper func(kind string, req *http.Request) (*http.Response, error)) exportertest.Tamper {
	return func(req *http.Request) (*http.Response, error) { return tamper(kind(req), req) }
}

// set forgets what was asked, and makes tamper what is asked from now on.
func (l *lab) set(tamper func(kind string, req *http.Request) (*http.Response, error)) {
	l.Forget()
	l.Always(byKind(tamper))
}

// always forgets what was asked, and tampers with all requests of that kind from now on.
func (l *lab) always(of string, tamper exportertest.Tamper) {
	l.set(func(kind string, req *http.Request) (*http.Response, error) {
		if kind != of {
			return nil, nil
		}
		return tamper(req)
	})
}

// once forgets what was asked, and tampers with the next request of that kind.
func (l *lab) once(kind string, tamper exportertest.Tamper) {
	l.Forget()
	l.Once(of(kind), tamper)
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
