package exporters_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

func TestResolve(t *testing.T) {
	two := []engine.File{{Name: "a.pdf"}, {Name: "b.pdf", Dir: "sub"}}
	for _, test := range []struct {
		name   string
		naming exporters.Naming
		want   []string
	}{
		{"own", exporters.Naming{}, []string{"a.pdf", "sub/b.pdf"}},
		{"numbered", exporters.Naming{Name: "x-%d.pdf"}, []string{"x-1.pdf", "x-2.pdf"}},
		{"padded", exporters.Naming{Name: "x-%03d.pdf"}, []string{"x-001.pdf", "x-002.pdf"}},
		{"padded to nine", exporters.Naming{Name: "%01d-%09d"}, []string{"1-000000001", "2-000000002"}},
		{"name wins", exporters.Naming{Name: "%d", Prefix: "p/", Folder: "f"}, []string{"1", "2"}},
		{"prefix is literal", exporters.Naming{Prefix: "out/%d-"}, []string{"out/%d-a.pdf", "out/%d-sub/b.pdf"}},
		{"folder", exporters.Naming{Folder: "dir"}, []string{"dir/a.pdf", "dir/sub/b.pdf"}},
		{"folder with its slash", exporters.Naming{Folder: "/dir/"}, []string{"/dir/a.pdf", "/dir/sub/b.pdf"}},
		{"nothing else expands", exporters.Naming{Name: "100%.pdf %s %% %x %-5d %d"}, []string{"100%.pdf %s %% %x %-5d 1", "100%.pdf %s %% %x %-5d 2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.naming.Resolve(two); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFlatNames(t *testing.T) {
	clean := exporters.FlatNames("Shelf", 8, func(name string) error {
		if name == "reserved" {
			return errors.New("it is reserved")
		}
		return nil
	})
	for name, want := range map[string]string{"a/b": "a/b", "//a": "a", "a//b": "a//b", "..a": "..a", "a..b": "a..b", "12345678": "12345678",
		"/12345678": "12345678", "": "", "/": "", "a/": "", "./a": "", "a/.": "", "a/../b": "", "..": "", "a\xff": "", "123456789": "",
		"reserved": "", "/reserved": ""} {
		got, err := clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q becomes %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{"a\n": `"a\n"`, strings.Repeat("ä", 60): `"` + strings.Repeat("ä", 60) + `"`,
		strings.Repeat("ä", 61): `"` + strings.Repeat("ä", 60) + `"… (122 bytes)`} {
		if got := exporters.Quoted(name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestLongNames holds that a name which a destination cannot have is refused when the job is submitted, or else before the file
// is sent, by a text that names the field, how long the name is and how long it may be, but does not have all of it.
func TestLongNames(t *testing.T) {
	type named struct {
		Key    string `json:"key" rule:"role=name"`
		Prefix string `json:"key_prefix" rule:"role=prefix"`
	}
	def := exporters.Define("shelf", "", named{}, nil)
	def.Clean = exporters.FlatNames("Shelf", 100, nil)
	long := strings.Repeat("n", 101)
	for _, test := range []struct {
		params named
		field  string // that the submission is refused for
	}{
		{named{Key: long}, "key"}, {named{Prefix: long}, "key_prefix"}, {named{Key: long, Prefix: long}, "key"},
		{named{Key: "a/../b"}, "key"}, {named{Prefix: "../"}, "key_prefix"}, {named{Key: "k", Prefix: long}, ""},
		{named{Key: long[:100]}, ""}, {named{Key: "%03d"}, ""}, {named{Prefix: long[:99]}, ""}, {named{}, ""},
	} {
		field, text := "", ""
		for _, p := range def.CheckName(test.params) {
			field, text = p.Field, p.Message
		}
		if field != test.field || strings.Contains(text, long) {
			t.Errorf("%+v: a complaint about %q: %s; want one about %q", test.params, field, text, test.field)
		}
	}
	text := def.CheckName(named{Key: long})[0].Message
	if want := `cannot be, since an object would be called "` + long[:60] + `"… (101 bytes): it has 101 bytes, and Shelf takes 100 at most`; text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
}

func TestFoldCase(t *testing.T) {
	for _, pair := range [][2]string{{"A.txt", "a.TXT"}, {"\u00c9.txt", "e\u0301.txt"}, {"stra\u00dfe", "STRASSE"}} {
		if exporters.FoldCase(pair[0]) != exporters.FoldCase(pair[1]) {
			t.Errorf("%q and %q are told apart", pair[0], pair[1])
		}
	}
	if exporters.FoldCase("a.txt") == exporters.FoldCase("b.txt") {
		t.Error("a.txt and b.txt are taken for one")
	}
}
