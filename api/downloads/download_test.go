package downloads_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
)

func TestDownload(t *testing.T) {
	s := start(t, setup{})
	task := s.make(t, made{Name: "größe 1.txt", Content: "hello"})
	f := task.Result.Files[0]
	for _, method := range []string{"GET", "HEAD"} {
		resp, body := s.do(t, method, s.link(task), nil)
		want := map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Content-Length": "5", "Accept-Ranges": "bytes", "Etag": `"` +
				f.SHA256 + `"`,
			"Content-Disposition":    `attachment; filename="gr__e 1.txt"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.txt`,
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private",
			"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", method, name, got, value)
			}
		}
		modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
		if age := time.Since(modified); err != nil || age < 0 || age > time.Hour {
			t.Errorf("%s: Last-Modified is %q", method, resp.Header.Get("Last-Modified"))
		}
		if text := map[string]string{"GET": "hello"}[method]; resp.StatusCode != 200 || body != text {
			t.Errorf("%s: got %d %q, want 200 %q", method, resp.StatusCode, body, text)
		}
	}
}

func TestRangesAndConditions(t *testing.T) {
	s := start(t, setup{})
	task := s.make(t, made{Name: "a.txt", Content: "0123456789"})
	etag := `"` + task.Result.Files[0].SHA256 + `"`
	first, _ := s.do(t, "GET", s.link(task), nil)
	modified := first.Header.Get("Last-Modified")
	tests := []struct {
		name, method string
		header       []string
		status       int
		body         string
	}{
		{"whole", "GET", nil, 200, "0123456789"},
		{"from to", "GET", []string{"Range", "bytes=2-4"}, 206, "234"},
		{"from", "GET", []string{"Range", "bytes=7-"}, 206, "789"},
		{"last", "GET", []string{"Range", "bytes=-2"}, 206, "89"},
		{"past the end", "GET", []string{"Range", "bytes=8-99"}, 206, "89"},
		{"outside", "GET", []string{"Range", "bytes=10-"}, 416, "*"},
		{"another unit", "GET", []string{"Range", "lines=1-2"}, 416, "*"},
		{"several are ignored", "GET", []string{"Range", "bytes=0-1,3-4"}, 200, "0123456789"},
		{"very many are ignored", "GET", []string{"Range", "bytes=0-" + strings.Repeat(",0-", 10_000)}, 200, "0123456789"},
		{"range of HEAD is ignored", "HEAD", []string{"Range", "bytes=2-4"}, 200, ""},
		{"if range holds", "GET", []string{"Range", "bytes=2-4", "If-Range", etag}, 206, "234"},
		{"if range holds by date", "GET", []string{"Range", "bytes=2-4", "If-Range", modified}, 206, "234"},
		{"if range fails", "GET", []string{"Range", "bytes=2-4", "If-Range", `"other"`}, 200, "0123456789"},
		{"weak if range fails", "GET", []string{"Range", "bytes=2-4", "If-Range", "W/" + etag}, 200, "0123456789"},
		{"known", "GET", []string{"If-None-Match", `"x", W/` + etag}, 304, ""},
		{"known, HEAD", "HEAD", []string{"If-None-Match", etag}, 304, ""},
		{"not known", "GET", []string{"If-None-Match", `"x"`}, 200, "0123456789"},
		{"not modified", "GET", []string{"If-Modified-Since", modified}, 304, ""},
		{"another expected", "GET", []string{"If-Match", `"x"`}, 412, "*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, body := s.do(t, test.method, s.link(task), nil, test.header...)
			if resp.StatusCode != test.status || test.body != "*" && body != test.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, test.status, test.body)
			}
		})
	}
}

