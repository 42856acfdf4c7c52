package all_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"

	"github.com/gantry-engine/gantry/engine/enginetest"
)

// canaryText is in every canary that has words, and in the environment of this process. A program that draws and one that
// reads drawings agree on it.
const canaryText = "KESTRELCANARY"

// canaryColor fills every canary that is seen.
var canaryColor = color.NRGBA{R: 255, B: 255, A: 255}

// canary is a folder and a server that nothing may read or call.
type canary struct {
	dir, url string
	calls    atomic.Int64
	needles  [][]byte // what of a canary shows in bytes that hold it
	made     string   // what was put into the folder
}

func newCanary(t *testing.T, film string) *canary {
	t.Helper()
	c := &canary{dir: t.TempDir()}
	png := picture(t, 64, 64, canaryColor)
	drawing := `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect id="r" width="64" height="64" fill="#ff00ff"/></svg>`
	for ext, content := range map[string]string{
		"txt": canaryText + "\n", "csv": canaryText + "," + canaryText + "\n", "tex": canaryText + "\n", "css": "p{color:#f0f}/*" + canaryText + "*/",
		"html": "<p>" + canaryText + "</p>", "png": png, "svg": drawing, "ts": film,
		"ps": "% " + canaryText + "\n/Helvetica findfont 40 scalefont setfont 20 20 moveto (" + canaryText + ") show\n",
	} {
		if err := os.WriteFile(filepath.Join(c.dir, "canary."+ext), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.made = c.listed(t)
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(c.dir)))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.calls.Add(1)
		}
	}
	listener, socket := ports(t)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	c.url = server.URL
	c.hear(t, socket)
	c.needles = needles([]byte(canaryText), []byte(png)[40:64])
	return c
}

// ports are one number, at which connections are taken and which hears UDP.
func ports(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 { // until a number is free of both
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", socket.LocalAddr().String())
		if err == nil {
			return listener, socket
		}
		socket.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

// hear counts as calls what arrives by UDP.
func (c *canary) hear(t *testing.T, socket net.PacketConn) {
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for {
			if _, _, err := socket.ReadFrom(make([]byte, 1)); err != nil {
				return
			}
			c.calls.Add(1)
		}
	})
	t.Cleanup(func() {
		socket.Close()
		hearing.Wait()
	})
}

// magenta is a second of film.
func magenta(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "canary.ts")
	text, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=magenta:size=64x64:rate=10:duration=1",
		"-f", "lavfi", "-i", "sine=duration=1", "-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2", "-shortest", out).CombinedOutput()
	if err != nil {
		enginetest.Missing(t, "ffmpeg ("+string(text)+")")
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// needles are the ways in which a file can hold a text.
func needles(texts ...[]byte) (all [][]byte) {
	for _, text := range texts {
		wide := utf16.Encode([]rune(string(text)))
		var little, big []byte
		for _, u := range wide {
			little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
		}
		all = append(all, text, little[:len(little)-1], big[1:], []byte(hex.EncodeToString(text)), []byte(strings.ToUpper(hex.EncodeToString(text))))
		for shift := range 3 { // as base64 has it, wherever it begins
			coded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
			all = append(all, []byte(coded)[4:(shift+len(text))/3*4])
		}
	}
	return all
}

// beside puts the canary into a folder.
func (c *canary) beside(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
}

// link names a canary by its extension.
type link func(ext string) string

// links are the ways to name it, for a file that has the canary beside it.
func (c *canary) links() []link {
	return []link{
		func(ext string) string { return c.url + "/canary." + ext },
		func(ext string) string { return c.dir + "/canary." + ext },
		func(ext string) string { return "file://" + c.dir + "/canary." + ext },
		func(ext string) string { return "canary." + ext },
	}
}

// most is how much of a packed file is looked through.
const most = 32 << 20

// in tells how a file holds the canary, "" if it does not. Where words can have been drawn it reads pictures too.
func (c *canary) in(t *testing.T, content []byte, words bool) string {
	t.Helper()
	return c.within(t, content, words, 3)
}

func (c *canary) within(t *testing.T, content []byte, words bool, depth int) string {
	for i, needle := range c.needles {
		if bytes.Contains(content, needle) {
			return fmt.Sprintf("its bytes (needle %d)", i)
		}
	}
	if depth == 0 {
		return ""
	}
	if z, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil {
		for _, f := range z.File {
			if r, err := f.Open(); err == nil {
				member, _ := io.ReadAll(io.LimitReader(r, most)) // a damaged member has shown what it can
				r.Close()
				if how := c.within(t, member, words, depth-1); how != "" {
					return f.Name + ": " + how
				}
			}
		}
	}
	if r, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		plain, _ := io.ReadAll(io.LimitReader(r, most))
		return c.within(t, plain, words, depth-1)
	}
	if bytes.HasPrefix(content, []byte("%PDF-")) {
		return c.inPDF(t, content, words)
	}
	if img, _, err := image.Decode(bytes.NewReader(content)); err == nil {
		return c.inPicture(t, img, content, words)
	}
	if frame := firstFrame(t, content); frame != nil {
		return c.within(t, frame, words, depth-1)
	}
	return ""
}

