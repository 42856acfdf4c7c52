package imports_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// web starts a server of the given paths.
func web(t *testing.T, paths map[string]http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	for path, h := range paths {
		mux.HandleFunc(path, h)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// send answers with a body and header lines.
func send(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
	}
}

func TestURLNames(t *testing.T) {
	s := start(t)
	const pdf = "%PDF-1.7\n"
	base := web(t, map[string]http.HandlerFunc{
		"/":                  send(pdf),
		"/disposition":       send(pdf, "Content-Disposition", `attachment; filename="a b.pdf"`),
		"/extended":          send(pdf, "Content-Disposition", `attachment; filename="_.pdf"; filename*=UTF-8''%C3%A4.pdf`),
		"/unquoted":          send(pdf, "Content-Disposition", `attachment; filename=a b, c.pdf`),
		"/latin1":            send(pdf, "Content-Disposition", "attachment; filename=\"\xe4.pdf\""),
		"/words":             send(pdf, "Content-Disposition", `attachment; filename="=?utf-8?B?w6QucGRm?="`),
		"/traversal":         send(pdf, "Content-Disposition", `attachment; filename="../../etc/passwd"`),
		"/nameless.pdf":      send(pdf, "Content-Disposition", `attachment`),
		"/raw/":              http.RedirectHandler("/blob/input.pdf", http.StatusFound).ServeHTTP,
		"/named.pdf":         http.RedirectHandler("/blob/0123", http.StatusTemporaryRedirect).ServeHTTP,
		"/redirect/any":      http.RedirectHandler("/blob/0123", http.StatusSeeOther).ServeHTTP,
		"/blob/":             send(pdf),
		"/image":             send("\x89PNG\r\n\x1a\n"),
		"/signed/a.pdf":      send(pdf),
		"/nothing-known.xyz": send("\x00\x01"),
	})
	tests := []struct{ path, filename, want string }{
		{"/disposition", "", "a b.pdf"},
		{"/extended", "", "ä.pdf"},
		{"/unquoted", "", "a b, c.pdf"},
		{"/latin1", "", "ä.pdf"},
		{"/words", "", "ä.pdf"},
		{"/traversal", "", "passwd.pdf"},
		{"/nameless.pdf", "", "nameless.pdf"},
		{"/raw/main", "", "input.pdf"},
		{"/named.pdf", "", "named.pdf"},
		{"/redirect/any", "", "0123.pdf"},
		{"/blob/gr%C3%B6%C3%9Fe%20%281%29.pdf", "", "größe (1).pdf"},
		{"/blob/a%2Fb.pdf", "", "b.pdf"},
		{"/blob/%0d%0ax.pdf", "", "x.pdf"},
		{"/signed/a.pdf?X-Amz-Signature=0123#x", "", "a.pdf"},
		{"/blob/", "", "file.pdf"},
		{"", "", "file.pdf"},
		{"/image", "", "image.png"},
		{"/nothing-known.xyz", "", "nothing-known.xyz"},
		{"/disposition", "own.bin", "own.bin"},
		{"/disposition", "own", "own"},
		{"/disposition", "dir/own.bin", "own.bin"},
	}
	for _, test := range tests {
		t.Run(test.path+" "+test.filename, func(t *testing.T) {
			name, _ := read(t, s, run(t, s, "import/url", object{"url": base + test.path, "filename": test.filename}))
			if name != test.want {
				t.Errorf("got %q, want %q", name, test.want)
			}
		})
	}
}

func TestURLSendsWhatItIsTold(t *testing.T) {
	s := start(t)
	var got http.Header
	var host string
	base := web(t, map[string]http.HandlerFunc{"/a.txt": func(w http.ResponseWriter, r *http.Request) {
		got, host = r.Header.Clone(), r.Host
		_, _ = io.WriteString(w, "hello")
	}})
	read(t, s, run(t, s, "import/url", object{"url": strings.Replace(base, "//", "//us%65r:p%3Ass@", 1) + "/a.txt",
		"headers": object{"x-one": "1", "Accept-Encoding": "gzip", "Range": "bytes=1-", "Host": "other.example.test"}}))
	want := map[string]string{"Authorization": "Basic dXNlcjpwOnNz", "X-One": "1", "Accept-Encoding": "identity",
		"Range": "", "User-Agent": "Gantry"}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Get(name), value)
		}
	}
	if "http://"+host != base {
		t.Errorf("Host is %q, want that of %s", host, base)
	}
	read(t, s, run(t, s, "import/url", object{"url": strings.Replace(base, "//", "//user:pass@", 1) + "/a.txt",
		"headers": object{"authorization": "Bearer x", "user-agent": "mine"}}))
	if got.Get("Authorization") != "Bearer x" || got.Get("User-Agent") != "mine" {
		t.Errorf("the task's own headers do not win: %v", got)
	}
}

