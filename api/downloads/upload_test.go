package downloads_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/link"
)

// form is an open upload form.
type form struct {
	job     engine.Job
	address string
	fields  []link.Field
}

func (s *server) form(t *testing.T, params string) form {
	t.Helper()
	job := s.MustSubmit(t, enginetest.Task("u", "import/upload", params))
	address, fields := s.links.Form(job.Tasks[0].ID, job.Tasks[0].UploadUntil)
	return form{job, address, fields}
}

// body writes the fields and the file as the standard library does.
func body(fields []link.Field, name, content string) (io.Reader, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		_ = w.WriteField(f.Name, f.Value)
	}
	part, _ := w.CreateFormFile("file", name)
	_, _ = io.WriteString(part, content)
	w.Close()
	return &b, w.FormDataContentType()
}

// arrived says how the job ended and which files it has.
func (s *server) arrived(t *testing.T, f form) string {
	t.Helper()
	job := s.MustEnd(t, f.job.ID)
	out := enginetest.Summary(job)
	if result := job.Tasks[0].Result; result != nil {
		for _, file := range result.Files {
			out += fmt.Sprintf(" %s(%d)", file.Name, file.Size)
		}
	}
	return out
}

func TestUpload(t *testing.T) {
	s := start(t, setup{})
	f := s.form(t, "")
	content, contentType := body(f.fields, "größe 1.txt", "hello")
	resp, text := s.do(t, "POST", f.address, content, "Content-Type", contentType, "Origin", "https://page.example.test")
	if resp.StatusCode != 201 || resp.Header.Get("ETag") != `"5d41402abc4b2a76b9719d911017c592"` ||
		resp.Header.Get("Location") != f.address+"/gr%C3%B6%C3%9Fe%201.txt" || !strings.Contains(text,
		"<PostResponse><Location>") {
		t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, text)
	}
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("pages of other origins: %q, want *", got)
	}
	if got, want := s.arrived(t, f), "finished u=finished größe 1.txt(5)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	content, contentType = body(f.fields, "b.txt", "again")
	if resp, text = s.do(t, "POST", f.address, content, "Content-Type", contentType); resp.StatusCode != 409 ||
		!strings.Contains(text, `"CONFLICT"`) {
		t.Errorf("the second upload: got %d %s, want 409", resp.StatusCode, text)
	}
}