func TestRefusedLinks(t *testing.T) {
	s := start(t, setup{})
	task := s.make(t, made{Name: "a b.txt", Content: "hello"})
	other := s.make(t, made{Name: "a b.txt", Content: "other"})
	good, err := url.Parse(s.link(task))
	if err != nil {
		t.Fatal(err)
	}
	base, path, query := s.Web.URL, good.EscapedPath(), good.RawQuery
	signature, expires, _ := strings.Cut(query, "&")
	form, fields := s.links.Form(task.ID, task.ExpiresAt)
	tests := map[string]struct{ address, host string }{
		"no query":      {base + path, ""},
		"no signature":  {base + path + "?" + expires, ""},
		"no expiry":     {base + path + "?" + signature, ""},
		"signature cut": {base + path + "?" + signature[:len(signature)-1] + "&" + expires, ""},
		"signature in capitals": {base + path + "?temp_url_sig=k1-" +
			strings.ToUpper(strings.TrimPrefix(signature, "temp_url_sig=k1-")) + "&" + expires, ""},
		"later expiry":      {base + path + "?" + query + "0", ""},
		"reordered":         {base + path + "?" + expires + "&" + signature, ""},
		"doubled":           {base + path + "?" + query + "&" + expires, ""},
		"unknown parameter": {base + path + "?" + query + "&inline=1", ""},
		"escaped parameter": {base + path + "?" + strings.Replace(query, "temp_url_expires", "temp%5Furl_expires", 1), ""},
		"another host":      {base + path + "?" + query, "evil.example.test"},
		"another task":      {base + strings.Replace(path, string(task.ID), string(other.ID), 1) + "?" + query, ""},
		"task in capitals": {base + strings.Replace(path, string(task.ID), strings.ToUpper(string(task.ID)), 1) + "?" +
			query, ""},
		"another name":     {base + strings.Replace(path, ".txt", ".TXT", 1) + "?" + query, ""},
		"another spelling": {base + strings.Replace(path, "a", "%61", 1) + "?" + query, ""},
		"more segments":    {base + path + "/x?" + query, ""},
		"slash at the end": {base + path + "/?" + query, ""},
		"slash doubled":    {base + "/" + path + "?" + query, ""},
		"no name":          {base + "/storage/" + string(task.ID) + "/?" + query, ""},
		"no task":          {base + "/storage/?" + query, ""},
		"nothing":          {base + "/storage", ""},
		"expired":          {s.links.Download(task.ID, "a b.txt", s.Clock.Now().Add(-time.Second)), ""},
		"permission of a form": {form + "/a%20b.txt?temp_url_sig=" + fields[1].Value + "&temp_url_expires=" +
			fields[0].Value, ""},
	}
	var text string
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			header := []string{}
			if test.host != "" {
				header = []string{"Host", test.host}
			}
			resp, body := s.do(t, "GET", test.address, nil, header...)
			if text == "" {
				text = body
			}
			if resp.StatusCode != 403 || body != text || !strings.Contains(body, `"code":"FORBIDDEN"`) {
				t.Errorf("got %d %s, want 403 %s", resp.StatusCode, body, text)
			}
		})
	}
	if resp, body := s.do(t, "GET", good.String(), nil); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("the good link gives %d %s", resp.StatusCode, body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if resp, _ := s.do(t, method, good.String(), nil); resp.StatusCode != 405 {
			t.Errorf("%s: got %d, want 405", method, resp.StatusCode)
		}
	}
}

func TestLinkOfWhatIsGone(t *testing.T) {
	s := start(t, setup{})
	task := s.make(t, made{Name: "a.txt", Content: "hello"})
	address := s.link(task)
	resp, _ := s.do(t, "GET", address, nil)
	etag := resp.Header.Get("ETag")
	if err := s.DeleteTask(t.Context(), s.User, task.ID); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		method string
		header []string
	}{
		"GET": {"GET", nil}, "HEAD": {"HEAD", nil}, "range": {"GET", []string{"Range", "bytes=1-2"}},
		"revalidation": {"GET", []string{"If-None-Match", etag}},
	} {
		if resp, _ := s.do(t, test.method, address, nil, test.header...); resp.StatusCode != 404 {
			t.Errorf("%s: got %d, want 404", name, resp.StatusCode)
		}
	}
}

func TestExpiryWhileSending(t *testing.T) {
	s := start(t, setup{})
	const size = 32 << 20 // more than the buffers of a connection hold
	task := s.make(t, made{Name: "zeros", Zeros: size})
	resp, err := http.Get(s.link(task))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.Clock.Advance(25 * time.Hour)
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("what was begun gives %d bytes and %v, want all %d", n, err, size)
	}
	if resp, _ := s.do(t, "GET", s.link(task), nil); resp.StatusCode != 403 {
		t.Errorf("got %d after the end, want 403", resp.StatusCode)
	}
}

func TestDeletedWhileSending(t *testing.T) {
	s := start(t, setup{})
	const size = 32 << 20
	for name, header := range map[string]string{"whole": "", "range": "bytes=1-"} {
		t.Run(name, func(t *testing.T) {
			task := s.make(t, made{Name: "zeros", Zeros: size})
			req, _ := http.NewRequestWithContext(t.Context(), "GET", s.link(task), nil)
			req.Header.Set("Range", header)
			resp, err := new(http.Client).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := s.DeleteTask(t.Context(), s.User, task.ID); err != nil {
				t.Fatal(err)
			}
			if problem := <-s.ended; problem != http.ErrAbortHandler {
				t.Errorf("the request ended with %v, want %v", problem, http.ErrAbortHandler)
			}
			if n, err := io.Copy(io.Discard, resp.Body); err == nil || n >= size-1 {
				t.Errorf("got %d bytes and no error; the connection was not cut", n)
			}
		})
	}
}

