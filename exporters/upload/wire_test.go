package upload_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/upload"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// engineFor starts an engine that can export to URLs under the policy.
func engineFor(t *testing.T, policy *egress.Policy) *enginetest.Server {
	t.Helper()
	client := policy.Client(egress.ClientOptions{})
	t.Cleanup(client.CloseIdleConnections)
	env := exporters.Env{HTTP: client, Dial: policy.DialContext}
	operations := append(imports.All(client), export.Operations([]exporters.Definition{upload.Definition()}, env)...)
	return enginetest.Start(t, operations...)
}

// put exports one file of that content.
func put(t *testing.T, e *enginetest.Server, content string, params map[string]any) engine.Task {
	t.Helper()
	file := map[string]any{"file": base64.StdEncoding.EncodeToString([]byte(content)), "filename": "data.txt"}
	job := e.MustSubmit(t, enginetest.Task("import", "import/base64", object(t, file)),
		enginetest.Task("export", "export/upload", object(t, params), "import"))
	return enginetest.Named(t, e.MustEnd(t, job.ID), "export")
}

func object(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// request is what came over a connection.
type request struct {
	line string
	head []string // the header's lines, in their order
	body string
}

// raw serves one connection after another: it reads a request to the end of its body, unless early, and writes the answer
// of its number, the last one over and over.
type raw struct {
	net.Listener
	answers []string
	early   bool // answer after the header, and close

	mu   sync.Mutex
	seen []request
}

func serve(t *testing.T, answers ...string) *raw {
	t.Helper()
	return start(t, &raw{answers: answers})
}

func start(t *testing.T, r *raw) *raw {
	t.Helper()
	var err error
	if r.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := r.Accept()
			if err != nil {
				return
			}
			r.one(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { r.Close(); <-done })
	return r
}

func (r *raw) one(conn net.Conn) {
	in := bufio.NewReader(conn)
	var got request
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if got.line == "" {
			got.line = line
			continue
		}
		got.head = append(got.head, line)
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			fmt.Sscan(n, &length)
		}
	}
	if !r.early {
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		got.body = string(body)
	}
	r.mu.Lock()
	r.seen = append(r.seen, got)
	answer := r.answers[min(len(r.seen), len(r.answers))-1]
	r.mu.Unlock()
	_, _ = io.WriteString(conn, answer)
}

func (r *raw) url(rest string) string { return "http://" + r.Addr().String() + rest }

func (r *raw) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

func answer(status int, more ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", status, http.StatusText(status),
		strings.Join(append(more, ""), "\r\n"))
}

// TestWire holds what is sent: nothing but Host, Content-Length and the task's headers, and the URL's own bytes
// (EXP-PUT-01, EXP-PUT-02, EXP-PUT-03, EXP-PUT-07).
func TestWire(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		name, rest, want, content string
		headers                   map[string]any
	}{
		{"plain", "/a/b.txt", "/a/b.txt", "hello", nil},
		{"no bytes", "/a", "/a", "", nil},
		{"many bytes", "/a", "/a", long, nil},
		{"no path", "", "/", "x", nil},
		{"query alone", "?a=b", "/?a=b", "x", nil},
		{"empty query", "/a?", "/a?", "x", nil},
		{"escapes", "/a%2Fb%2fc+d/%41/%7e~", "/a%2Fb%2fc+d/%41/%7e~", "x", nil},
		{"what net/url would encode", `/{a}|"b"<c>\^` + "`", `/{a}|"b"<c>\^` + "`", "x", nil},
		{"two slashes", "//a//b", "//a//b", "x", nil},
		{"dots", "/a/../b/./c", "/a/../b/./c", "x", nil},
		{"query", "/a?x=%2F+/;&y={}&z==&%zz", "/a?x=%2F+/;&y={}&z==&%zz", "x", nil},
		{"spaces and ü", "/a b/ü?c d", "/a%20b/%C3%BC?c%20d", "x", nil},
		{"fragment", "/a?b#c", "/a?b", "x", nil},
		{"headers", "/a", "/a", "x", map[string]any{"Content-Type": "text/csv", "x-ms-blob-type": "BlockBlob", "X-Empty": ""}},
		{"a user agent", "/a", "/a", "x", map[string]any{"user-agent": "mine/1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, answer(201))
			task := put(t, e, c.content, map[string]any{"url": r.url(c.rest), "headers": c.headers})
			if task.Status != engine.StatusFinished {
				t.Fatalf("the export ended %s: %s", task.Code, task.Message)
			}
			got := r.requests()[0]
			if want := "PUT " + c.want + " HTTP/1.1"; got.line != want || got.body != c.content {
				t.Errorf("got %q with %d bytes, want %q with %d", got.line, len(got.body), want, len(c.content))
			}
			want := map[string]bool{"host: " + r.Addr().String(): true, fmt.Sprintf("content-length: %d", len(c.content)): true}
			for name, value := range c.headers {
				want[strings.ToLower(name)+": "+value.(string)] = true
			}
			for _, line := range got.head {
				name, value, _ := strings.Cut(line, ":")
				if !want[strings.ToLower(name)+":"+value] {
					t.Errorf("sent %q, which nobody asked for", line)
				}
			}
			if len(got.head) != len(want) {
				t.Errorf("sent the header %q, want %v", got.head, want)
			}
		})
	}
}

