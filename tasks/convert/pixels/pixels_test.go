package pixels_test

import (
	"encoding/binary"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
)

// be and le are numbers as they stand in headers.
func be(numbers ...uint32) (s string) {
	for _, n := range numbers {
		s += string(binary.BigEndian.AppendUint32(nil, n))
	}
	return s
}

func le(numbers ...uint16) (s string) {
	for _, n := range numbers {
		s += string(binary.LittleEndian.AppendUint16(nil, n))
	}
	return s
}

// headers are pictures of 640 by 480, as far as their size.
func headers() map[filetype.Format]string {
	return map[filetype.Format]string{
		"png":  string(converttest.PNGHeader(640, 480)),
		"gif":  "GIF89a" + le(640, 480) + "\x00\x00\x00" + ";",
		"psd":  "8BPS\x00\x01" + strings.Repeat("\x00", 8) + be(480, 640),
		"xcf":  "gimp xcf v011\x00" + be(640, 480),
		"ras":  "\x59\xa6\x6a\x95" + be(640, 480),
		"sgi":  "\x01\xda\x00\x01\x00\x02\x02\x80\x01\xe0",
		"tga":  strings.Repeat("\x00", 12) + le(640, 480),
		"pcx":  "\x0a\x05\x01\x08" + le(0, 0, 639, 479),
		"ppm":  "P6 640 480 255\n",
		"heic": "ftypheic" + "ispe" + be(0, 64, 64) + "ispe" + be(0, 640, 480),
		"jp2":  "ihdr" + be(480, 640),
		"jxl":  "\xff\x0a" + jxl(480),
	}
}

// jxl is a SizeHeader of this height and a width of 4/3 of it, and what follows.
func jxl(height uint64) string {
	bits := (height-1)<<3 | 3<<12 // not small, a height of 9 bits, the ratio's number
	return string(binary.LittleEndian.AppendUint64(nil, bits)) + "\x00\x00\x00\x00"
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOfFile(t *testing.T) {
	for format, header := range headers() {
		t.Run(string(format), func(t *testing.T) {
			got, err := pixels.OfFile(write(t, header), format)
			if want := image.Pt(640, 480); err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
			got, err = pixels.OfFile(write(t, header[:3]), format)
			if err != nil || got != (image.Point{}) {
				t.Errorf("cut short: got %v, %v, want nothing", got, err)
			}
		})
	}
}

func TestCheckFile(t *testing.T) {
	frame := "," + le(0, 0, 640, 480) + "\x00\x08\x00"
	contents := headers()
	contents["gif"] = "GIF89a" + le(1, 1) + "\x00\x00\x00" + frame + ";"
	for format, content := range contents {
		t.Run(string(format), func(t *testing.T) {
			path := write(t, content)
			if err := pixels.CheckFile(path, format, 640*480); err != nil {
				t.Errorf("at the limit: got %v", err)
			}
			if err := pixels.CheckFile(path, format, 640*480-1); engine.CodeOf(err) != engine.TooLarge {
				t.Errorf("above the limit: got %v, want too large", err)
			}
		})
	}
	t.Run("frames", func(t *testing.T) {
		path := write(t, "GIF89a"+le(640, 480)+"\x00\x00\x00"+frame+frame+";")
		if err := pixels.CheckFile(path, "gif", 640*480*2-1); engine.CodeOf(err) != engine.TooLarge {
			t.Errorf("got %v, want too large", err)
		}
	})
}

func FuzzOfFile(f *testing.F) {
	for format, header := range headers() {
		f.Add(string(format), header)
	}
	f.Fuzz(func(t *testing.T, format, content string) {
		got, err := pixels.OfFile(write(t, content), filetype.Format(format))
		if err == nil && (got.X < 0 || got.Y < 0) {
			t.Errorf("got %v", got)
		}
	})
}