func TestURLKeepsSecretsFromOtherHosts(t *testing.T) {
	s := start(t)
	var got http.Header
	other := web(t, map[string]http.HandlerFunc{"/a.txt": func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		_, _ = io.WriteString(w, "hello")
	}})
	base := web(t, map[string]http.HandlerFunc{"/": http.RedirectHandler(other+"/a.txt", http.StatusFound).ServeHTTP})
	read(t, s, run(t, s, "import/url", object{"url": strings.Replace(base, "//", "//user:pass@", 1),
		"headers": object{"x-token": "secret"}}))
	for _, name := range []string{"Authorization", "X-Token", "Referer"} {
		if got.Get(name) != "" {
			t.Errorf("another host was sent %s: %s", name, got.Get(name))
		}
	}
}

func packed(content string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, content)
	w.Close()
	return b.String()
}

func TestURLContentEncoding(t *testing.T) {
	s := start(t)
	hello := packed("hello")
	base := web(t, map[string]http.HandlerFunc{
		"/a.txt":      send(hello, "Content-Encoding", "gzip"),
		"/b.txt":      send(hello, "Content-Encoding", "X-GZIP"),
		"/c.txt":      send("hello", "Content-Encoding", "identity"),
		"/a.txt.gz":   send(hello, "Content-Encoding", "gzip"),
		"/typed":      send(hello, "Content-Encoding", "gzip", "Content-Type", "application/gzip"),
		"/file.gz":    send(hello),
		"/br.txt":     send("x", "Content-Encoding", "br"),
		"/both.txt":   send("x", "Content-Encoding", "gzip, br"),
		"/broken.txt": send("no gzip at all", "Content-Encoding", "gzip"),
		"/short.txt":  send(hello[:len(hello)-6], "Content-Encoding", "gzip"),
		"/bomb.txt":   send(packed(strings.Repeat("\x00", 32<<20)), "Content-Encoding", "gzip"),
	})
	for path, want := range map[string]string{"/a.txt": "hello", "/b.txt": "hello", "/c.txt": "hello", "/a.txt.gz": hello,
		"/typed": hello, "/file.gz": hello} {
		if _, content := read(t, s, run(t, s, "import/url", object{"url": base + path})); content != want {
			t.Errorf("%s: got %q, want %q", path, content, want)
		}
	}
	for path, want := range map[string]engine.Code{"/br.txt": engine.Invalid, "/both.txt": engine.Invalid,
		"/broken.txt": engine.Invalid, "/short.txt": engine.Invalid, "/bomb.txt": engine.TooLarge} {
		if task := run(t, s, "import/url", object{"url": base + path}); task.Code != want {
			t.Errorf("%s: got %s %q, want %s", path, task.Code, task.Message, want)
		}
	}
}

// TestURLFailures runs each failure to its last try; the engine's clock is moved on for what it tries again.
func TestURLFailures(t *testing.T) {
	s := start(t, func(l *engine.Limits) { l.Transfer, l.Idle = 1000, 50*time.Millisecond })
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}
	}
	base := web(t, map[string]http.HandlerFunc{
		"/404": status(404), "/410": status(410), "/401": status(401), "/403": status(403), "/400": status(400), "/204": status(204),
		"/206": status(206), "/300": status(300),
		"/loop":  http.RedirectHandler("/loop", http.StatusFound).ServeHTTP,
		"/file":  http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP,
		"/large": send("", "Content-Length", "1001"),
		"/more":  send(strings.Repeat("x", 1001), "Transfer-Encoding", "chunked"),
	})
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is to fail
	secure.StartTLS()
	t.Cleanup(secure.Close)
	tests := []struct {
		address string
		code    engine.Code
		says    string
	}{
		{base + "/404", engine.NotFound, "404 Not Found"},
		{base + "/410", engine.NotFound, "410 Gone"},
		{base + "/401", engine.Denied, "send one in headers"},
		{base + "/403", engine.Denied, "may have expired"},
		{base + "/400", engine.Invalid, "400 Bad Request"},
		{base + "/204", engine.Invalid, "sent no file"},
		{base + "/206", engine.Invalid, "sent no file"},
		{base + "/300", engine.Invalid, "300"},
		{base + "/loop", engine.Invalid, "redirects in a loop"},
		{base + "/file", engine.Invalid, "only http and https"},
		{base + "/large", engine.TooLarge, "1001 bytes"},
		{base + "/more", engine.TooLarge, "larger"},
		{secure.URL, engine.Invalid, "authority"},
		{strings.Replace(base, "http:", "https:", 1), engine.Invalid, "does not speak TLS"},
	}
	for _, test := range tests {
		t.Run(test.address, func(t *testing.T) {
			task := run(t, s, "import/url", object{"url": test.address + "?token=hidden"})
			if task.Code != test.code || !strings.Contains(task.Message, test.says) {
				t.Errorf("got %s %q, want %s and %q", task.Code, task.Message, test.code, test.says)
			}
			if strings.Contains(task.Message, "hidden") || strings.Contains(task.Message, "127.0.0.1") {
				t.Errorf("the message tells too much: %s", task.Message)
			}
			if n := blobs(t, s); n != 0 {
				t.Errorf("%d files were kept", n)
			}
		})
	}
}

