package files_test

import (
	"bufio"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api/apitest"
	"github.com/gantry-engine/gantry/engine"
)

func TestUploadForms(t *testing.T) {
	c, _ := start(t)
	long := strings.Repeat("é", 200) + ".txt"
	tests := []struct {
		name, query, body string
		headers           []string
		filename, mime    string
		size              string
		content           string // if not the body
	}{
		{name: "raw", query: "?filename=a.txt", body: "hello", headers: []string{"Content-Type", "text/plain"},
			filename: "a.txt", mime: "text/plain", size: "5"},
		{name: "its type is kept as it is sent", query: "?filename=a.txt", body: "hello",
			headers:  []string{"Content-Type", "text/plain; charset=iso-8859-1"},
			filename: "a.txt", mime: "text/plain; charset=iso-8859-1", size: "5"},
		{name: "nothing said", body: "%PDF-1.7\n", filename: "file.pdf", mime: "application/pdf", size: "9"},
		{name: "what curl says by itself", body: "hello", headers: []string{"Content-Type", "application/x-www-form-urlencoded"},
			filename: "file.txt", mime: "text/plain", size: "5"},
		{name: "a disposition", body: "x", headers: []string{"Content-Disposition", `attachment; filename="b.txt"; filename*=UTF-8''%C3%BC.txt`},
			filename: "ü.txt", mime: "text/plain", size: "1"},
		{name: "the query before the disposition", query: "?filename=c.txt", body: "x",
			headers: []string{"Content-Disposition", `attachment; filename="b.txt"`}, filename: "c.txt", mime: "text/plain", size: "1"},
		{name: "empty", query: "?filename=e.txt", headers: []string{"Content-Type", "text/plain"}, filename: "e.txt", mime: "text/plain", size: "0"},
		{name: "the JSON form", body: `{"content_type":"text/csv","data":"YSxiCg=="}`, headers: []string{"Content-Type", "application/json"},
			filename: "file.txt", mime: "text/csv", size: "4", content: "a,b\n"},
		{name: "URL-safe and unpadded", query: "?filename=u", body: `{"data":"-_8","content_type":"image/x"}`,
			headers: []string{"Content-Type", "application/json; charset=utf-8"}, filename: "u", mime: "image/x", size: "2", content: "\xfb\xff"},
		{name: "the JSON form, but raw", query: "?alt=media&filename=f.json", body: `{"content_type":"text/csv","data":"YSxiCg=="}`,
			headers: []string{"Content-Type", "application/json"}, filename: "f.json", mime: "application/json", size: "45"},
		{name: "JSON with a member more", query: "?filename=g.json", body: `{"content_type":"text/csv","data":"YSxiCg==","x":"1"}`,
			headers: []string{"Content-Type", "application/json"}, filename: "g.json", mime: "application/json", size: "53"},
		{name: "JSON with a member less", query: "?filename=g.json", body: `{"data":"YSxiCg=="}`,
			headers: []string{"Content-Type", "application/json"}, filename: "g.json", mime: "application/json", size: "19"},
		{name: "no base64", query: "?filename=g.json", body: `{"content_type":"text/csv","data":"YSxiCg="}`,
			headers: []string{"Content-Type", "application/json"}, filename: "g.json", mime: "application/json", size: "44"},
		{name: "null", query: "?filename=g.json", body: `{"content_type":null,"data":"YQ=="}`,
			headers: []string{"Content-Type", "application/json"}, filename: "g.json", mime: "application/json", size: "35"},
		{name: "path", query: "?filename=" + url.QueryEscape(`..\../../etc/passwd`), body: "x", filename: "passwd", mime: "text/plain", size: "1"},
		{name: "header in the name", query: "?filename=" + url.QueryEscape("a\r\nX-Evil: 1\x00\"\u202egpj.txt"), body: "x",
			filename: `aX-Evil: 1"gpj.txt`, mime: "text/plain", size: "1"},
		{name: "long name", query: "?filename=" + url.QueryEscape(long), body: "x", filename: strings.Repeat("é", 125) + ".txt", mime: "text/plain", size: "1"},
		{name: "type that attacks", query: "?filename=a.txt", body: "x", headers: []string{"Content-Type", "text/html é"},
			filename: "a.txt", mime: "text/plain", size: "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := metadataOf(t, c.Call(t, "POST", c.files(":upload"+tt.query), tt.body, tt.headers...))
			if m.Filename != tt.filename || m.MIMEType != tt.mime || m.SizeBytes != tt.size {
				t.Errorf("got %+v, want %q %q %s", m, tt.filename, tt.mime, tt.size)
			}
			if !strings.HasPrefix(m.Name, "organizations/"+string(c.organisation)+"/files/") {
				t.Errorf("got name %q", m.Name)
			}
			if _, err := time.Parse(time.RFC3339, m.CreateTime); err != nil {
				t.Error(err)
			}
			if again := metadataOf(t, c.Call(t, "GET", c.files("/"+m.id()+"/metadata"), "")); again != m {
				t.Errorf("later %+v, first %+v", again, m)
			}
			want := tt.content
			if want == "" {
				want = tt.body
			}
			d := c.Call(t, "GET", c.files("/"+m.id()+":download"), "")
			if d.Body != want || d.Header.Get("Content-Type") != tt.mime || d.Header.Get("X-Evil") != "" {
				t.Errorf("got %q %v", d.Body, d.Header)
			}
			kind, params, err := mime.ParseMediaType(d.Header.Get("Content-Disposition"))
			if err != nil || kind != "attachment" || params["filename"] != tt.filename {
				t.Errorf("got disposition %q (%v)", d.Header.Get("Content-Disposition"), err)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "private",
				"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"} {
				if got := d.Header.Get(name); got != want {
					t.Errorf("%s: got %q", name, got)
				}
			}
		})
	}
}

