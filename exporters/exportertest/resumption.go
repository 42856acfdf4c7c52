package exportertest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// Resumption is how a driver's objects are read, for Resumes.
type Resumption struct {
	Operation string                           // import/KIND
	Put       func(name, content string)       // writes an object as another client does
	Download  func(*http.Request) bool         // whether a request is for an object's bytes
	Params    func(name string) map[string]any // of the import
}

// Resumes has downloads break off in their middle. What goes on with the same object is an import; what came damaged before
// the break, or goes on with another object, is none.
func (l *Lab) Resumes(t *testing.T, r Resumption) {
	t.Helper()
	const size = 10_000
	content, other := strings.Repeat("0123456789", size/10), strings.Repeat("9876543210", size/10)
	for name, test := range map[string]struct {
		began func(name string, b *breaking)
		code  engine.Code
		says  string
	}{
		"same":    {func(string, *breaking) {}, "", ""},
		"damaged": {func(_ string, b *breaking) { b.damaged = true }, engine.Invalid, "damaged"},
		"changed": {func(name string, _ *breaking) { r.Put(name, other) }, engine.Conflict, "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			object := "resumption/" + name + ".bin"
			r.Put(object, content)
			l.Forget()
			l.Once(r.Download, func(req *http.Request) (*http.Response, error) {
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err == nil {
					body := &breaking{ReadCloser: resp.Body, left: size / 3}
					body.begun = sync.OnceFunc(func() { test.began(object, body) })
					resp.Body = body
				}
				return resp, err
			})
			task, got := l.Imported(t, r.Operation, r.Params(object))
			l.Always(nil)
			if task.Code != test.code || !strings.Contains(task.Message, test.says) {
				t.Errorf("ended %q: %s, want %q", task.Code, task.Message, test.code)
			}
			if whole := got[name+".bin"] == content; whole != (test.code == "") || len(got) > 0 && !whole {
				t.Errorf("got %d files, whole: %v", len(got), whole)
			}
			if n := len(l.Calls(r.Download)); n != 2 {
				t.Errorf("%d downloads, want 2", n)
			}
		})
	}
}

// breaking is a body that breaks off.
type breaking struct {
	io.ReadCloser
	left    int
	damaged bool   // its first byte is another
	begun   func() // called when bytes have come
}

// Read implements io.Reader.
func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	if b.left -= n; n > 0 {
		b.begun()
		if b.damaged {
			p[0], b.damaged = p[0]^1, false
		}
	}
	if b.left == 0 {
		err = errors.New("the connection broke")
	}
	return n, err
}