func blobs(t *testing.T, s *enginetest.Server) (n int) {
	t.Helper()
	if err := s.Files.Walk(t.Context(), func(engine.BlobID, time.Time) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestURLIsTriedAgain asks that the engine repeats what failed in passing, and that nothing of the first try stays.
func TestURLIsTriedAgain(t *testing.T) {
	s := start(t)
	var tries atomic.Int64
	base := web(t, map[string]http.HandlerFunc{"/a.txt": func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) == 1 {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "hel")
			return
		}
		_, _ = io.WriteString(w, "hello")
	}})
	job := s.MustSubmit(t, enginetest.Task("i", "import/url", fmt.Sprintf(`{"url":%q}`, base+"/a.txt")))
	stop := make(chan struct{})
	go func() {
		for { // the engine waits by its own timers and asks the clock whether it has waited long enough
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				s.Clock.Advance(time.Second)
			}
		}
	}()
	name, content := read(t, s, s.MustEnd(t, job.ID).Tasks[0])
	close(stop)
	if name != "a.txt" || content != "hello" || tries.Load() != 2 || blobs(t, s) != 1 {
		t.Errorf("got %q, %q after %d tries, and %d files", name, content, tries.Load(), blobs(t, s))
	}
}

func TestURLPassingFailures(t *testing.T) {
	limits := engine.DefaultLimits()
	limits.Idle = 50 * time.Millisecond
	refuse := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(code)
		}
	}
	begin := func(length string, end func(r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			end(r)
		}
	}
	cut := func(*http.Request) { panic(http.ErrAbortHandler) }
	base := web(t, map[string]http.HandlerFunc{
		"/503": refuse(503, "7"), "/429": refuse(429, "Mon, 01 Jan 2018 00:00:00 GMT"), "/500": refuse(500,
			"soon"), "/408": refuse(408, "-1"),
		"/short": begin("100", cut), "/cut": begin("", cut), "/stuck": begin("100",
			func(r *http.Request) { <-r.Context().Done() }),
	})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tests := []struct {
		address string
		code    engine.Code
		after   time.Duration
	}{
		{base + "/503", engine.Unavailable, 7 * time.Second}, {base + "/429", engine.RateLimited, 0}, {base + "/500",
			engine.Unavailable, 0},
		{base + "/408", engine.Unavailable, 0}, {base + "/short", engine.Unavailable, 0}, {base + "/cut",
			engine.Unavailable, 0},
		{base + "/stuck", engine.Timeout, 0}, {closed.URL, engine.Unavailable, 0},
	}
	for _, test := range tests {
		t.Run(test.address, func(t *testing.T) {
			_, err := imports.Fetch(t.Context(), http.DefaultClient, test.address, limits)
			var got *engine.Error
			if !errors.As(err, &got) || got.Code != test.code || got.RetryAfter != test.after || !engine.Retryable(err) {
				t.Errorf("got %v, want %s after %s", err, test.code, test.after)
			}
		})
	}
}

// breaking sends a body in pieces of 1000 bytes and then breaks the connection, until all is sent.
type breaking struct {
	body   string
	header map[string]string
	late   func(w http.ResponseWriter, r *http.Request) bool // answers a request for a range itself

	mu       sync.Mutex
	requests []string // the Range and If-Range of each
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.requests = append(b.requests, r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
	b.mu.Unlock()
	for name, value := range b.header {
		w.Header().Set(name, value)
	}
	from := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		if b.late != nil && b.late(w, r) {
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b.body)-1, len(b.body)))
		w.Header().Set("Content-Length", fmt.Sprint(len(b.body)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(b.body)))
	}
	to := min(from+1000, len(b.body))
	_, _ = io.WriteString(w, b.body[from:to])
	w.(http.Flusher).Flush()
	if to < len(b.body) {
		panic(http.ErrAbortHandler)
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%04d\n", i)
	}
	return b.String()
}