// TestLargeJSON holds that the JSON form is never stored as it is because it is too large, and other JSON always is.
func TestLargeJSON(t *testing.T) {
	c, _ := start(t)
	long := strings.Repeat("A", 32<<20)
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"data last":   {`{"content_type":"text/csv","data":"` + long + `"}`, 413},
		"data first":  {` { "data" : "` + long + `","content_type":"text/csv"}`, 413},
		"other JSON":  {`{"content_type":"text/csv","rows":"` + long + `"}`, 200},
		"a list":      {`["` + long + `"]`, 200},
		"not a text":  {`{"data":[1,"` + long + `"]}`, 200},
		"not JSON":    {`{"data":` + long + `}`, 200},
		"as a number": {`{"content_type":1,"data":"` + long + `"}`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.Call(t, "POST", c.files(":upload"), test.body, "Content-Type", "application/json")
			if a.Status != test.want || test.want == 413 && !strings.Contains(a.Body, "32 MiB") {
				t.Errorf("got %d %.200s", a.Status, a.Body)
			}
		})
	}
}

func TestDownload(t *testing.T) {
	c, _ := start(t)
	m := c.upload(t, "a.txt", "0123456789")
	at := c.files("/" + m.id() + ":download")
	whole := c.Call(t, "GET", at, "")
	if part := c.Call(t, "GET", at, "", "Range", "bytes=2-4"); part.Status != 206 || part.Body != "234" {
		t.Errorf("range: got %d %q", part.Status, part.Body)
	}
	if same := c.Call(t, "GET", at, "", "If-None-Match", whole.Header.Get("ETag")); same.Status != 304 || same.Body != "" {
		t.Errorf("revalidation: got %d %q", same.Status, same.Body)
	}
	if head := c.Call(t, "HEAD", at, ""); head.Status != 200 || head.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: got %d %v", head.Status, head.Header)
	}
	if escaped := c.Call(t, "GET", strings.Replace(at, ":download", "%3Adownload", 1), ""); escaped.Body != "0123456789" {
		t.Errorf("escaped colon: got %d %q", escaped.Status, escaped.Body)
	}
	c.Token = "Bearer " + c.Token
	if bare := c.Call(t, "GET", at, "", "Authorization", strings.TrimPrefix(c.Token, "Bearer ")); bare.Status != 200 {
		t.Errorf("bare token: got %d %s", bare.Status, bare.Body)
	}
	if gone := c.Call(t, "DELETE", c.files("/"+m.id()), "", "Authorization", c.Token); gone.Status != 200 || gone.Body != "{}" {
		t.Errorf("delete: got %d %q", gone.Status, gone.Body)
	}
	for _, path := range []string{at, c.files("/" + m.id() + "/metadata")} {
		if a := c.Call(t, "GET", path, "", "Authorization", c.Token); a.Status != 404 {
			t.Errorf("%s after the deletion: got %d", path, a.Status)
		}
	}
}