// TestUser holds that a user in the URL is sent, and shown nowhere.
func TestUser(t *testing.T) {
	e, r := engineFor(t, egress.Unrestricted()), serve(t, answer(403))
	params := map[string]any{"url": strings.Replace(r.url("/a?token=canary-query"), "//", "//me:canary-user@", 1),
		"headers": map[string]any{"X-Key": "canary-header"}}
	task := put(t, e, "x", params)
	if task.Code != engine.Denied || strings.Contains(object(t, task), "canary") {
		t.Errorf("the export ended %s and shows %s", task.Code, object(t, task))
	}
	want := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:canary-user"))
	if head := strings.Join(r.requests()[0].head, "\n"); !strings.Contains(head, want) {
		t.Errorf("sent %q, want %q in it", head, want)
	}
}

// TestReceipt holds what a result says: no query, no user.
func TestReceipt(t *testing.T) {
	e, r := engineFor(t, egress.Unrestricted()), serve(t, answer(200, `ETag: "e1"`, "x-amz-version-id: v1"))
	task := put(t, e, "hello", map[string]any{"url": strings.Replace(r.url("/a%2Fb?sig=canary"), "//", "//u:canary@", 1)})
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	f := task.Result.Files[0]
	for key, want := range map[string]string{"etag": `"e1"`, "version": "v1", "location": r.url("/a%2Fb"),
		"sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"} {
		if f.Facts[key] != want {
			t.Errorf("got the %s %q, want %q", key, f.Facts[key], want)
		}
	}
	if strings.Contains(object(t, task), "canary") {
		t.Error("the result shows a secret")
	}
}

// TestStatus holds what becomes of answers; any 2xx is success.
func TestStatus(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	for status, want := range map[int]engine.Code{200: "", 201: "", 202: "", 204: "", 299: "", 300: engine.Invalid,
		400: engine.Invalid, 401: engine.Unauthorized, 403: engine.Denied, 404: engine.NotFound, 409: engine.Conflict,
		410: engine.NotFound, 412: engine.Conflict, 413: engine.TooLarge, 501: engine.Invalid} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			r := serve(t, answer(status))
			task := put(t, e, "x", map[string]any{"url": r.url("/a")})
			if task.Code != want || want != "" && !strings.Contains(task.Message, fmt.Sprint(status)) {
				t.Errorf("the export ended %q (%s), want %q", task.Code, task.Message, want)
			}
			if n := len(r.requests()); n != 1 {
				t.Errorf("sent %d requests, want 1", n)
			}
		})
	}
}

// TestRetry holds that a server that is busy gets the whole body again.
func TestRetry(t *testing.T) {
	e, r := engineFor(t, egress.Unrestricted()), serve(t, answer(503, "Retry-After: 0"), answer(201))
	if task := put(t, e, "whole body", map[string]any{"url": r.url("/a")}); task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	for i, got := range r.requests() {
		if got.body != "whole body" {
			t.Errorf("request %d has the body %q", i, got.body)
		}
	}
}

