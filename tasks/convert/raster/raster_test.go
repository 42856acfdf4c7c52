package raster_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/raster"
)

func vips(t *testing.T) convert.Engine {
	t.Helper()
	return converttest.Engine(t, "libvips", raster.NewVips)
}

func magick(t *testing.T) convert.Engine {
	t.Helper()
	return converttest.Engine(t, "ImageMagick", raster.NewMagick)
}

// picture is 60 by 40 pixels: red on the left, half transparent blue on the right.
func picture() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	for y := range 40 {
		for x := range 60 {
			img.SetNRGBA(x, y, color.NRGBA{R: 255, A: 255})
			if x >= 30 {
				img.SetNRGBA(x, y, color.NRGBA{B: 255, A: 128})
			}
		}
	}
	return img
}

func asPNG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func run(t *testing.T, e convert.Engine, content []byte, from, to convert.Format, o convert.Options) (string, error) {
	t.Helper()
	outputs, err := converttest.Convert(t.Context(), t, e, string(content), convert.Job{Name: "@-x[1].png", From: from, To: to, Options: o})
	if err != nil {
		return "", err
	}
	return outputs[0], nil
}

// identify is the size as a second program sees it.
func identify(t *testing.T, path string, format convert.Format) string {
	t.Helper()
	if format == "jxl" || format == "jp2" || format == "avif" || format == "heic" {
		_, size, _ := strings.Cut(converttest.Tool(t, "vipsheader", path), ": ")
		return strings.Fields(size)[0]
	}
	return converttest.Tool(t, "identify", "-format", "%wx%h", string(format)+":"+path+"[0]")
}