// TestOthersSeeNothing probes every route as a member of another organisation, with its own organisation in the path and with
// theirs, and without a key, and with a key that may not.
func TestOthersSeeNothing(t *testing.T) {
	mine, theirs := start(t)
	m := mine.upload(t, "secret.txt", "secret")
	routes := [][2]string{
		{"POST", ":upload"}, {"POST", ":generateUploadUrl"}, {"GET", "/ID:download"}, {"HEAD", "/ID:download"}, {"GET", "/ID/metadata"},
		{"POST", "/ID:generateDownloadUrl"}, {"DELETE", "/ID"},
	}
	for _, r := range routes {
		method, path := r[0], strings.Replace(r[1], "ID", m.id(), 1)
		if a := theirs.Call(t, method, mine.files(path), ""); a.Status != 404 || strings.Contains(a.Body, "secret") {
			t.Errorf("%s %s as a stranger: got %d %s", method, path, a.Status, a.Body)
		}
		if strings.Contains(path, m.id()) {
			if a := theirs.Call(t, method, theirs.files(path), ""); a.Status != 404 {
				t.Errorf("%s %s in another organisation: got %d %s", method, path, a.Status, a.Body)
			}
		}
		for _, header := range []string{"", "Bearer", "Bearer x", "x", "Token " + mine.Token, "Basic " + mine.Token} {
			if a := mine.Call(t, method, mine.files(path), "", "Authorization", header); a.Status != 401 {
				t.Errorf("%s %s with %q: got %d", method, path, header, a.Status)
			}
		}
		weak := mine.Key(t, "me", engine.ScopeTaskRead, engine.ScopeTaskWrite)
		if a := mine.Call(t, method, mine.files(path), "", "Authorization", weak); a.Status != 403 {
			t.Errorf("%s %s without the scope: got %d", method, path, a.Status)
		}
	}
	for _, id := range []string{"x", strings.ToUpper(m.id()), "..%2F" + m.id(), m.id() + ":download", string(engine.NewID())} {
		if a := mine.Call(t, "GET", mine.files("/"+id+"/metadata"), ""); a.Status != 404 {
			t.Errorf("%s: got %d", id, a.Status)
		}
	}
	if got := metadataOf(t, mine.Call(t, "GET", mine.files("/"+m.id()+"/metadata"), "")); got != m {
		t.Errorf("the file is %+v now", got)
	}
}

func TestWrongMethods(t *testing.T) {
	c, _ := start(t)
	m := c.upload(t, "a.txt", "x")
	up := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
	down := text(t, c.Call(t, "POST", c.files("/"+m.id()+":generateDownloadUrl"), ""), "download_uri")
	for _, tt := range []struct{ method, at, allow string }{
		{"GET", c.files(":upload"), "POST"},
		{"POST", c.files("/" + m.id() + ":download"), "GET, HEAD"},
		{"PATCH", c.files("/" + m.id()), "DELETE"},
		{"GET", up, "POST, PUT"},
		{"DELETE", up, "POST, PUT"},
		{"PUT", down, "GET, HEAD"},
		{"POST", down, "GET, HEAD"},
		{"DELETE", down, "GET, HEAD"},
	} {
		if a := c.Call(t, tt.method, tt.at, ""); a.Status != 405 || a.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: got %d, allowed %q, want %q", tt.method, tt.at, a.Status, a.Header.Get("Allow"), tt.allow)
		}
	}
	for _, path := range []string{c.files(":nothing"), c.files("/" + m.id() + ":nothing"), c.files(""), c.files("/:download"), c.files(":upload/x")} {
		if a := c.Call(t, "POST", path, ""); a.Status != 404 && a.Status != 405 {
			t.Errorf("%s: got %d", path, a.Status)
		}
	}
}

var expires = regexp.MustCompile(`temp_url_expires=(\d+)$`)