func TestUploadAsClientsWriteIt(t *testing.T) {
	s := start(t, setup{})
	node := func(f form) string {
		var b strings.Builder
		for _, p := range f.fields {
			fmt.Fprintf(&b, "--b\r\ncontent-disposition:form-data;name=\"%s\"\r\n\r\n%s\r\n", p.Name, p.Value)
		}
		return b.String() + "--b\r\ncontent-disposition:form-data;name=\"file\";filename=my file, (1) ü.pdf\r\n" +
			"content-type:application/octet-stream\r\n\r\nhello\r\n--b--\r\n"
	}
	lines := func(f form) string { return strings.ReplaceAll(node(f), "\r\n", "\n") }
	nameless := func(f form) string { return strings.Replace(node(f), ";filename=my file, (1) ü.pdf", "", 1) }
	path := func(f form) string { return strings.Replace(node(f), "my file", `"C:\Users\..\my file`, 1) }
	button := func(f form) string {
		return "--b\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nSend\r\n" + node(f)
	}
	tests := map[string]struct {
		write func(form) string
		name  string
	}{
		"node": {node, "my file, (1) ü.pdf"}, "line feeds alone": {lines, "my file, (1) ü.pdf"}, "no file name": {nameless,
			"file"},
		"a path": {path, "my file, (1) ü.pdf"}, "a field of the page": {button, "my file, (1) ü.pdf"},
		"text before": {func(f form) string { return "preamble\r\n" + node(f) }, "my file, (1) ü.pdf"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := s.form(t, "")
			resp, text := s.do(t, "POST", f.address, strings.NewReader(test.write(f)), "Content-Type",
				"multipart/form-data; boundary=b")
			if resp.StatusCode != 201 {
				t.Fatalf("got %d %s, want 201", resp.StatusCode, text)
			}
			if got, want := s.arrived(t, f), "finished u=finished "+test.name+"(5)"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestPut(t *testing.T) {
	s := start(t, setup{})
	f := s.form(t, "")
	query := url.Values{"filename": {"ä b.txt"}}
	for _, p := range f.fields {
		query.Set(p.Name, p.Value)
	}
	for _, bad := range []string{"", "&filename=b", "&x=y", "&expires=1"} {
		address := f.address + "?" + query.Encode() + bad
		if bad == "" {
			address = f.address + "?filename=a"
		}
		if resp, text := s.do(t, "PUT", address, strings.NewReader("hello")); resp.StatusCode != 403 {
			t.Errorf("%s: got %d %s, want 403", bad, resp.StatusCode, text)
		}
	}
	if resp, text := s.do(t, "PUT", f.address+"?"+query.Encode(), strings.NewReader("hello")); resp.StatusCode != 201 {
		t.Fatalf("got %d %s, want 201", resp.StatusCode, text)
	}
	if got, want := s.arrived(t, f), "finished u=finished ä b.txt(5)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPreflight(t *testing.T) {
	s := start(t, setup{})
	resp, _ := s.do(t, "OPTIONS", s.form(t, "").address, nil, "Origin", "https://page.example.test",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-requested-with")
	h := resp.Header
	if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "*" ||
		h.Get("Access-Control-Allow-Methods") != "POST, PUT" ||
		h.Get("Access-Control-Allow-Headers") != "x-requested-with" {
		t.Errorf("got %d %v", resp.StatusCode, h)
	}
}

func TestRedirectAfterUpload(t *testing.T) {
	s := start(t, setup{})
	f := s.form(t, `{"redirect":"https://page.example.test/done?token=x"}`)
	content, contentType := body(f.fields, "a.txt", "hello")
	resp, _ := s.do(t, "POST", f.address, content, "Content-Type", contentType)
	if got, want := resp.Header.Get("Location"), "https://page.example.test/done?token=x"; resp.StatusCode != 303 ||
		got != want {
		t.Errorf("got %d to %s, want 303 to %s", resp.StatusCode, got, want)
	}
}

// TestRefusedUploads asks that nothing of a refused upload is kept, and that the form can be used afterwards.
func TestRefusedUploads(t *testing.T) {
	s := start(t, setup{limits: func(l *engine.Limits) { l.Transfer = 1000 }})
	f := s.form(t, "")
	other := s.form(t, "")
	good, contentType := body(f.fields, "a.txt", "hello")
	whole, _ := io.ReadAll(good)
	text := string(whole)
	tests := map[string]struct {
		address, contentType, body string
		status                     int
		says                       string
	}{
		"no form":              {f.address, "text/plain", "hello", 400, "multipart/form-data"},
		"no boundary":          {f.address, "multipart/form-data", text, 400, "boundary"},
		"another boundary":     {f.address, "multipart/form-data; boundary=x", text, 400, "ended early"},
		"empty":                {f.address, contentType, "", 400, "ended early"},
		"ends in the file":     {f.address, contentType, text[:strings.Index(text, "hello")+3], 400, "ended early"},
		"ends in the boundary": {f.address, contentType, strings.TrimSuffix(text, "--\r\n"), 400, "ended early"},
		"no file": {f.address, contentType, strings.Replace(text, `name="file"`, `name="other"`, 1), 400,
			"named file"},
		"field after the file": {f.address, contentType, strings.TrimSuffix(text, "--\r\n") +
			"\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n" + text[:strings.Index(text, "\r\n")] +
			"--\r\n", 400, "goes on after the file"},
		"base64": {f.address, contentType, strings.Replace(text, "Content-Type: application/octet-stream",
			"Content-Transfer-Encoding: base64", 1), 400, "as they are"},
		"too large": {f.address, contentType, strings.Replace(text, "hello", strings.Repeat("x", 1001), 1), 413,
			"larger"},
		"signature changed": {f.address, contentType, strings.Replace(text, f.fields[1].Value, other.fields[1].Value, 1),
			403, "import/upload"},
		"expiry changed": {f.address, contentType, strings.Replace(text, f.fields[0].Value, f.fields[0].Value+"0", 1),
			403, "import/upload"},
		"of another task": {other.address, contentType, text, 403, "import/upload"},
		"no parameters": {f.address, contentType, strings.ReplaceAll(text, `name="signature"`, `name="sig"`), 403,
			"before the file"},
		"doubled parameter": {f.address, contentType, text[:strings.Index(text, "\r\n")] +
			"\r\nContent-Disposition: form-data; name=\"expires\"\r\n\r\n" + f.fields[0].Value + "\r\n" +
			text, 403, "import/upload"},
		"very large field": {f.address, contentType, strings.Replace(text, f.fields[0].Value, strings.Repeat("1", 1<<17),
			1), 400, "too large fields"},
		"unknown task": {s.Web.URL + "/storage/" + string(someTask), contentType, text, 403, "import/upload"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			resp, answer := s.do(t, "POST", test.address, strings.NewReader(test.body), "Content-Type", test.contentType)
			if resp.StatusCode != test.status || !strings.Contains(answer, test.says) || !strings.Contains(answer, `"code":`) {
				t.Errorf("got %d %s, want %d and %q", resp.StatusCode, answer, test.status, test.says)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("a page of another origin cannot read why")
			}
		})
	}
	if resp, answer := s.do(t, "POST", f.address, strings.NewReader(text), "Content-Type",
		contentType); resp.StatusCode != 201 {
		t.Errorf("the whole form afterwards: got %d %s, want 201", resp.StatusCode, answer)
	}
	if got, want := s.arrived(t, f), "finished u=finished a.txt(5)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.blobs(t); got != 1 {
		t.Errorf("%d files are stored, want the one that arrived", got)
	}
	for _, method := range []string{"GET", "HEAD", "DELETE", "PATCH"} {
		if resp, _ := s.do(t, method, f.address, nil); resp.StatusCode != 405 {
			t.Errorf("%s: got %d, want 405", method, resp.StatusCode)
		}
	}
}

func (s *server) blobs(t *testing.T) (n int) {
	t.Helper()
	err := s.Files.Walk(t.Context(), func(engine.BlobID, time.Time) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUploadThatSaysItIsTooLarge(t *testing.T) {
	s := start(t, setup{limits: func(l *engine.Limits) { l.Transfer = 1000 }})
	f := s.form(t, "")
	query := url.Values{}
	for _, p := range f.fields {
		query.Set(p.Name, p.Value)
	}
	// Nothing of the body is sent: it is refused for its length.
	answer := s.raw(t, "PUT "+strings.TrimPrefix(f.address, s.Web.URL)+"?"+query.Encode()+" HTTP/1.1\r\nHost: "+
		s.Web.Listener.Addr().String()+"\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
	if answer.StatusCode != 413 {
		t.Errorf("got %d, want 413", answer.StatusCode)
	}
}

func TestStuckUploadIsCut(t *testing.T) {
	s := start(t, setup{limits: func(l *engine.Limits) { l.Idle = 50 * time.Millisecond }})
	f := s.form(t, "")
	content, contentType := body(f.fields, "a.txt", "hello")
	whole, _ := io.ReadAll(content)
	answer := s.raw(t, "POST "+strings.TrimPrefix(f.address, s.Web.URL)+" HTTP/1.1\r\nHost: "+s.Web.Listener.Addr().String()+
		"\r\nContent-Type: "+contentType+"\r\nContent-Length: "+fmt.Sprint(len(whole))+"\r\n\r\n"+string(whole[:len(whole)-20]))
	if answer.StatusCode != 408 || s.blobs(t) != 0 {
		t.Errorf("got %d and %d files, want 408 and none", answer.StatusCode, s.blobs(t))
	}
}

// raw sends the bytes and returns the answer, while the connection stays open.
func (s *server) raw(t *testing.T, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", s.Web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestExpiredForm(t *testing.T) {
	s := start(t, setup{})
	f := s.form(t, "")
	late, lateFields := s.links.Form(f.job.Tasks[0].ID, f.job.Tasks[0].UploadUntil.Add(time.Hour))
	s.Clock.Advance(6*time.Hour + time.Minute)
	content, contentType := body(f.fields, "a.txt", "hello")
	if resp, text := s.do(t, "POST", f.address, content, "Content-Type", contentType); resp.StatusCode != 403 ||
		!strings.Contains(text, "new import/upload") {
		t.Errorf("got %d %s, want 403 and what to do", resp.StatusCode, text)
	}
	// A form that verifies longer than its task waits, which is none of ours: the task's own end holds.
	content, contentType = body(lateFields, "a.txt", "hello")
	if resp, text := s.do(t, "POST", late, content, "Content-Type", contentType); resp.StatusCode != 409 ||
		!strings.Contains(text, "UPLOAD_EXPIRED") {
		t.Errorf("got %d %s, want 409", resp.StatusCode, text)
	}
	if got, want := s.arrived(t, f), "error u=error:UPLOAD_EXPIRED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUploadOfDeletedTask(t *testing.T) {
	s := start(t, setup{})
	job := s.MustSubmit(t, enginetest.Task("u", "import/upload", ""), enginetest.Task("v", "import/upload", ""))
	address, fields := s.links.Form(job.Tasks[0].ID, job.Tasks[0].UploadUntil)
	if err := s.DeleteTask(t.Context(), s.User, job.Tasks[0].ID); err != nil {
		t.Fatal(err)
	}
	content, contentType := body(fields, "a.txt", "hello")
	if resp, text := s.do(t, "POST", address, content, "Content-Type", contentType); resp.StatusCode != 404 {
		t.Errorf("got %d %s, want 404", resp.StatusCode, text)
	}
}

func TestTwoUploadsAtOnce(t *testing.T) {
	s := start(t, setup{})
	f := s.form(t, "")
	statuses := make(chan int, 2)
	for i := range 2 {
		go func() {
			content, contentType := body(f.fields, fmt.Sprintf("%d.txt", i), "hello")
			resp, err := http.Post(f.address, contentType, content)
			if err != nil {
				statuses <- 0
				return
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	if a, b := <-statuses, <-statuses; a+b != 201+409 {
		t.Errorf("got %d and %d, want 201 and 409", a, b)
	}
}