// TestRedirects holds EXP-PUT-04: 307 and 308 take the body elsewhere, the others are refused.
func TestRedirects(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	for _, c := range []struct {
		status, requests int
		want             engine.Code
	}{{301, 0, engine.Invalid}, {302, 0, engine.Invalid}, {303, 0, engine.Invalid}, {307, 1, ""}, {308, 1, ""}} {
		for _, content := range []string{"body", ""} {
			t.Run(fmt.Sprintf("%d with %d bytes", c.status, len(content)), func(t *testing.T) {
				second := serve(t, answer(201))
				first := serve(t, answer(c.status, "Location: "+second.url("/{b}%2f?c")))
				task := put(t, e, content, map[string]any{"url": first.url("/a"), "headers": map[string]any{"X-Key": "canary-header"}})
				got := second.requests()
				if task.Code != c.want || len(got) != c.requests {
					t.Fatalf("the export ended %q (%s) after %d redirected requests", task.Code, task.Message, len(got))
				}
				if c.requests == 0 {
					return
				}
				if got[0].line != "PUT /{b}%2f?c HTTP/1.1" || got[0].body != content || len(got[0].head) != 2 {
					t.Errorf("the other host got %+v, want the same PUT with Host and Content-Length alone", got[0])
				}
			})
		}
	}
	t.Run("on the same host", func(t *testing.T) {
		r := serve(t, answer(307, "Location: /{b}"), answer(201))
		task := put(t, e, "body", map[string]any{"url": r.url("/a"), "headers": map[string]any{"X-Key": "kept"}})
		got := r.requests()
		if task.Status != engine.StatusFinished || len(got) != 2 || got[1].line != "PUT /{b} HTTP/1.1" || got[1].body != "body" {
			t.Fatalf("the export ended %s (%s) with %+v", task.Code, task.Message, got)
		}
		if !strings.Contains(strings.Join(got[1].head, "\n"), "X-Key: kept") {
			t.Errorf("the redirected request has the header %q, want X-Key in it", got[1].head)
		}
	})
}

// TestEgress holds that the policy judges the first host and every redirect.
func TestEgress(t *testing.T) {
	inside := serve(t, answer(201))
	if task := put(t, engineFor(t, egress.New(nil)), "x", map[string]any{"url": inside.url("/a")}); task.Code != engine.Denied {
		t.Errorf("the export ended %q (%s), want %q", task.Code, task.Message, engine.Denied)
	}
	if n := len(inside.requests()); n != 0 {
		t.Errorf("the private host got %d requests", n)
	}
}

// TestEarlyAnswer holds EXP-PUT-05: an answer that comes while the body is still being sent is the answer, and not the
// broken connection behind it.
func TestEarlyAnswer(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	large := strings.Repeat("x", 2<<20)
	for status, want := range map[int]engine.Code{403: engine.Denied, 413: engine.TooLarge} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			for range 5 {
				r := start(t, &raw{answers: []string{answer(status)}, early: true})
				task := put(t, e, large, map[string]any{"url": r.url("/a")})
				if task.Code != want || len(r.requests()) != 1 {
					t.Fatalf("the export ended %q (%s) after %d requests, want %q at once", task.Code, task.Message, len(r.requests()), want)
				}
			}
		})
	}
}