func TestStuckClientIsCut(t *testing.T) {
	s := start(t, setup{limits: func(l *engine.Limits) { l.Idle = 50 * time.Millisecond }})
	task := s.make(t, made{Name: "zeros", Zeros: 32 << 20})
	resp, err := http.Get(s.link(task))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if problem := <-s.ended; problem != http.ErrAbortHandler { // nothing is read meanwhile
		t.Errorf("the request ended with %v, want %v", problem, http.ErrAbortHandler)
	}
}

// TestDeadlineIsLifted asks that the deadline of one answer cannot end the next on the same connection.
func TestDeadlineIsLifted(t *testing.T) {
	deadlines := make(chan time.Time, 100)
	s := start(t, setup{listener: func(l net.Listener) net.Listener { return timedListener{l, deadlines} }})
	task := s.make(t, made{Name: "a", Content: "hello"})
	if resp, body := s.do(t, "GET", s.link(task), nil); resp.StatusCode != 200 || body != "hello" {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	<-s.ended
	var last time.Time
	set := len(deadlines)
	for range set {
		last = <-deadlines
	}
	if set < 2 || !last.IsZero() {
		t.Errorf("of %d deadlines the last is %v, want none at the end", set, last)
	}
}

type timedListener struct {
	net.Listener
	deadlines chan<- time.Time
}

func (l timedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return timedConn{conn.(*net.TCPConn), l.deadlines}, nil
}

type timedConn struct {
	*net.TCPConn
	deadlines chan<- time.Time
}

func (c timedConn) SetWriteDeadline(at time.Time) error {
	c.deadlines <- at
	return c.TCPConn.SetWriteDeadline(at)
}

func TestDisplay(t *testing.T) {
	const (
		sandbox = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
		pdf     = "%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n"
		script  = "%PDF-1.7\n1 0 obj << /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >> endobj\n"
		mp4     = "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
		svg     = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
		html    = "<!DOCTYPE html><html><script>alert(1)</script></html>"
	)
	tests := []struct {
		name      string
		file      made
		ownHost   bool
		kind      string
		sandboxed bool
	}{
		{"text", made{Name: "a.txt", Content: "hello", Inline: true}, false, "inline", true},
		{"not asked for", made{Name: "a.txt", Content: "hello"}, true, "attachment", true},
		{"html", made{Name: "a.html", Content: html, Inline: true}, false, "attachment", true},
		{"html called text", made{Name: "a.txt", Content: html, Inline: true}, false, "attachment", true},
		{"html on a host of its own", made{Name: "a.html", Content: html, Inline: true}, true, "inline", true},
		{"svg", made{Name: "a.svg", Content: svg, Inline: true}, false, "attachment", true},
		{"svg called png", made{Name: "a.png", Content: svg, Inline: true}, false, "attachment", true},
		{"svg on a host of its own", made{Name: "a.svg", Content: svg, Inline: true}, true, "inline", true},
		{"xml", made{Name: "a.xml", Content: `<?xml version="1.0"?><a/>`, Inline: true}, false, "attachment", true},
		{"wasm", made{Name: "a.wasm", Content: "\x00asm\x01\x00\x00\x00", Inline: true}, false, "attachment", true},
		{"mp4", made{Name: "a.mp4", Content: mp4, Inline: true}, false, "inline", false},
		{"mp3", made{Name: "a.mp3", Content: "ID3\x04\x00\x00\x00\x00\x00\x01", Inline: true}, false, "inline", false},
		{"png", made{Name: "a.png", Content: "\x89PNG\r\n\x1a\n", Inline: true}, false, "inline", false},
		{"pdf", made{Name: "a.pdf", Content: pdf, Inline: true}, false, "inline", false},
		{"pdf with a script", made{Name: "a.pdf", Content: script, Inline: true}, false, "attachment", true},
		{"pdf with a script on a host of its own", made{Name: "a.pdf", Content: script, Inline: true}, true, "inline", true},
	}
	servers := map[bool]*server{false: start(t, setup{}), true: start(t, setup{options: downloads.Options{OwnHost: true}})}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := servers[test.ownHost]
			resp, _ := s.do(t, "GET", s.link(s.make(t, test.file)), nil)
			kind, _, _ := strings.Cut(resp.Header.Get("Content-Disposition"), ";")
			policy := resp.Header.Get("Content-Security-Policy")
			if resp.StatusCode != 200 || kind != test.kind || (policy == sandbox) != test.sandboxed {
				t.Errorf("%s: got %d, %s, %s", resp.Header.Get("Content-Type"), resp.StatusCode, kind, policy)
			}
			if !strings.HasPrefix(policy, "default-src 'none'") {
				t.Errorf("the policy is %s", policy)
			}
		})
	}
}
