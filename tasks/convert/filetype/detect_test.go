package filetype_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

const svg = `<?xml version="1.0"?>
<!-- a > b --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" ""><svg xmlns="http://www.w3.org/2000/svg"/>`

var plainZIP = converttest.ZIP([2]string{"a.txt", "alpha"})

func gzipped(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDetect(t *testing.T) {
	word := converttest.ZIP([2]string{"[Content_Types].xml"}, [2]string{"word/document.xml"})
	book := converttest.ZIP([2]string{"mimetype", "application/epub+zip"})
	tape := strings.Repeat("a", 257) + "ustar" + strings.Repeat("\x00", 250)
	for _, c := range []struct {
		name, content string
		want          filetype.Format
	}{
		{"photo.heic", svg, "svg"}, {"a.png", svg, "svg"}, {"a.svg", "<svg/>", "svg"},
		{"a.jpg", "\xef\xbb\xbf <svg/>", "svg"},
		{"a.png", "%!PS-Adobe-3.0 EPSF-3.0\n", "eps"}, {"a.png", "%!PS-Adobe-3.0\n", "ps"}, {"a.ps", "%!PS\nshowpage\n", "ps"},
		{"a.docx", word, "docx"}, {"a.zip", word, "docx"}, {"a.docx", plainZIP, "zip"},
		{"a.epub", book, "epub"}, {"a.zip", "PK\x05\x06" + strings.Repeat("\x00", 18), "zip"},
		{"a.txt", "\x89PNG\r\n\x1a\n", "png"}, {"a", "%PDF-1.7\n", "pdf"}, {"a.png", "GIF89a", "gif"},
		{"a.md", "# Title\n", "md"}, {"A.MARKDOWN", "x", "md"}, {"a.txt", "a,b\n1,2\n", "txt"}, {"a.csv", "a\n1\n", "csv"},
		{"a", "a,b\n1,2\n3,4\n", "csv"}, {"a", "hello", "txt"}, {"a.json", `[{"a":1},`, "json"}, {"a.json", "hello", "txt"},
		{"a", `{"a":1}`, "json"}, {"a.html", "<p>x", "html"}, {"a.html", "hello", "txt"}, {"a", "<!DOCTYPE html><p>", "html"},
		{"a.md", "<!doctype HTML>", "html"}, {"a.md", "<p align=center>\n\n# x", "md"}, {"a.csv", "", "csv"},
		{"a.md", "[x](y)", "md"},
		{"a.gz", gzipped(t, "x"), "gz"},
		{"a.gz", gzipped(t, tape), "tar.gz"},
		{"a.tgz", gzipped(t, "x"), "gz"}, {"a.tar", tape, "tar"},
		{"a.svgz", gzipped(t, svg), "svgz"}, {"a.lzo", "\x89LZO\x00\r\n\x1a\n", "lzo"},
		{"a.tar.lzo", "\x89LZO\x00\r\n\x1a\n", "tar.lzo"}, {"a.z", "\x1f\x9d\x90", "z"}, {"a.tz", "\x1f\x9d\x90", "tar.z"},
		{"a.ai", "%PDF-1.7\n", "ai"}, {"a.arj", "\x60\xea\x00", "arj"}, {"a.zabw", gzipped(t, "<?xml version=\"1.0\"?><abiword/>"), "zabw"},
		{"a.rar", "Rar!\x1a\x07\x00", "rar"}, {"a.ico", "\x00\x00\x01\x00\x01\x00", "ico"},
		{"a.dwg9", "\x00\x01\x02\x03\xfe", "dwg9"}, {"a.heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "heic"},
	} {
		t.Run(c.name+" "+c.content[:min(len(c.content), 10)], func(t *testing.T) {
			got, err := filetype.Detect(strings.NewReader(c.content), int64(len(c.content)), c.name)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestDetectRefuses(t *testing.T) {
	for name, content := range map[string]string{
		"empty.png": "", "empty": "", "noise.png": "\x00\x01\x02\xff\xfe", "noise": "\x00\x01\x02\xff\xfe",
		"a stream.z": "\x78\x9c\x4b\x04\x00\x00\x62\x00\x62", "noise.txt": "\x00\x01\x02\xff\x00",
	} {
		if got, err := filetype.Detect(strings.NewReader(content), int64(len(content)), name); !converttest.Refusal(err) {
			t.Errorf("%s: got %q, %v, want a refusal", name, got, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte(svg), "a.svg")
	f.Add([]byte("PK\x05\x06"+strings.Repeat("\x00", 18)), "a.zip")
	f.Add([]byte("\x1f\x8b\x08"), "a.tar.gz")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		if got, err := filetype.Detect(bytes.NewReader(content), int64(len(content)), name); err == nil && got == "" {
			t.Errorf("got no format and no error")
		}
	})
}

func TestParse(t *testing.T) {
	for in, want := range map[string]filetype.Format{
		"JPEG": "jpg", ".tif": "tiff", " md ": "md", "tgz": "tar.gz", "odd": "odg", "quux": "quux", "TAR.BZ": "tar.bz2", "": "",
	} {
		if got := filetype.Parse(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestStem(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.jpg": "a.b", "x/y/a.tar.gz": "a", `c:\d\a.txt`: "a", ".hidden": ".hidden", "plain": "plain", "a.": "a.",
	} {
		if got := filetype.Stem(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