// TestExpired holds EXP-PUT-06: that a URL has expired is said, and not tried again.
func TestExpired(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	message := "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
	for name, c := range map[string]struct{ query, answer, want string }{
		"S3 says so":     {"?X-Amz-Signature=canary-sig", message, "answered 403 AccessDenied. The URL has expired"},
		"S3 by its date": {"?X-Amz-Date=20240902T103658Z&X-Amz-Expires=3600", answer(400), "expired at 2024-09-02 11:36:58 UTC"},
		"Google":         {"?X-Goog-Date=20240902T103658Z&X-Goog-Expires=60", answer(400), "expired at 2024-09-02 10:37:58 UTC"},
		"Azure":          {"?se=2024-09-02T10%3A36%3A58Z&sig=canary-sig", answer(403), "expired at 2024-09-02 10:36:58 UTC"},
		"version 2":      {"?Expires=1725273418&Signature=canary-sig", answer(403), "expired at 2024-09-02 10:36:58 UTC"},
		"not expired":    {"?X-Amz-Date=20990902T103658Z&X-Amz-Expires=3600", answer(403), "answered 403 Forbidden."},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, c.answer)
			task := put(t, e, "x", map[string]any{"url": r.url("/a" + c.query)})
			if !strings.Contains(task.Message, c.want) || strings.Contains(object(t, task), "canary") || len(r.requests()) != 1 {
				t.Errorf("got %q after %d requests, want %q after one", task.Message, len(r.requests()), c.want)
			}
		})
	}
}

// TestAzure holds EXP-PUT-09 against what Azure answers.
func TestAzure(t *testing.T) {
	e := engineFor(t, egress.Unrestricted())
	r := serve(t, answer(400, "x-ms-request-id: 1"), answer(201))
	if task := put(t, e, "x", map[string]any{"url": r.url("/a?sig=s")}); !strings.Contains(task.Message, "x-ms-blob-type") {
		t.Errorf("got %q, want x-ms-blob-type in it", task.Message)
	}
	params := map[string]any{"url": r.url("/a?sig=s"), "headers": map[string]any{"x-ms-blob-type": "BlockBlob"}}
	if task := put(t, e, "x", params); task.Status != engine.StatusFinished {
		t.Errorf("the export ended %s: %s", task.Code, task.Message)
	}
}

// TestSeveral holds EXP-PUT-08: several files end the task before a byte is sent, as an archive they are one.
func TestSeveral(t *testing.T) {
	e, r := engineFor(t, egress.Unrestricted()), serve(t, answer(201))
	for archive, want := range map[bool]engine.Code{false: engine.Invalid, true: ""} {
		job := e.MustSubmit(t, enginetest.Task("a", "import/raw", `{"file":"a","filename":"a.txt"}`),
			enginetest.Task("b", "import/raw", `{"file":"b","filename":"b.txt"}`),
			enginetest.Task("export", "export/upload", object(t, map[string]any{"url": r.url("/a"), "archive_multiple_files": archive}), "a", "b"))
		task := enginetest.Named(t, e.MustEnd(t, job.ID), "export")
		if task.Code != want || (len(r.requests()) == 1) != archive {
			t.Errorf("archive %t: ended %q (%s) after %d requests", archive, task.Code, task.Message, len(r.requests()))
		}
		r.mu.Lock()
		r.seen = nil
		r.mu.Unlock()
	}
}

// TestSeed runs the seed's example as printed, but for its host.
func TestSeed(t *testing.T) {
	e, r := engineFor(t, egress.Unrestricted()), serve(t, answer(200))
	const rest = "/test/file.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=AKIAJRUEA%2F20240902%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20240902T103658Z&X-Amz-Expires=3600&X-Amz-Signature=5da1b944c68eaa6d72c250e40a2923ff923337046&X-Amz-SignedHeaders=host&x-id=PutObject"
	task := put(t, e, "x", map[string]any{"url": r.url(rest)})
	if task.Status != engine.StatusFinished || r.requests()[0].line != "PUT "+rest+" HTTP/1.1" {
		t.Errorf("the export ended %s (%s) after %q", task.Code, task.Message, r.requests()[0].line)
	}
	if f := task.Result.Files[0]; f.Name != "data.txt" {
		t.Errorf("the result has the file %q, want data.txt", f.Name)
	}
}

