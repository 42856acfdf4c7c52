package exportertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Lab is an engine with a driver's operations, whose requests can be seen and tampered with: for what is peculiar to the
// driver, against the server of its harness.
type Lab struct {
	*enginetest.Server
	*Wire
	Dir string // of the engine

	harness Harness
	log     *lockedBuffer
}

// NewLab starts one. Operations makes what runs there: the export, and the import if there is one.
func NewLab(t testing.TB, h Harness, operations func([]exporters.Definition, exporters.Env) []engine.Operation) *Lab {
	t.Helper()
	l := &Lab{Wire: &Wire{}, Dir: t.TempDir(), harness: h, log: &lockedBuffer{}}
	made := append(operations([]exporters.Definition{h.Definition()}, l.Env()), fileMaker())
	l.Server = enginetest.New(t, enginetest.Config{Dir: l.Dir, Operations: made, Log: l.log})
	l.Start(t)
	return l
}

// Log returns what was logged so far.
func (l *Lab) Log() string { return l.log.String() }

// File is a file to be made; its content is random where no text is given.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Text string `json:"text"`
}

// Content returns the file's bytes, the same at each call.
func (f File) Content() io.Reader {
	if f.Text != "" {
		return strings.NewReader(f.Text)
	}
	return io.LimitReader(rand.NewChaCha8([32]byte{byte(f.Size)}), f.Size)
}

// Digest returns the SHA-256 of the content in hex.
func (f File) Digest(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, f.Content()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func fileMaker() engine.Operation {
	op := engine.Define("test/make", "Makes a file.", engine.LaneNet, File{},
		engine.HandlerFunc[File](func(ctx context.Context, run *engine.Run, f File) (engine.Result, error) {
			made, err := run.Create(ctx, f.Name, f.Content())
			return engine.Result{Files: []engine.File{made}}, err
		}))
	op.Source = true
	return op
}

// Export runs an export of the file and returns its end.
func (l *Lab) Export(t testing.TB, f File, params map[string]any) engine.Task {
	t.Helper()
	job := l.MustSubmit(t, enginetest.Task("make", "test/make", JSON(t, f)),
		enginetest.Task("export", "export/"+l.harness.Definition().Kind, JSON(t, params), "make"))
	return enginetest.Named(t, l.MustEnd(t, job.ID), "export")
}

// Exported is Export for one that has to arrive.
func (l *Lab) Exported(t testing.TB, f File, params map[string]any) engine.Task {
	t.Helper()
	task := l.Export(t, f, params)
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s\n%s", task.Code, task.Message, l.Log())
	}
	named, _ := l.harness.Definition().Params.Field(param.RoleName)
	l.Holds(t, params[named.Name].(string), f)
	return task
}

// Imported runs an import and returns its end and what came: contents by folder and name.
func (l *Lab) Imported(t testing.TB, operation string, params map[string]any) (engine.Task, map[string]string) {
	t.Helper()
	job := l.MustSubmit(t, enginetest.Task("i", operation, JSON(t, params)))
	task, got := l.MustEnd(t, job.ID).Tasks[0], map[string]string{}
	if task.Result == nil {
		return task, got
	}
	for _, f := range task.Result.Files {
		got[strings.TrimPrefix(f.Dir+"/"+f.Name, "/")] = l.Content(t, f)
	}
	return task, got
}

// Holds checks the content of an object.
func (l *Lab) Holds(t testing.TB, name string, f File) {
	t.Helper()
	got, ok := l.harness.Read(t, name)
	if sum := sha256.Sum256(got.Bytes); !ok || hex.EncodeToString(sum[:]) != f.Digest(t) {
		t.Errorf("%q has %d bytes (there: %v), which are not those of the file", name, len(got.Bytes), ok)
	}
}

// With returns the parameters for an object of that name with changes; a nil value takes a parameter away.
func (l *Lab) With(t testing.TB, name string, changes map[string]any) map[string]any {
	t.Helper()
	params := l.harness.Params(t, l.harness.Address(), name)
	maps.Copy(params, changes)
	maps.DeleteFunc(params, func(_ string, v any) bool { return v == nil })
	return params
}

// Wire passes requests on and keeps their heads. It is safe for concurrent use.
type Wire struct {
	mu     sync.Mutex
	heads  []*http.Request
	tamper Tamper
}

// Tamper is asked before a request is sent: its answer or error stands in the server's place, if it has any.
type Tamper func(*http.Request) (*http.Response, error)

// Env lends a driver the wire.
func (w *Wire) Env() exporters.Env { return exporters.Env{HTTP: &http.Client{Transport: w}} }

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.heads = append(w.heads, req.Clone(context.Background()))
	tamper := w.tamper
	w.mu.Unlock()
	if tamper != nil {
		if resp, err := tamper(req); resp != nil || err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return resp, err
		}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// Calls returns the heads of all requests that match.
func (w *Wire) Calls(match func(*http.Request) bool) (heads []*http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.heads {
		if match(r) {
			heads = append(heads, r)
		}
	}
	return heads
}

// Heads returns the heads of all requests.
func (w *Wire) Heads() []*http.Request { return w.Calls(func(*http.Request) bool { return true }) }

// Forget forgets the requests so far.
func (w *Wire) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heads = nil
}

// Always makes tamper what is asked from now on; nil nothing.
func (w *Wire) Always(tamper Tamper) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = tamper
}

// Once tampers with the next request that matches, and with no other.
func (w *Wire) Once(match func(*http.Request) bool, tamper Tamper) {
	var first sync.Once
	w.Always(func(req *http.Request) (resp *http.Response, err error) {
		if match(req) {
			first.Do(func() { resp, err = tamper(req) })
		}
		return resp, err
	})
}
