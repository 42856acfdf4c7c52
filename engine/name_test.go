package engine_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/engine"
)

func TestCleanName(t *testing.T) {
	long := strings.Repeat("a", 300)
	for name, want := range map[string]string{
		"a.txt":                              "a.txt",
		"/etc/passwd":                        "passwd",
		`C:\Users\me\a.doc`:                  "a.doc",
		"../../a":                            "a",
		`..\a/..`:                            "file",
		"dir/":                               "file",
		strings.Repeat("a", 254) + " b":      strings.Repeat("a", 254),
		"." + strings.Repeat(" ", 300) + "x": "file",
		"":                                   "file",
		".":                                  "file",
		"..":                                 "file",
		" . ":                                "file",
		"...":                                "file",
		".htaccess":                          ".htaccess",
		"a\x00b\r\n\tc":                      "abc",
		"a\u202egpj.exe":                     "agpj.exe",
		"a\u2028b":                           "ab",
		"a\xffb":                             "a_b",
		"  spaces  ":                         "spaces",
		"ünïcödé 漢字 👍.pdf":                   "ünïcödé 漢字 👍.pdf",
		long + ".pdf":                        strings.Repeat("a", 251) + ".pdf",
		long:                                 strings.Repeat("a", 255),
		"a." + long:                          "a." + strings.Repeat("a", 253),
		strings.Repeat("ä", 200) + ".x":      strings.Repeat("ä", 126) + ".x",
	} {
		if got := engine.CleanName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"a/b", `a\b`, "\xff\xfe", strings.Repeat("a", 254) + " b.txt", strings.Repeat("語", 100) + ".jpeg",
		". .", "a\u200b", strings.Repeat(" ", 300) + "x", strings.Repeat("a", 240) + strings.Repeat(" ", 20) + ".txt", "x\u2066.", ". "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := engine.CleanName(name)
		switch {
		case got == "", got == ".", got == "..":
			t.Errorf("%q became %q", name, got)
		case len(got) > 255:
			t.Errorf("%q became %d bytes", name, len(got))
		case !utf8.ValidString(got):
			t.Errorf("%q became invalid UTF-8: %q", name, got)
		case strings.ContainsAny(got, `/\`), strings.ContainsFunc(got, unicode.IsControl):
			t.Errorf("%q became %q", name, got)
		case strings.TrimSpace(got) != got:
			t.Errorf("%q became %q, with spaces around it", name, got)
		case engine.CleanName(got) != got:
			t.Errorf("%q became %q, and that %q", name, got, engine.CleanName(got))
		}
	})
}
