package vector_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/vector"
)

// resvg is shared: compiling takes seconds.
var resvg = sync.OnceValues(func() (*vector.Resvg, error) {
	return vector.NewResvg(filepath.Join(os.Getenv("GANTRY_TOOLS"), "resvg.wasm"), "")
})

// each runs a test with each engine.
func each(t *testing.T, test func(t *testing.T, e convert.Engine)) {
	t.Run("librsvg", func(t *testing.T) { test(t, newLibrsvg(t)) })
	t.Run("resvg", func(t *testing.T) {
		e, err := resvg()
		if errors.Is(err, os.ErrNotExist) {
			enginetest.Missing(t, "resvg.wasm in GANTRY_TOOLS")
		}
		if err != nil {
			t.Fatal(err)
		}
		test(t, e)
	})
}

func newLibrsvg(t *testing.T) *vector.Librsvg {
	t.Helper()
	return converttest.Engine(t, "librsvg", vector.NewLibrsvg)
}

func run(t *testing.T, e convert.Engine, content string, to convert.Format, o convert.Options) (string, error) {
	t.Helper()
	outputs, err := converttest.Convert(t.Context(), t, e, content, convert.Job{From: "svg", To: to, Options: o})
	if err != nil {
		return "", err
	}
	return outputs[0], nil
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" `

const drawing = head + `width="2in" viewBox="0 0 200 100"><rect width="200" height="100" fill="#0000ff"/></svg>`

func decode(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPictures(t *testing.T) { each(t, testPictures) }

func testPictures(t *testing.T, e convert.Engine) {
	for _, c := range []struct {
		options convert.Options
		want    image.Point
	}{
		{convert.Options{}, image.Pt(192, 96)},
		{convert.Options{Width: 1000, Fit: "max"}, image.Pt(1000, 500)},
		{convert.Options{PixelDensity: 48}, image.Pt(96, 48)},
		{convert.Options{Width: 50, Height: 50, Fit: "crop"}, image.Pt(50, 50)},
		{convert.Options{Width: 50, Height: 60, Fit: "scale"}, image.Pt(50, 60)},
	} {
		for _, to := range []convert.Format{"png", "jpg"} {
			t.Run(fmt.Sprint(to, c.want), func(t *testing.T) {
				out, err := run(t, e, drawing, to, c.options)
				if err != nil {
					t.Fatal(err)
				}
				img := decode(t, out)
				if got := img.Bounds().Size(); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if r, _, b, _ := img.At(img.Bounds().Min.X+c.want.X/2, img.Bounds().Min.Y+c.want.Y/2).RGBA(); r > 0x2000 || b < 0xe000 {
					t.Errorf("got another colour than blue")
				}
			})
		}
	}
}

func TestPages(t *testing.T) {
	e := newLibrsvg(t)
	for _, to := range []convert.Format{"pdf", "ps", "eps"} {
		out, err := run(t, e, drawing, to, convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if to != "pdf" {
			continue
		}
		info, err := exec.CommandContext(t.Context(), "pdfinfo", out).Output()
		if err != nil || !strings.Contains(string(info), "144 x 72 pts") {
			t.Errorf("got %s, %v, want a page of 144 by 72 points", info, err)
		}
	}
}

// TestNothingOutsideIsRead names a red picture in every way that SVG knows; where it were read, there would be red.
func TestNothingOutsideIsRead(t *testing.T) { each(t, testNothingOutsideIsRead) }

func testNothingOutsideIsRead(t *testing.T, e convert.Engine) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	canary := filepath.Join(t.TempDir(), "canary.svg")
	red := head + `width="100" height="100"><rect id="r" width="100" height="100" fill="#ff0000"/></svg>`
	if err := os.WriteFile(canary, []byte(red), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{canary, "file://" + canary, server.URL + "/x.svg", "../../.." + canary, "//127.0.0.1/x"} {
		for name, body := range map[string]string{
			"image":     `<image xlink:href="` + address + `" width="100" height="100"/>`,
			"href":      `<image href="` + address + `" width="100" height="100"/>`,
			"use":       `<use xlink:href="` + address + `#r"/>`,
			"css":       `<style>@import url("` + address + `"); rect { fill: url(` + address + `#r) }</style><rect width="100" height="100"/>`,
			"feImage":   `<filter id="f"><feImage xlink:href="` + address + `"/></filter><rect filter="url(#f)" width="100" height="100"/>`,
			"xinclude":  `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="` + address + `"/>`,
			"text file": `<text y="50"><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="` + address + `"/></text>`,
		} {
			out, err := run(t, e, head+`width="100" height="100">`+body+`</svg>`, "png", convert.Options{})
			if err != nil {
				continue // refused is as good
			}
			if r, g, _, a := decode(t, out).At(50, 50).RGBA(); r > 0x8000 && g < 0x4000 && a > 0x8000 {
				t.Errorf("%s of %q: the canary shows", name, address)
			}
		}
	}
	if calls.Load() != 0 {
		t.Errorf("got %d calls of the canary server, want none", calls.Load())
	}
}

func TestHostileDrawingsAreRefused(t *testing.T) { each(t, testHostileDrawingsAreRefused) }

func testHostileDrawingsAreRefused(t *testing.T, e convert.Engine) {
	entity := `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>`
	for name, c := range map[string]struct {
		content string
		code    engine.Code
	}{
		"flood":   {head + `width="100000" height="100000"></svg>`, engine.TooLarge},
		"viewBox": {head + `viewBox="0 0 1e9 1e9"></svg>`, engine.TooLarge},
		"broken":  {head + `width="10" height="10"><rect`, engine.Invalid},
		"other":   {`<html></html>`, engine.Invalid},
	} {
		if _, err := run(t, e, c.content, "png", convert.Options{}); engine.CodeOf(err) != c.code || strings.Contains(engine.MessageOf(err), "/") {
			t.Errorf("%s: got %v, want the code %s", name, err, c.code)
		}
	}
	if e.Name() != "librsvg" {
		return
	}
	if out, err := run(t, e, entity+head+`width="100" height="20"><text y="15">&x;</text></svg>`, "pdf", convert.Options{}); err == nil {
		text, err := exec.CommandContext(t.Context(), "pdftotext", out, "-").Output()
		if err != nil || strings.Contains(string(text), "nobody") || strings.Contains(string(text), "root") {
			t.Errorf("got %q, %v", text, err)
		}
	}
}

// TestResvg looks at what differs between the two: text in fonts that are handed in, and pixels that are handed out.
func TestResvg(t *testing.T) {
	e, err := resvg()
	if err != nil {
		enginetest.Missing(t, "resvg.wasm in GANTRY_TOOLS")
	}
	black := func(body string) (n int) {
		t.Helper()
		out, err := run(t, e, head+`width="200" height="60"><rect width="200" height="60" fill="white"/>`+body+`</svg>`, "png", convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		img := decode(t, out)
		for y := range 60 {
			for x := range 200 {
				if r, _, _, _ := img.At(x, y).RGBA(); r < 0x4000 {
					n++
				}
			}
		}
		return n
	}
	for _, family := range []string{"", "DejaVu Sans Mono", "serif", "No Such Family"} {
		if got := black(`<text x="5" y="45" font-size="40" font-family="` + family + `">Ag Жω</text>`); got < 300 {
			t.Errorf("family %q: got %d black points, want those of five letters", family, got)
		}
	}
	inner := `<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><rect width="50" height="50"/></svg>`
	data := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(inner))
	if got := black(`<image href="` + data + `" width="50" height="50"/>`); got < 2400 {
		t.Errorf("got %d black points of a picture in the file itself, want 2500", got)
	}
	out, err := run(t, e, head+`width="10" height="10"><rect width="10" height="10" fill="#ff0000" fill-opacity="0.5"/></svg>`, "png", convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := color.NRGBAModel.Convert(decode(t, out).At(5, 5)).(color.NRGBA); got.R < 250 || got.A < 120 || got.A > 135 {
		t.Errorf("got %v, want half transparent red", got)
	}
}

// TestResvgIsBounded draws what is made to take long or much: each ends in a refusal or a picture, and the context ends it.
func TestResvgIsBounded(t *testing.T) {
	e, err := resvg()
	if err != nil {
		enginetest.Missing(t, "resvg.wasm in GANTRY_TOOLS")
	}
	entities := `<!DOCTYPE svg [<!ENTITY a0 "x">`
	for i := range 30 {
		entities += fmt.Sprintf(`<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	uses := `<g id="g0"><rect width="9" height="9"/></g>`
	for i := range 12 {
		uses += fmt.Sprintf(`<g id="g%d">%s</g>`, i+1, strings.Repeat(fmt.Sprintf(`<use href="#g%d"/>`, i), 10))
	}
	for name, content := range map[string]string{
		"entities":  entities + "]>" + head + `width="9" height="9"><text>&a30;</text></svg>`,
		"uses":      head + `width="9" height="9">` + uses + `</svg>`,
		"itself":    head + `width="9" height="9"><g id="a"><use href="#a"/></g></svg>`,
		"filter":    head + `width="9000" height="9000"><filter id="f"><feGaussianBlur stdDeviation="9999"/></filter><rect filter="url(#f)" width="9000" height="9000"/></svg>`,
		"deep":      head + `width="9" height="9">` + strings.Repeat("<g>", 100_000) + strings.Repeat("</g>", 100_000) + `</svg>`,
		"nul bytes": head + "width=\"9\" height=\"9\">\x00\x00</svg>",
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, engine.Errorf(engine.TooLarge, "too long"))
		_, err := converttest.Convert(ctx, t, e, content, convert.Job{From: "svg", To: "png"})
		cancel()
		if code := engine.CodeOf(err); err != nil && code != engine.Invalid && code != engine.TooLarge {
			t.Errorf("%s: got %v, want that the file is at fault", name, err)
		}
	}
}
