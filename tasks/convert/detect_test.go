package convert_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert"
)

const svg = `<?xml version="1.0"?>
<!-- a > b --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" ""><svg xmlns="http://www.w3.org/2000/svg"/>`

func TestDetect(t *testing.T) {
	word := string(zipOf(t, zip.FileHeader{Name: "[Content_Types].xml"}, zip.FileHeader{Name: "word/document.xml"}))
	book := string(zipOf(t, zip.FileHeader{Name: "mimetype", Comment: "application/epub+zip"}))
	for _, c := range []struct {
		name, content string
		want          convert.Format
	}{
		{"photo.heic", svg, "svg"}, {"a.png", svg, "svg"}, {"a.svg", "<svg/>", "svg"},
		{"a.jpg", "\xef\xbb\xbf <svg/>", "svg"},
		{"a.png", "%!PS-Adobe-3.0 EPSF-3.0\n", "eps"}, {"a.png", "%!PS-Adobe-3.0\n", "ps"}, {"a.ps", "%!PS\nshowpage\n", "ps"},
		{"a.docx", word, "docx"}, {"a.zip", word, "docx"}, {"a.docx", string(sampleZIP(t)), "zip"},
		{"a.epub", book, "epub"}, {"a.zip", "PK\x05\x06" + strings.Repeat("\x00", 18), "zip"},
		{"a.txt", string(encoded(t, "png", quarters(2, 2))), "png"}, {"a", "%PDF-1.7\n", "pdf"}, {"a.png", "GIF89a", "gif"},
		{"a.md", "# Title\n", "md"}, {"A.MARKDOWN", "x", "md"}, {"a.txt", "a,b\n1,2\n", "txt"}, {"a.csv", "a\n1\n", "csv"},
		{"a", "a,b\n1,2\n3,4\n", "csv"}, {"a", "hello", "txt"}, {"a.json", `[{"a":1},`, "json"}, {"a.json", "hello", "txt"},
		{"a", `{"a":1}`, "json"}, {"a.html", "<p>x", "html"}, {"a.html", "hello", "txt"}, {"a", "<!DOCTYPE html><p>", "html"},
		{"a.md", "<!doctype HTML>", "html"}, {"a.md", "<p align=center>\n\n# x", "md"}, {"a.csv", "", "csv"},
		{"a.md", "[x](y)", "md"},
		{"a.gz", string(compressed(t, "gz", []byte("x"))), "gz"},
		{"a.gz", string(compressed(t, "gz", sampleTar(t))), "tar.gz"},
		{"a.tgz", string(compressed(t, "gz", []byte("x"))), "gz"}, {"a.tar", string(sampleTar(t)), "tar"},
		{"a.svgz", string(compressed(t, "gz", []byte(svg))), "svgz"}, {"a.lzo", "\x89LZO\x00\r\n\x1a\n", "lzo"},
		{"a.tar.lzo", "\x89LZO\x00\r\n\x1a\n", "tar.lzo"}, {"a.z", "\x1f\x9d\x90", "z"}, {"a.tz", "\x1f\x9d\x90", "tar.z"},
		{"a.ai", "%PDF-1.7\n", "ai"}, {"a.arj", "\x60\xea\x00", "arj"}, {"a.zabw", string(compressed(t, "gz", []byte("<?xml version=\"1.0\"?><abiword/>"))), "zabw"},
		{"a.rar", "Rar!\x1a\x07\x00", "rar"}, {"a.ico", string(encoded(t, "ico", quarters(2, 2))), "ico"},
		{"a.dwg9", "\x00\x01\x02\x03\xfe", "dwg9"}, {"a.heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "heic"},
	} {
		t.Run(c.name+" "+c.content[:min(len(c.content), 10)], func(t *testing.T) {
			got, err := convert.Detect(strings.NewReader(c.content), int64(len(c.content)), c.name)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestDetectRefuses(t *testing.T) {
	for name, content := range map[string]string{
		"empty.png": "", "empty": "", "noise.png": "\x00\x01\x02\xff\xfe", "noise": "\x00\x01\x02\xff\xfe",
		"noise.txt": "\x00\x01\x02\xff\x00",
	} {
		if got, err := convert.Detect(strings.NewReader(content), int64(len(content)), name); !refusal(err) {
			t.Errorf("%s: got %q, %v, want a refusal", name, got, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte(svg), "a.svg")
	f.Add([]byte("PK\x05\x06"+strings.Repeat("\x00", 18)), "a.zip")
	f.Add([]byte("\x1f\x8b\x08"), "a.tar.gz")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		if got, err := convert.Detect(bytes.NewReader(content), int64(len(content)), name); err == nil && got == "" {
			t.Errorf("got no format and no error")
		}
	})
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]convert.Format{
		"JPEG": "jpg", ".tif": "tiff", " md ": "md", "tgz": "tar.gz", "odd": "odg", "quux": "quux", "TAR.BZ": "tar.bz2", "": "",
	} {
		if got := convert.ParseFormat(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestStem(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.jpg": "a.b", "x/y/a.tar.gz": "a", `c:\d\a.txt`: "a", ".hidden": ".hidden", "plain": "plain", "a.": "a.",
	} {
		if got := convert.Stem(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
