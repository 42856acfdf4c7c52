package chrome_test

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/chrome"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
)

// newEngine returns Chromium in a box of its own, or skips the test.
func newEngine(t *testing.T) *chrome.Engine {
	t.Helper()
	return converttest.Engine(t, "Chromium or bubblewrap", chrome.New)
}

// page is one conversion of a test.
type page struct {
	content  string
	from, to convert.Format
	options  convert.Options
}

func (p page) convert(t *testing.T, e *chrome.Engine) (string, error) {
	t.Helper()
	made, err := converttest.Convert(t.Context(), t, e, p.content,
		convert.Job{From: cmp.Or(p.from, "html"), To: p.to, Options: p.options})
	if err != nil {
		return "", err
	}
	return made[0], nil
}

func of[T any](v T) *T { return &v }

// TestPagesShareNothing draws two pages of one origin in one browser, one after the other.
func TestPagesShareNothing(t *testing.T) {
	e := newEngine(t)
	page := page{to: "pdf", content: `<p id=p></p><script>
		p.textContent = "found [" + document.cookie + (localStorage.kept || "") + (sessionStorage.kept || "") + "]"
		document.cookie = "kept=cookie"; localStorage.kept = "local"; sessionStorage.kept = "session"
		p.textContent += " kept [" + document.cookie + localStorage.kept + sessionStorage.kept + "]"</script>`}
	for range 2 {
		made, err := page.convert(t, e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimSpace(converttest.Tool(t, "pdftotext", made, "-")), "found [] kept [kept=cookielocalsession]"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPDF(t *testing.T) {
	e := newEngine(t)
	pages := `<!doctype html><title>t</title><style>p+p{break-before:page}</style><p>first</p><p>second</p><p>third ` + "\u00e9" + `</p>`
	tests := map[string]struct {
		page page
		text []string
		not  string
		info []string // lines of pdfinfo, spaces aside
	}{
		"A4":         {page{content: pages}, []string{"first", "second", "third \u00e9"}, "", []string{"Pages: 3", "(A4)"}},
		"one page":   {page{content: pages, options: convert.Options{Pages: "2"}}, []string{"second"}, "first", []string{"Pages: 1"}},
		"open range": {page{content: pages, options: convert.Options{Pages: "2-"}}, []string{"second", "third"}, "first", []string{"Pages: 2"}},
		"size": {page{content: pages, options: convert.Options{Print: convert.Print{PageWidth: of(10.16), PageHeight: of(12.7)}}},
			[]string{"first"}, "", []string{"Page size: 288 x 360 pts"}},
		"text":     {page{content: "  <b>first</b>\né\f日本", from: "txt"}, []string{"<b>first</b>", "é", "日本"}, "script", []string{"Pages: 2"}},
		"markdown": {page{content: "# Head\n\n* point\n", from: "md"}, []string{"Head", "point"}, "#", []string{"Pages: 1"}},
		"script":   {page{content: `<p id=p>off<script>p.textContent="on"</script>`}, []string{"on"}, "off", nil},
		"footer": {page{content: "<p>body", options: convert.Options{Print: convert.Print{DisplayHeaderFooter: true, MarginBottom: of(30.0),
			FooterTemplate: `<p style="font-size:20px">foot <span class=pageNumber></span></p>`}}}, []string{"body", "foot 1"}, "", nil},
		"late": {page{content: `<script>setTimeout(()=>{document.body.innerHTML="<b id=x>late</b>"},300)</script>early`,
			options: convert.Options{Print: convert.Print{WaitForElement: "#x"}}}, []string{"late"}, "early", nil},
		"dialog": {page{content: `<p>seen<script>alert(1);confirm(2)</script>`}, []string{"seen"}, "", nil},
		"popup":  {page{content: `<p>seen<script>open("about:blank");open(location)</script>`}, []string{"seen"}, "", nil},
		"latin1": {page{content: "<meta charset=iso-8859-1><p>caf\xe9"}, []string{"caf\u00e9"}, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.page.to = "pdf"
			out, err := tt.page.convert(t, e)
			if err != nil {
				t.Fatal(err)
			}
			text := converttest.Tool(t, "pdftotext", out, "-")
			for _, want := range tt.text {
				if !strings.Contains(text, want) {
					t.Errorf("the text is %q, without %q", text, want)
				}
			}
			if tt.not != "" && strings.Contains(text, tt.not) {
				t.Errorf("the text is %q, with %q", text, tt.not)
			}
			info := strings.Join(strings.Fields(converttest.Tool(t, "pdfinfo", out)), " ")
			for _, want := range tt.info {
				if !strings.Contains(info, want) {
					t.Errorf("pdfinfo says %q, without %q", info, want)
				}
			}
		})
	}
}

func TestPicture(t *testing.T) {
	e := newEngine(t)
	content := `<!doctype html><body style="margin:0;background:#f00"><div style="height:700px">`
	tests := map[string]struct {
		to      convert.Format
		options convert.Options
		want    image.Point
	}{
		"whole page": {"png", convert.Options{Print: convert.Print{ScreenWidth: 400}}, image.Pt(400, 900)},
		"window":     {"jpg", convert.Options{Print: convert.Print{ScreenWidth: 320, ScreenHeight: 240}}, image.Pt(320, 240)},
		"zoomed":     {"png", convert.Options{Print: convert.Print{ScreenWidth: 320, ScreenHeight: 240, Zoom: of(2.0)}}, image.Pt(320, 240)},
		"narrower":   {"jpg", convert.Options{Width: 200, Print: convert.Print{ScreenWidth: 400}}, image.Pt(200, 450)},
		"cut":        {"png", convert.Options{Width: 200, Height: 110, Fit: "crop"}, image.Pt(200, 110)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := page{content: content, to: tt.to, options: tt.options}.convert(t, e)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, format, err := image.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if size := got.Bounds().Size(); size != tt.want {
				t.Errorf("the %s is %v, want %v", format, size, tt.want)
			}
			if r, g, _, _ := got.At(100, 100).RGBA(); r < 0xf000 || g > 0x1000 {
				t.Errorf("the %s is not red", format)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	e := newEngine(t)
	tests := map[string]struct {
		page page
		code engine.Code
	}{
		"too high":     {page{content: `<div style="height:99999px">`, to: "png"}, engine.TooLarge},
		"no such page": {page{content: "x", to: "pdf", options: convert.Options{Pages: "7"}}, engine.Invalid},
		"no selector": {page{content: "x", to: "pdf", options: convert.Options{Print: convert.Print{WaitForElement: "!!"}}},
			engine.Invalid},
		"zoom of a PDF": {page{content: "x", to: "pdf", options: convert.Options{Print: convert.Print{Zoom: of(3.0)}}}, engine.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := tt.page.convert(t, e); engine.CodeOf(err) != tt.code {
				t.Errorf("got %v, want the code %s", err, tt.code)
			}
			if _, err := (page{content: "x", to: "pdf"}).convert(t, e); err != nil {
				t.Errorf("the next page failed too: %v", err)
			}
		})
	}
}

// TestPageWithoutEnd draws pages that keep a browser busy or waiting for ever.
func TestPageWithoutEnd(t *testing.T) {
	e := newEngine(t)
	for name, tt := range map[string]page{
		"script":  {content: "<p>seen<script>for(;;);</script>", to: "pdf"},
		"element": {content: "<p>seen", to: "png", options: convert.Options{Print: convert.Print{WaitForElement: "#never"}}},
		"memory":  {content: "<p>seen<script>for(a=[];;)a.push([a.length])</script>", to: "pdf"},
	} {
		t.Run(name, func(t *testing.T) {
			before := e.SetPatience(2 * time.Second)
			_, err := tt.convert(t, e)
			if code := engine.CodeOf(err); !errors.Is(err, engine.ErrTimedOut) && code != engine.Invalid && code != engine.TooLarge {
				t.Errorf("got %v, want an end for good", err)
			}
			e.SetPatience(before)
			if _, err := (page{content: "x", to: "pdf"}).convert(t, e); err != nil {
				t.Errorf("the next page failed too: %v", err)
			}
		})
	}
}

const canaryText = "canary-7f3a9c"

// TestNothingIsLoaded draws documents that refer to a file and to a server.
func TestNothingIsLoaded(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, canaryText)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			calls.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "canary.html")
	if err := os.WriteFile(file, []byte(canaryText), 0o644); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	for where, link := range map[string]string{
		"server": server.URL, "file": "file://" + file, "passwd": "file:///etc/passwd", "folder": "file:///job/", "browser": "chrome://version",
		"source": "view-source:" + server.URL,
	} {
		for name, content := range map[string]string{
			"elements": `<iframe src="%s"></iframe><img src="%[1]s"><object data="%[1]s"></object><embed src="%[1]s">` +
				`<link rel=stylesheet href="%[1]s"><link rel=preconnect href="%[1]s"><link rel=prefetch href="%[1]s">` +
				`<style>@import "%[1]s";@font-face{font-family:f;src:url("%[1]s")}p{font-family:f;background:url("%[1]s")}</style>`,
			"script": `<script>const u="%s",p=t=>document.body.append(t);fetch(u).then(r=>r.text()).then(p);` +
				`try{new WebSocket(u.replace("http","ws"))}catch{};navigator.sendBeacon(u);new Worker("data:,import('"+u+"')");` +
				`try{x=new XMLHttpRequest;x.open("GET",u,false);x.send();p(x.responseText)}catch{};open(u);` +
				`new RTCPeerConnection({iceServers:[{urls:"stun:"+u.split("/")[2]}]}).createDataChannel("c")</script>`,
			"refresh": `<meta http-equiv=refresh content="0;url=%s">`,
			"move":    `<script>location="%s"</script>`,
		} {
			t.Run(where+", "+name, func(t *testing.T) {
				p := page{content: "<p>seen</p>" + fmt.Sprintf(content, link), to: "pdf"}
				p.options.WaitTime = 200
				out, err := p.convert(t, e)
				if err != nil {
					t.Fatalf("got %v, want the page without what it refers to", err)
				}
				text := converttest.Tool(t, "pdftotext", out, "-")
				if !strings.Contains(text, "seen") {
					t.Errorf("the PDF has %q, without the page itself", text)
				}
				if strings.Contains(text, canaryText) || strings.Contains(text, "nobody") || strings.Contains(text, "Command Line") {
					t.Errorf("the PDF has %q", text)
				}
				if n := calls.Load(); n != 0 {
					t.Fatalf("the server was called %d times", n)
				}
			})
		}
	}
}