func TestURLIsResumed(t *testing.T) {
	s := start(t)
	b := &breaking{body: numbers(700), header: map[string]string{"ETag": `"v1"`}}
	base := web(t, map[string]http.HandlerFunc{"/a.txt": b.ServeHTTP,
		"/from": http.RedirectHandler("/a.txt", http.StatusFound).ServeHTTP})
	_, content := read(t, s, run(t, s, "import/url", object{"url": base + "/from"}))
	if content != b.body {
		t.Errorf("got %d bytes that are not the file's %d", len(content), len(b.body))
	}
	want := "[  bytes=1000- \"v1\" bytes=2000- \"v1\" bytes=3000- \"v1\"]"
	if got := fmt.Sprint(b.requests); got != want {
		t.Errorf("got the requests %s, want %s", got, want)
	}
}

// TestURLIsNotResumedWrongly asks that whatever does not clearly continue the same file never becomes part of it.
func TestURLIsNotResumedWrongly(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	strong := map[string]string{"ETag": `"v1"`}
	tests := map[string]struct {
		server   *breaking
		code     engine.Code
		requests int
	}{
		"weak validator": {&breaking{header: map[string]string{"ETag": `W/"v1"`}}, engine.Unavailable, 1},
		"no validator":   {&breaking{}, engine.Unavailable, 1},
		"no ranges": {&breaking{header: map[string]string{"ETag": `"v1"`, "Accept-Ranges": "none"}},
			engine.Unavailable, 1},
		"the file changed": {&breaking{header: strong, late: status(200, "ETag", `"v2"`)}, engine.Unavailable, 2},
		"another validator": {&breaking{header: strong, late: status(206, "ETag", `"v2"`, "Content-Range",
			"bytes 1000-3499/3500")}, engine.Unavailable, 2},
		"another place": {&breaking{header: strong, late: status(206, "Content-Range", "bytes 999-3499/3500")},
			engine.Unavailable, 2},
		"another size": {&breaking{header: strong, late: status(206, "Content-Range", "bytes 1000-3499/3501")},
			engine.Unavailable, 2},
		"another end": {&breaking{header: strong, late: status(206, "Content-Range", "bytes 1000-3498/3500")},
			engine.Unavailable, 2},
		"no range":          {&breaking{header: strong, late: status(206)}, engine.Unavailable, 2},
		"not satisfiable":   {&breaking{header: strong, late: status(416)}, engine.Unavailable, 2},
		"deleted meanwhile": {&breaking{header: strong, late: status(404)}, engine.NotFound, 2},
		"no more bytes": {&breaking{header: strong, late: status(206, "Content-Range", "bytes 1000-3499/3500",
			"Content-Length", "2500")},
			engine.Unavailable, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := test.server
			b.body = numbers(700)
			base := web(t, map[string]http.HandlerFunc{"/a.txt": b.ServeHTTP})
			_, err := imports.Fetch(t.Context(), http.DefaultClient, base+"/a.txt", engine.DefaultLimits())
			if engine.CodeOf(err) != test.code || len(b.requests) != test.requests {
				t.Errorf("got %v after %d requests, want %s after %d", err, len(b.requests), test.code, test.requests)
			}
		})
	}
}

func TestURLWithTheDefaultPolicy(t *testing.T) {
	s := startWith(t, egress.New(nil).Client(egress.ClientOptions{}))
	var called atomic.Bool
	base := web(t, map[string]http.HandlerFunc{"/": func(http.ResponseWriter, *http.Request) { called.Store(true) }})
	for _, address := range []string{base, strings.Replace(base, "127.0.0.1", "localhost", 1), strings.Replace(base,
		"127.0.0.1", "2130706433", 1),
		"http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data", "http://10.0.0.1:1/"} {
		task := run(t, s, "import/url", object{"url": address})
		if task.Code != engine.Denied || task.Message != egress.ErrRefused.Error() {
			t.Errorf("%s: got %s %q, want %s", address, task.Code, task.Message, egress.ErrRefused)
		}
	}
	if called.Load() {
		t.Error("a loopback address was called")
	}
}
