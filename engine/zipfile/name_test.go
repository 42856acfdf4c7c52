package zipfile_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/gantry-engine/gantry/engine/zipfile"
)

func TestSecPATH01Clean(t *testing.T) {
	tests := map[string]string{
		"report.pdf": "report.pdf", "a/b/c.txt": "a/b/c.txt", "ä 日本.txt": "ä 日本.txt", ".bashrc": ".bashrc",
		`..\..\x`: "x", "../../etc/passwd": "etc/passwd", `..\../x`: "x", "a/../../b": "a/b", "/abs": "abs",
		"//srv/x": "srv/x",
		`\\srv\x`: "srv/x", `\\?\C:\x`: "?/C_/x", "C:x": "C_x", `C:\x\y`: "C_/x/y", "c:/x": "c_/x",
		"a.txt:evil": "a.txt_evil",
		"..／..／x":    ".._.._x", "a＼b": "a_b", "a∕b⁄c": "a_b_c", "．．/x": "x", "‥/x": "x", "…": "file",
		"": "file", ".": "file", "..": "file", "...": "file", "/": "file", `\`: "file", " ": "file", ". .": "file",
		"\x00":   "file",
		"a\x00b": "ab", "a\r\nb": "ab", "\x1b[31mred": "[31mred", "a\u0085b": "ab", ".\x00./x": "x", "x/.\u202e./y": "x/y",
		"gpj.\u202eexe": "gpj.exe", "a\u2028b": "ab", "name. ": "name", "a. /b": "a/b", "a..": "a", " a": " a",
		"a//b": "a/b", "a/./b": "a/b", "a/": "a", "\xff\xfe.txt": "\ufffd.txt",
		"family 👩‍👩‍👧.png": "family 👩‍👩‍👧.png",
	}
	for name, want := range tests {
		t.Run(strconv.Quote(name), func(t *testing.T) {
			if got := zipfile.Clean(name); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{`..\..\x`, "C:x", "．．/.", "a\x00/..", "\xff/\u202e..", "。。/x", "..\u0307/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := zipfile.Clean(name)
		if !fs.ValidPath(got) || got == "." || !filepath.IsLocal(got) {
			t.Errorf("Clean(%q) = %q is no local path", name, got)
		}
		if strings.ContainsAny(got, `\:`) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("Clean(%q) = %q holds what it must not", name, got)
		}
		if again := zipfile.Clean(got); again != got {
			t.Errorf("Clean(%q) = %q, want it unchanged", got, again)
		}
	})
}

func TestExpZIP01Unique(t *testing.T) {
	tests := map[string]struct{ names, want []string }{
		"none":      {nil, nil},
		"different": {[]string{"a.pdf", "b.pdf"}, []string{"a.pdf", "b.pdf"}},
		"three":     {[]string{"a.pdf", "a.pdf", "a.pdf"}, []string{"a.pdf", "a (2).pdf", "a (3).pdf"}},
		"taken later": {
			[]string{"a.pdf", "a.pdf", "a (2).pdf"}, []string{"a.pdf", "a (3).pdf", "a (2).pdf"},
		},
		"taken twice": {
			[]string{"a (2).pdf", "a.pdf", "a.pdf", "a (2).pdf"},
			[]string{"a (2).pdf", "a.pdf", "a (3).pdf", "a (2) (2).pdf"},
		},
		"taken in another case": {
			[]string{"a.pdf", "a.pdf", "A (2).PDF"}, []string{"a.pdf", "a (3).pdf", "A (2).PDF"},
		},
		"letter case":    {[]string{"Ab.pdf", "aB.PDF"}, []string{"Ab.pdf", "aB (2).PDF"}},
		"full folding":   {[]string{"straße", "STRASSE"}, []string{"straße", "STRASSE (2)"}},
		"Kelvin sign":    {[]string{"k", "\u212a"}, []string{"k", "\u212a (2)"}},
		"normal form":    {[]string{"\u00e9.txt", "e\u0301.txt"}, []string{"\u00e9.txt", "e\u0301 (2).txt"}},
		"form and case":  {[]string{"\u00c9", "e\u0301"}, []string{"\u00c9", "e\u0301 (2)"}},
		"no extension":   {[]string{"a", "a"}, []string{"a", "a (2)"}},
		"leading dot":    {[]string{".env", ".env"}, []string{".env", ".env (2)"}},
		"in folders":     {[]string{"x/a.b", "y/a.b", "x/a.b"}, []string{"x/a.b", "y/a.b", "x/a (2).b"}},
		"dot in folders": {[]string{"x/.c", "x/.c"}, []string{"x/.c", "x/.c (2)"}},
		"dot in folder":  {[]string{"x.y/a", "x.y/a"}, []string{"x.y/a", "x.y/a (2)"}},
		"file or folder": {[]string{"A", "a/b/c", "a/B"}, []string{"A (2)", "a/b/c", "a/B (2)"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := zipfile.Unique(tt.names)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if again := zipfile.Unique(got); !slices.Equal(again, got) {
				t.Errorf("got %q the second time, want it unchanged", again)
			}
		})
	}
}

func TestCompressed(t *testing.T) {
	tests := map[string]bool{
		"image/jpeg": true, "IMAGE/PNG": true, "image/heic": true, "image/svg+xml": false, "image/bmp": false,
		"image/tiff": false, "video/mp4": true, "audio/mpeg": true, "audio/flac": true, "audio/wav": false,
		"application/zip": true, "application/gzip; x=y": true, "application/x-7z-compressed": true,
		"application/epub+zip": true, "application/pdf": false, "application/json": false, "text/plain; charset=utf-8": false,
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": true,
		"application/vnd.oasis.opendocument.text":                                 true,
		"application/vnd.oasis.opendocument.text-flat-xml":                        false,
		"application/vnd.ms-excel":                                                false,
		"application/vnd.ms-excel.sheet.macroEnabled.12":                          true,
		"font/woff2": true, "font/ttf": false, "application/octet-stream": false, "": false, "image": false, "image/": false,
	}
	for mime, want := range tests {
		if got := zipfile.Compressed(mime); got != want {
			t.Errorf("%q: got %v, want %v", mime, got, want)
		}
	}
}