func TestDurations(t *testing.T) {
	c, _ := start(t)
	week := "604800s"
	for _, tt := range []struct {
		body string
		want time.Duration // zero: refused
	}{
		{"", time.Hour},
		{"{}", time.Hour},
		{`{"expire_duration":null}`, time.Hour},
		{`{"expire_duration":"3600s"}`, time.Hour},
		{`{"expireDuration":"60s"}`, time.Minute},
		{`{"expire_duration":"3.5s"}`, 3500 * time.Millisecond},
		{`{"expire_duration":"0.000000001s"}`, time.Nanosecond},
		{`{"expire_duration":"` + week + `"}`, 7 * 24 * time.Hour},
		{`{"expire_duration":"604800.1s"}`, 0},
		{`{"expire_duration":"315576000000s"}`, 0},
		{`{"expire_duration":"999999999999999999999s"}`, 0},
		{`{"expire_duration":"0s"}`, 0},
		{`{"expire_duration":"-1s"}`, 0},
		{`{"expire_duration":"1h"}`, 0},
		{`{"expire_duration":"3600"}`, 0},
		{`{"expire_duration":"1e3s"}`, 0},
		{`{"expire_duration":"+1s"}`, 0},
		{`{"expire_duration":" 1s"}`, 0},
		{`{"expire_duration":".5s"}`, 0},
		{`{"expire_duration":"1.s"}`, 0},
		{`{"expire_duration":""}`, 0},
		{`{"expire_duration":3600}`, 0},
	} {
		t.Run(tt.body, func(t *testing.T) {
			before := c.Clock.Now()
			a := c.Call(t, "POST", c.files(":generateUploadUrl"), tt.body)
			if tt.want == 0 {
				if a.Status != 400 || !strings.Contains(a.Body, `"expire_duration"`) {
					t.Errorf("got %d %s", a.Status, a.Body)
				}
				return
			}
			var unix int64
			if _, err := fmt.Sscan(expires.FindStringSubmatch(text(t, a, "upload_uri"))[1], &unix); err != nil {
				t.Fatal(err)
			}
			end := time.Unix(unix, 0)
			if earliest := before.Add(tt.want); end.Before(earliest) || end.After(earliest.Add(2*time.Second)) {
				t.Errorf("it ends at %v, asked for at %v", end, before)
			}
		})
	}
	for _, body := range []string{"[]", "{", `"3600s"`, "3600s"} {
		if a := c.Call(t, "POST", c.files(":generateUploadUrl"), body); a.Status != 400 {
			t.Errorf("%s: got %d %s", body, a.Status, a.Body)
		}
	}
}