// inPDF looks at the text of a PDF, and at its first pages as they are seen.
func (c *canary) inPDF(t *testing.T, content []byte, words bool) string {
	text := output(t, content, "pdftotext", "-", "-")
	if bytes.Contains(text, []byte(canaryText)) {
		return "the text of the PDF"
	}
	dir := t.TempDir()
	output(t, content, "pdftoppm", "-r", "50", "-l", "2", "-png", "-", filepath.Join(dir, "page"))
	pages, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, page := range pages {
		drawn, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if how := c.within(t, drawn, words, 1); how != "" {
			return "a page of the PDF: " + how
		}
	}
	return ""
}

func (c *canary) inPicture(t *testing.T, img image.Image, content []byte, words bool) string {
	seen := 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r > 0xc000 && g < 0x5000 && b > 0xc000 {
				seen++
			}
		}
	}
	if seen >= 20 {
		return "its colour"
	}
	if words && bytes.Contains(bytes.ToUpper(output(t, content, "tesseract", "--psm", "11", "-", "-")), []byte(canaryText)) {
		return "words that were drawn"
	}
	return ""
}

// filmMarks begin a film, or are at its fifth byte.
var filmMarks = []string{"ftyp", "\x1aE\xdf\xa3", "RIFF", "OggS", "FLV", "G@"}

// firstFrame is a picture of a film, nil of all else.
func firstFrame(t *testing.T, content []byte) []byte {
	for _, mark := range filmMarks {
		if head := string(content[:min(len(content), 12)]); strings.HasPrefix(head, mark) || strings.Index(head, mark) == 4 {
			path := filepath.Join(t.TempDir(), "film")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return output(t, nil, "ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-")
		}
	}
	return nil
}

// output is what a program prints for an input; one that fails may print nothing.
func output(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		enginetest.Missing(t, name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1")
	out, _ := cmd.Output()
	return out
}

// TestCanaryIsFound puts the canary where a converter would, once in every way, and looks for it.
func TestCanaryIsFound(t *testing.T) {
	c := newCanary(t, magenta(t))
	words := `<text x="10" y="60" font-size="40" font-family="DejaVu Sans">` + canaryText + `</text>`
	seen := `<rect width="64" height="64" fill="#ff00ff"/>`
	lettering := base64.StdEncoding.EncodeToString(drawn(t, words, "png"))
	bird := picture(t, 64, 64, canaryColor)
	for name, tt := range map[string]struct {
		content []byte
		words   bool
	}{
		"text":          {[]byte("a " + canaryText), false},
		"wide text":     {[]byte("a\x00K\x00E\x00S\x00T\x00R\x00E\x00L\x00C\x00A\x00N\x00A\x00R\x00Y\x00"), false},
		"base64":        {[]byte(`<img src="data:;base64,` + base64.StdEncoding.EncodeToString([]byte(bird)) + `">`), false},
		"hex":           {[]byte(`{\pict ` + hex.EncodeToString([]byte(bird)) + `}`), false},
		"zip":           {[]byte(packed(packedFile{"a/b.xml", canaryText})), false},
		"zip in a zip":  {[]byte(packed(packedFile{"a.zip", packed(packedFile{"b", bird})})), false},
		"picture":       {drawn(t, seen, "png"), false},
		"words":         {drawn(t, words, "png"), true},
		"text of a PDF": {drawn(t, words, "pdf"), false},
		"page":          {drawn(t, seen, "pdf"), false},
		"words, page":   {drawn(t, `<image href="data:image/png;base64,`+lettering+`" width="500" height="100"/>`, "pdf"), true},
		"film":          {[]byte(magenta(t)), false},
	} {
		t.Run(name, func(t *testing.T) {
			if how := c.in(t, tt.content, tt.words); how == "" {
				t.Error("the canary is not found")
			}
		})
	}
	if how := c.in(t, []byte(picture(t, 64, 64, color.White)), true); how != "" {
		t.Errorf("a white picture has the canary in %s", how)
	}
}

// drawn is a drawing as a picture or a PDF.
func drawn(t *testing.T, elements, format string) []byte {
	t.Helper()
	drawing := `<svg xmlns="http://www.w3.org/2000/svg" width="500" height="100"><rect width="500" height="100" fill="#fff"/>` + elements + `</svg>`
	return output(t, []byte(drawing), "rsvg-convert", "-f", format)
}