// TestParams holds what is refused before there is a job.
func TestParams(t *testing.T) {
	def := upload.Definition()
	for name, c := range map[string]struct {
		params string
		want   []string
	}{
		"good":              {`{"url":"https://h/x","headers":{"A":"b"}}`, nil},
		"no url":            {`{}`, []string{"url"}},
		"another scheme":    {`{"url":"ftp://h/x"}`, []string{"url"}},
		"a bare percent":    {`{"url":"https://h/100%.txt"}`, []string{"url"}},
		"no host":           {`{"url":"https:///x"}`, []string{"url"}},
		"Content-Length":    {`{"url":"https://h/x","headers":{"content-length":"1"}}`, []string{"headers"}},
		"Transfer-Encoding": {`{"url":"https://h/x","headers":{"TRANSFER-encoding":"chunked"}}`, []string{"headers"}},
		"Trailer":           {`{"url":"https://h/x","headers":{"Trailer":"A"}}`, []string{"headers"}},
		"a line break":      {`{"url":"https://h/x","headers":{"A":"b\r\nC: d"}}`, []string{"headers"}},
		"one in the name":   {`{"url":"https://h/x","headers":{"A\nB":"b"}}`, []string{"headers"}},
		"all at once":       {`{"url":"x","headers":{"Content-Length":"1","A b":"c"}}`, []string{"url", "headers", "headers"}},
	} {
		t.Run(name, func(t *testing.T) {
			params, problems := def.Params.Decode([]byte(c.params))
			if len(problems) == 0 {
				problems = def.Validate(params)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.Field)
				if strings.Contains(p.Message, "%25") != (name == "a bare percent") {
					t.Errorf("it says %q", p.Message)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got problems with %v, want %v", got, c.want)
			}
		})
	}
}

// TestCheck holds what a check reads from a URL, and that it sends neither the file's path nor a secret.
func TestCheck(t *testing.T) {
	const amazon = "/a?X-Amz-Date=20990902T103658Z&X-Amz-Expires=3600&X-Amz-Signature=canary&X-Amz-SignedHeaders="
	const azure = "/a?sv=2024-01-01&se=2099-09-02T10%3A36%3A58Z&sig=canary&sp="
	for name, c := range map[string]struct {
		path    string
		headers map[string]any
		want    []string // between the first two findings and the last
	}{
		"plain":            {"/a", nil, nil},
		"expired":          {"/a?X-Amz-Date=20240902T103658Z&X-Amz-Expires=3600", nil, []string{"false The URL expired at 2024-09-02 11:36:58 UTC"}},
		"valid":            {amazon + "host", nil, []string{"true The URL holds until 2099-09-02"}},
		"signed headers":   {amazon + "content-type%3Bhost", map[string]any{"Content-Type": "canary"}, []string{"true The URL holds"}},
		"one is missing":   {amazon + "content-type%3Bhost", nil, []string{"true The URL holds", `false The URL was signed with the header "content-type"`}},
		"Azure":            {azure + "cw", map[string]any{"X-Ms-Blob-Type": "BlockBlob"}, []string{"true The URL holds"}},
		"Azure, for read":  {azure + "r", map[string]any{"X-Ms-Blob-Type": "BlockBlob"}, []string{"true The URL holds", "false The URL is not for writing"}},
		"Azure, no header": {azure + "w", nil, []string{"true The URL holds", "false Azure wants the header x-ms-blob-type"}},
	} {
		t.Run(name, func(t *testing.T) {
			def, r := upload.Definition(), serve(t, answer(403))
			client := egress.Unrestricted().Client(egress.ClientOptions{})
			defer client.CloseIdleConnections()
			params, problems := def.Params.Decode([]byte(object(t, map[string]any{"url": r.url(c.path), "headers": c.headers})))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			found := def.Check(t.Context(), exporters.Env{HTTP: client}, params)
			want := append([]string{"true The server 127.0.0.1:", "true The file goes to " + r.url("/a")}, c.want...)
			want = append(want, "true Whether the URL takes a file")
			for i, f := range found {
				if text := fmt.Sprint(f.OK, " ", f.Text); i >= len(want) || !strings.HasPrefix(text, want[i]) || strings.Contains(text, "canary") {
					t.Errorf("finding %d is %s, want %q", i, text, want)
				}
			}
			if len(found) != len(want) {
				t.Errorf("%d findings, want %d", len(found), len(want))
			}
			if got := r.requests(); len(got) != 1 || got[0].line != "HEAD / HTTP/1.1" {
				t.Errorf("sent %+v", got)
			}
		})
	}
}
