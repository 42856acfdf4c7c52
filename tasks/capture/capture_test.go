package capture_test

import (
	"fmt"
	"image"
	_ "image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/capture"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// TestMain makes this test binary be a launcher when it is started as one.
func TestMain(m *testing.M) {
	toolbox.Launch()
	os.Exit(m.Run())
}

const canaryText = "canary-7f3a9c"

// site is a web server on a loopback address that remembers what it was asked.
type site struct {
	url  string
	mu   sync.Mutex
	seen []string // path, and the header X-Secret
}

func newSite(t *testing.T, address string, serve http.HandlerFunc) *site {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.URL.Path+" "+r.Header.Get("X-Secret"))
		s.mu.Unlock()
		serve(w, r)
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// web is a server that may be called and one that may not.
type web struct{ open, canary, other *site }

func newWeb(t *testing.T) *web {
	w := &web{}
	w.canary = newSite(t, "127.0.0.1", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, canaryText) })
	w.other = newSite(t, "127.0.0.3", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<p>other") })
	w.open = newSite(t, "127.0.0.2", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		for _, to := range []*site{w.canary, w.other} {
			if to == w.canary && r.URL.Path == "/redirect" || to == w.other && r.URL.Path == "/other" {
				http.Redirect(rw, r, to.url+"/moved", http.StatusFound)
				return
			}
		}
		switch r.URL.Path {
		case "/download":
			rw.Header().Set("Content-Disposition", "attachment")
		case "/frames":
			fmt.Fprintf(rw, `<iframe src="%s/frame"></iframe><img src="%[1]s/img"><iframe src="file:///etc/passwd"></iframe>`+
				`<script>fetch("%[1]s/fetch").catch(()=>{});new WebSocket("%[2]s/socket");navigator.sendBeacon("%[1]s/beacon")</script>`,
				w.canary.url, strings.Replace(w.canary.url, "http", "ws", 1))
		}
		fmt.Fprint(rw, `<!doctype html><body style="margin:0"><p>seen</p><div style="height:1200px"></div>`)
	})
	return w
}

// server runs the operation, which may call 127.0.0.2 and 127.0.0.3 alone.
func server(t *testing.T) *enginetest.Server {
	t.Helper()
	policy := egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/31")})
	box, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Egress: policy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	operation, ok := capture.Operation(t.Context(), box)
	if !ok {
		enginetest.Missing(t, "Chromium or bubblewrap")
	}
	return enginetest.Start(t, operation)
}

func run(t *testing.T, s *enginetest.Server, params string) engine.Task {
	t.Helper()
	job := s.MustSubmit(t, enginetest.Task("do", "capture-website", params))
	return enginetest.Named(t, s.MustEnd(t, job.ID), "do")
}