func TestVipsThereAndBack(t *testing.T) {
	e := vips(t)
	for _, to := range []convert.Format{"jpg", "webp", "gif", "tiff", "heic", "avif", "jxl", "jp2", "png"} {
		t.Run(string(to), func(t *testing.T) {
			out, err := run(t, e, asPNG(t), "png", to, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := identify(t, out, to); got != "60x40" {
				t.Errorf("got %s, want 60x40", got)
			}
			content, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			back, err := run(t, e, content, to, "png", convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			at := decode(t, back).At(10, 20)
			if r, _, b, _ := at.RGBA(); r < 0xc000 || b > 0x4000 {
				t.Errorf("got %v at the left, want red", at)
			}
		})
	}
}

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

func TestMagickThereAndBack(t *testing.T) {
	e := magick(t)
	for _, to := range []convert.Format{"psd", "tga", "pcx", "ppm", "xpm", "sgi", "ras", "dds", "dpx", "fits", "ico", "hdr", "pict",
		"bmp", "gif", "jpg", "tiff", "webp", "cin", "pgm", "pbm", "wbmp", "jp2"} {
		t.Run(string(to), func(t *testing.T) {
			out, err := run(t, e, asPNG(t), "png", to, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			back, err := run(t, e, content, to, "png", convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := decode(t, back).Bounds().Size(); got != image.Pt(60, 40) {
				t.Errorf("got %v, want 60 by 40", got)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for name, e := range map[string]convert.Engine{"vips": vips(t), "magick": magick(t)} {
		for _, c := range []struct {
			options convert.Options
			want    string
		}{
			{convert.Options{Width: 30, Fit: "max"}, "30x20"}, {convert.Options{Height: 10, Fit: "max"}, "15x10"},
			{convert.Options{Width: 600, Height: 600, Fit: "max"}, "60x40"},
			{convert.Options{Width: 20, Height: 20, Fit: "max"}, "20x13"},
			{convert.Options{Width: 20, Height: 20, Fit: "crop"}, "20x20"},
			{convert.Options{Width: 20, Height: 30, Fit: "scale"}, "20x30"},
			{convert.Options{Width: 120, Height: 120, Fit: "crop"}, "120x120"},
		} {
			t.Run(fmt.Sprint(name, c.options.Fit, c.want), func(t *testing.T) {
				out, err := run(t, e, asPNG(t), "png", "webp", c.options)
				if err != nil {
					t.Fatal(err)
				}
				if got := identify(t, out, "webp"); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}

func TestVipsKeepsAnimations(t *testing.T) {
	var g gif.GIF
	for i := range 3 {
		frame := image.NewPaletted(image.Rect(0, 0, 20, 10), color.Palette{color.Black, color.White})
		frame.Pix[i] = 1
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, vips(t), b.Bytes(), "gif", "webp", convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(out)
	if err != nil || bytes.Count(content, []byte("ANMF")) != 3 {
		t.Errorf("got %d frames, %v, want 3", bytes.Count(content, []byte("ANMF")), err)
	}
}

// TestFloodIsRefusedByItsHeader claims a billion pixels and more in few bytes.
func TestFloodIsRefusedByItsHeader(t *testing.T) {
	flood := asPNG(t)
	binary.BigEndian.PutUint32(flood[16:], 60_000)
	binary.BigEndian.PutUint32(flood[20:], 60_000)
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	wide := small.Bytes()
	sof := bytes.Index(wide, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(wide[sof+5:], 64_250)
	binary.BigEndian.PutUint16(wide[sof+7:], 64_250)
	for name, e := range map[string]convert.Engine{"vips": vips(t), "magick": magick(t)} {
		for from, content := range map[convert.Format][]byte{
			"jpg": wide, "heic": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\xff\xff"),
			"jp2": []byte("\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a\x00\x00\x00\x16ihdr\x00\x00\xff\xff\x00\x00\xff\xff\x00\x03"),
			"png": fixed(flood),
		} {
			if _, err := run(t, e, content, from, "png", convert.Options{}); engine.CodeOf(err) != engine.TooLarge {
				t.Errorf("%s: %s: got %v, want that it is too large", name, from, err)
			}
		}
	}
	if _, err := run(t, magick(t), []byte("8BPS\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\xff\xff\x00\x00\xff\xff\x00\x08\x00\x03"),
		"psd", "png", convert.Options{}); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("psd: got %v, want that it is too large", err)
	}
}

// fixed sets the checksum of a PNG's first chunk.
func fixed(file []byte) []byte {
	binary.BigEndian.PutUint32(file[29:], crc(file[12:29]))
	return file
}

// TestCodersAreClosed hands ImageMagick files that are programs for coders of its own, under the names of pictures.
func TestCodersAreClosed(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	canary := filepath.Join(t.TempDir(), "canary.png")
	if err := os.WriteFile(canary, asPNG(t), 0o644); err != nil {
		t.Fatal(err)
	}
	engines := map[string]convert.Engine{"vips": vips(t), "magick": magick(t)}
	for name, content := range map[string]string{
		"mvg":       "push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 '" + canary + "'\npop graphic-context\n",
		"mvg url":   "push graphic-context\nviewbox 0 0 640 480\nfill 'url(" + server.URL + "/x.jpg\"|touch /job/pwned\")'\npop graphic-context\n",
		"ephemeral": "push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 'ephemeral:" + canary + "'\npop graphic-context\n",
		"msl":       `<?xml version="1.0"?><image><read filename="` + canary + `"/><write filename="/job/pwned.png"/></image>`,
		"svg":       `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="` + server.URL + `" width="9" height="9"/></svg>`,
		"svg text":  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="text:` + canary + `" width="9" height="9"/></svg>`,
		"ps":        "%!PS-Adobe-3.0\n(" + canary + ") (r) file\nshowpage\n",
		"eps":       "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n",
		"pdf":       "%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n",
		"text":      "words\n",
		"miff":      "id=ImageMagick  version=1.0\ncolumns=1 rows=1 depth=8\nfilename=" + canary + "\n\f\n:\x1a\x00\x00\x00",
	} {
		for _, from := range []convert.Format{"png", "jpg", "gif", "tga", "psd", "xpm", "ico", "heic", "webp", "pict"} {
			for tool, e := range engines {
				if tool == "vips" && (from == "tga" || from == "psd" || from == "xpm" || from == "ico" || from == "pict") {
					continue
				}
				out, err := run(t, e, []byte(content), from, "png", convert.Options{})
				code := engine.CodeOf(err) // a text can pass for the size of a picture
				if message := engine.MessageOf(err); code != engine.Invalid && code != engine.TooLarge || strings.Contains(message, "/") {
					t.Errorf("%s as %s with %s: got %q, %v, want that the file is at fault, and no path", name, from, tool, out, err)
				}
			}
		}
	}
	if calls.Load() != 0 {
		t.Errorf("got %d calls of the canary server, want none", calls.Load())
	}
}
