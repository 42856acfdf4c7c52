package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/capture"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

const canaryText = "canary-7f3a9c"

// site is a web server on a loopback address that remembers what it was asked.
type site struct {
	url  string
	mu   sync.Mutex
	seen []string // path, and the header X-Secret
}

func newSite(t *testing.T, address string, serve http.HandlerFunc) *site {
	t.Helper()
	return newSiteAt(t, address+":0", serve)
}

// newSiteAt is newSite at a port of choice.
func newSiteAt(t *testing.T, address string, serve http.HandlerFunc) *site {
	t.Helper()
	listener, err := net.Listen("tcp", address)
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

func (s *site) port() string { return s.url[strings.LastIndexByte(s.url, ':')+1:] }

// web is a server that may be called and one that may not.
type web struct {
	open, canary, other *site
	udp                 string // port of a socket that must not hear anything
}

func newWeb(t *testing.T) *web {
	w := &web{udp: quiet(t)}
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
		case "/loop":
			http.Redirect(rw, r, "/loop", http.StatusFound)
			return
		case "/crash":
			fmt.Fprint(rw, `<script src="/kill"></script>`)
		case "/kill":
			killRenderers(t)
		case "/frames":
			fmt.Fprintf(rw, `<iframe src="%s/frame"></iframe><img src="%[1]s/img"><iframe src="file:///etc/passwd"></iframe>`+
				`<iframe src="chrome://version"></iframe><iframe src="data:text/html,<img src=%[1]s/data>"></iframe>`+
				`<script>new RTCPeerConnection({iceServers:[{urls:"stun:127.0.0.1:`+w.udp+`"}]}).createDataChannel("c")</script>`+
				`<script>fetch("%[1]s/fetch").catch(()=>{});new WebSocket("%[2]s/socket");navigator.sendBeacon("%[1]s/beacon")</script>`,
				w.canary.url, strings.Replace(w.canary.url, "http", "ws", 1))
		}
		fmt.Fprint(rw, `<!doctype html><body style="margin:0"><p>seen</p><div style="height:1200px"></div>`)
	})
	return w
}

// server runs the operation, which may call 127.0.0.2 and 127.0.0.3 alone.
func server(t *testing.T, options ...egress.Option) *enginetest.Server {
	t.Helper()
	policy := egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/31")}, options...)
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
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte(s.Content(t, task.Result.Files[0])), 0o600); err != nil {
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
	for path, want := range map[string]string{"/loop": "TOO_MANY_REDIRECTS", "/crash": "crashed"} {
		t.Run(path, func(t *testing.T) {
			task := run(t, s, `{"url":"`+w.open.url+path+`","output_format":"pdf"}`)
			if task.Code != engine.Invalid || !strings.Contains(task.Message, want) {
				t.Errorf("got %s %s %s", task.Status, task.Code, task.Message)
			}
			if next := run(t, s, `{"url":"`+w.open.url+`/page","output_format":"pdf"}`); next.Status != engine.StatusFinished {
				t.Errorf("the next page: got %s %s", next.Code, next.Message)
			}
		})
	}
	if got := w.canary.asked(); len(got) > 0 {
		t.Errorf("the canary was asked for %q", got)
	}
}

// quiet is the port of a UDP socket at which nothing may arrive.
func quiet(t *testing.T) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan int, 1)
	go func() {
		n, _, _ := socket.ReadFrom(make([]byte, 100))
		heard <- n
	}()
	t.Cleanup(func() {
		socket.Close()
		if n := <-heard; n > 0 {
			t.Errorf("the UDP socket got %d bytes", n)
		}
	})
	_, port, _ := net.SplitHostPort(socket.LocalAddr().String())
	return port
}

// killRenderers ends the processes in which this test's browsers draw.
func killRenderers(t *testing.T) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file) // it can have ended
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if bytes.Contains(line, []byte("--type=renderer")) && below(pid, os.Getpid()) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// below reports whether a process descends from another.
func below(pid, ancestor int) bool {
	for pid > 1 && pid != ancestor {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return pid == ancestor
}

// rebinding answers 127.0.0.2, which may be called, until it has turned, and 127.0.0.1 from then on.
type rebinding struct {
	turned atomic.Bool
	lies   atomic.Int32 // answers since
}

func (r *rebinding) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if !r.turned.Load() {
		return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
	}
	r.lies.Add(1)
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// TestRebinding captures a page whose name belongs to the canary once the page is there.
func TestRebinding(t *testing.T) {
	names := &rebinding{}
	s := server(t, egress.WithResolver(names))
	page := newSite(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) {
		names.turned.Store(true)
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<p>seen<img src="/a"><iframe src="/b"></iframe><script>fetch("/c").then(r=>r.text()).then(t=>document.body.append(t)).catch(()=>0)</script>`)
	})
	canary := newSiteAt(t, "127.0.0.1:"+page.port(), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, canaryText) })
	got := text(t, output(t, s, run(t, s, `{"url":"http://rebinding.test:`+page.port()+`/","output_format":"pdf","wait_time":200}`)))
	if !strings.Contains(got, "seen") || strings.Contains(got, canaryText) {
		t.Errorf("the PDF has %q", got)
	}
	if n, asked := names.lies.Load(), canary.asked(); n == 0 || len(asked) > 0 {
		t.Errorf("the name was looked up %d times more, and the canary asked for %q", n, asked)
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