// output is the path of the only file of a task.
func output(t *testing.T, s *enginetest.Server, task engine.Task) string {
	t.Helper()
	if task.Status != engine.StatusFinished || len(task.Result.Files) != 1 {
		t.Fatalf("got %s %s", task.Code, task.Message)
	}
	src, err := s.Files.Open(t.Context(), task.Result.Files[0].Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	content, err := io.ReadAll(src)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func text(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pdftotext", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCapture(t *testing.T) {
	s, w := server(t), newWeb(t)
	t.Run("pdf", func(t *testing.T) {
		task := run(t, s, `{"url":"`+w.open.url+`/page","output_format":"pdf"}`)
		if got := text(t, output(t, s, task)); !strings.Contains(got, "seen") {
			t.Errorf("the PDF has %q", got)
		}
		if got := task.Result.Files[0].Name; got != "127.0.0.2.pdf" {
			t.Errorf("the file is called %s", got)
		}
	})
	t.Run("png", func(t *testing.T) {
		f, err := os.Open(output(t, s, run(t, s, `{"url":"`+w.open.url+`","output_format":"png","screen_width":"500","wait_until":"networkidle0"}`)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, format, err := image.DecodeConfig(f)
		if err != nil || format != "png" || got.Width != 500 || got.Height <= 1200 || got.Height > 1400 {
			t.Errorf("got %s %d x %d, %v", format, got.Width, got.Height, err)
		}
	})
	t.Run("headers", func(t *testing.T) {
		run(t, s, `{"url":"`+w.open.url+`/other","output_format":"pdf","headers":{"X-Secret":"s3cret"}}`)
		if got := w.open.asked(); got[len(got)-1] != "/other s3cret" {
			t.Errorf("the page was asked for with %q", got)
		}
		if got := strings.Join(w.other.asked(), ","); !strings.HasPrefix(got, "/moved ") || strings.Contains(got, "s3cret") {
			t.Errorf("the other server was asked for %q", got)
		}
	})
	t.Run("nothing else is called", func(t *testing.T) {
		got := text(t, output(t, s, run(t, s, `{"url":"`+w.open.url+`/frames","output_format":"pdf","wait_time":300}`)))
		if !strings.Contains(got, "seen") || strings.Contains(got, canaryText) || strings.Contains(got, "nobody") {
			t.Errorf("the PDF has %q", got)
		}
	})
	for name, url := range map[string]string{"private": w.canary.url, "redirect": w.open.url + "/redirect"} {
		t.Run(name, func(t *testing.T) {
			task := run(t, s, `{"url":"`+url+`","output_format":"pdf"}`)
			if task.Code != engine.Denied || !strings.Contains(task.Message, egress.ErrRefused.Error()) {
				t.Errorf("got %s %s %s", task.Status, task.Code, task.Message)
			}
		})
	}
	t.Run("download", func(t *testing.T) {
		if task := run(t, s, `{"url":"`+w.open.url+`/download","output_format":"pdf"}`); task.Code != engine.Invalid {
			t.Errorf("got %s %s %s", task.Status, task.Code, task.Message)
		}
	})
	if got := w.canary.asked(); len(got) > 0 {
		t.Errorf("the canary was asked for %q", got)
	}
}

func TestCheck(t *testing.T) {
	box, err := toolbox.New(t.Context(), toolbox.Config{Sandbox: toolbox.Refused})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	operation, ok := capture.Operation(t.Context(), box)
	if ok {
		t.Fatal("it is offered without a sandbox")
	}
	for name, tt := range map[string]struct{ params, field string }{
		"file":        {`{"url":"file:///etc/passwd","output_format":"pdf"}`, "url"},
		"browser":     {`{"url":"chrome://version","output_format":"pdf"}`, "url"},
		"data":        {`{"url":"data:text/html,x","output_format":"pdf"}`, "url"},
		"source":      {`{"url":"view-source:http://x.test","output_format":"pdf"}`, "url"},
		"script":      {`{"url":"javascript:1","output_format":"pdf"}`, "url"},
		"no host":     {`{"url":"http:///x","output_format":"pdf"}`, "url"},
		"format":      {`{"url":"http://x.test","output_format":"gif"}`, "output_format"},
		"header name": {`{"url":"http://x.test","output_format":"pdf","headers":{"a b":"c"}}`, "headers"},
		"host header": {`{"url":"http://x.test","output_format":"pdf","headers":{"host":"c"}}`, "headers"},
		"header line": {`{"url":"http://x.test","output_format":"pdf","headers":{"a":"b\nc"}}`, "headers"},
		"pages":       {`{"url":"http://x.test","output_format":"pdf","pages":"x"}`, "pages"},
		"zoom":        {`{"url":"http://x.test","output_format":"pdf","zoom":3}`, "zoom"},
		"wait_until":  {`{"url":"http://x.test","output_format":"pdf","wait_until":"never"}`, "wait_until"},
		"fine":        {`{"url":"HTTPS://x.test/?a=b","output_format":"jpg","zoom":3,"headers":{"Authorization":"b c"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			params, problems := operation.Params.Decode([]byte(tt.params))
			if problems == nil {
				problems = operation.Check(params, nil)
			}
			if tt.field == "" && len(problems) > 0 || tt.field != "" && (len(problems) != 1 || problems[0].Field != tt.field) {
				t.Errorf("got %v, want one of %q", problems, tt.field)
			}
		})
	}
}