func TestUploadURL(t *testing.T) {
	c, _ := start(t)
	for _, method := range []string{"PUT", "POST"} {
		t.Run(method, func(t *testing.T) {
			at := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), "{}"), "upload_uri")
			m := metadataOf(t, c.Call(t, method, at, "hello", "Authorization", "", "Content-Type", "text/plain",
				"Content-Disposition", `attachment; filename="a.txt"`))
			if m.Filename != "a.txt" || m.SizeBytes != "5" || m.MIMEType != "text/plain" {
				t.Errorf("got %+v", m)
			}
			if a := c.Call(t, method, at, "other", "Authorization", ""); a.Status != 409 {
				t.Errorf("a second use: got %d %s", a.Status, a.Body)
			}
			d := c.Call(t, "GET", c.files("/"+m.id()+":download"), "")
			if d.Body != "hello" {
				t.Errorf("after the second use it has %q", d.Body)
			}
			c.Call(t, "DELETE", c.files("/"+m.id()), "")
			if a := c.Call(t, method, at, "other", "Authorization", ""); a.Status != 409 {
				t.Errorf("a use after the deletion: got %d %s", a.Status, a.Body)
			}
		})
	}
	t.Run("a name added", func(t *testing.T) {
		at := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
		if m := metadataOf(t, c.Call(t, "PUT", at+"&filename=b%20c.txt", "x", "Authorization", "")); m.Filename != "b c.txt" {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("JSON is a file there", func(t *testing.T) {
		at := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
		body := `{"content_type":"text/csv","data":"YQ=="}`
		m := metadataOf(t, c.Call(t, "PUT", at, body, "Authorization", "", "Content-Type", "application/json"))
		if m.SizeBytes != fmt.Sprint(len(body)) {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("two at once", func(t *testing.T) {
		at := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
		answers := make([]apitest.Answer, 4)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = c.Call(t, "PUT", at, strings.Repeat("x", 1+i), "Authorization", "") })
		}
		all.Wait()
		came := 0
		for _, a := range answers {
			if a.Status == 200 {
				came++
			} else if a.Status != 409 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		}
		if came != 1 {
			t.Errorf("%d came", came)
		}
	})
	t.Run("its organisation is gone", func(t *testing.T) {
		at := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
		if err := c.Engine.Store.Organisations.RemoveOrganisation(t.Context(), c.organisation); err != nil {
			t.Fatal(err)
		}
		if a := c.Call(t, "PUT", at, "x", "Authorization", ""); a.Status != 404 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	})
}

func TestTamperedURLs(t *testing.T) {
	mine, theirs := start(t)
	m, other := mine.upload(t, "a.txt", "secret"), theirs.upload(t, "b.txt", "theirs")
	up := text(t, mine.Call(t, "POST", mine.files(":generateUploadUrl"), `{"expire_duration":"60s"}`), "upload_uri")
	down := text(t, mine.Call(t, "POST", mine.files("/"+m.id()+":generateDownloadUrl"), `{"expire_duration":"60s"}`), "download_uri")
	if a := mine.Call(t, "GET", down, "", "Authorization", ""); a.Status != 200 || a.Body != "secret" || a.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("untouched: got %d %s", a.Status, a.Body)
	}
	swap := func(from, to string) func(string) string {
		return func(s string) string { return strings.Replace(s, from, to, 1) }
	}
	for name, tamper := range map[string]func(string) string{
		"end":              func(s string) string { return expires.ReplaceAllString(s, "temp_url_expires=99999999999") },
		"file":             swap(m.id(), other.id()),
		"organisation":     swap(string(mine.organisation), string(theirs.organisation)),
		"name":             swap("/a.txt?", "/b.txt?"),
		"signature":        func(s string) string { return swap("temp_url_sig=k-", "temp_url_sig=k-0")(s) },
		"no query":         func(s string) string { return s[:strings.IndexByte(s, '?')] },
		"parameter":        func(s string) string { return s + "&x=1" },
		"name and more":    func(s string) string { return s + "&filename=x&temp_url_expires=99999999999" },
		"query twice":      func(s string) string { return s + "&" + s[strings.IndexByte(s, '?')+1:] },
		"slash":            swap("?", "/?"),
		"dots":             swap("/storage/", "/storage/./"),
		"lower case":       strings.ToLower,
		"upload for read":  func(s string) string { return down[:strings.IndexByte(down, '?')] + up[strings.IndexByte(up, '?'):] },
		"read for upload":  func(s string) string { return up[:strings.IndexByte(up, '?')] + down[strings.IndexByte(down, '?'):] },
		"another's upload": swap(up[strings.LastIndexByte(up, '/')+1:strings.IndexByte(up, '?')], string(engine.NewID())),
	} {
		t.Run(name, func(t *testing.T) {
			for method, at := range map[string]string{"GET": down, "HEAD": down, "PUT": up, "POST": up} {
				changed := tamper(at)
				if changed == at {
					continue
				}
				if a := mine.Call(t, method, changed, "evil", "Authorization", ""); a.Status < 400 || strings.Contains(a.Body, "secret") || strings.Contains(a.Body, "theirs") {
					t.Errorf("%s: got %d %s", method, a.Status, a.Body)
				}
			}
		})
	}
	mine.Clock.Advance(2 * time.Minute)
	for method, at := range map[string]string{"GET": down, "HEAD": down, "PUT": up, "POST": up} {
		if a := mine.Call(t, method, at, "late", "Authorization", ""); a.Status != 403 {
			t.Errorf("expired, %s: got %d %s", method, a.Status, a.Body)
		}
	}
	again := text(t, mine.Call(t, "POST", mine.files("/"+m.id()+":generateDownloadUrl"), ""), "download_uri")
	mine.Call(t, "DELETE", mine.files("/"+m.id()), "")
	for _, method := range []string{"GET", "HEAD"} {
		if a := mine.Call(t, method, again, "", "Authorization", "", "Range", "bytes=0-1"); a.Status != 404 {
			t.Errorf("a link to what was deleted, %s: got %d", method, a.Status)
		}
	}
}

// TestBrokenUploads ends uploads before their length is reached, and lies about it.
func TestBrokenUploads(t *testing.T) {
	c, _ := start(t)
	up := text(t, c.Call(t, "POST", c.files(":generateUploadUrl"), ""), "upload_uri")
	target, err := url.Parse(up)
	if err != nil {
		t.Fatal(err)
	}
	auth := "Authorization: Bearer " + c.Token + "\r\n"
	for name, request := range map[string]string{
		"ends early":        "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 10\r\n\r\nhello",
		"chunk ends early":  "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\na\r\nhello",
		"no last chunk":     "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"negative":          "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: -1\r\n\r\nhello",
		"two lengths":       "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"too large":         "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 99999999999999\r\n\r\nhello",
		"JSON ends early":   "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{}",
		"compressed":        "POST " + c.files(":upload") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
		"upload ends early": "PUT " + target.RequestURI() + " HTTP/1.1\r\nHost: " + target.Host + "\r\nContent-Length: 10\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", target.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				resp.Body.Close()
			}
			if err == nil && resp.StatusCode < 400 {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
	left, err := c.Store.Blobs(t.Context())
	if err != nil || len(left) > 0 {
		t.Errorf("there are blobs %v (%v)", left, err)
	}
	if m := metadataOf(t, c.Call(t, "PUT", up, "hello", "Authorization", "")); m.SizeBytes != "5" {
		t.Errorf("the upload URL cannot be used after an upload that broke off: %+v", m)
	}
}
