package downloads_test

import (
	"mime"
	"net/url"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
)

func TestDisposition(t *testing.T) {
	tests := []struct{ name, want string }{
		{"report.pdf", `attachment; filename="report.pdf"`},
		{"my file, (1).pdf", `attachment; filename="my file, (1).pdf"`},
		{"a;b='c'.pdf", `attachment; filename="a;b='c'.pdf"`},
		{"größe.pdf", `attachment; filename="gr__e.pdf"; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf`},
		{"報告.pdf", `attachment; filename="__.pdf"; filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf`},
		{"👍.pdf", `attachment; filename="_.pdf"; filename*=UTF-8''%F0%9F%91%8D.pdf`},
		{`a"b.pdf`, `attachment; filename="a_b.pdf"; filename*=UTF-8''a%22b.pdf`},
		{"100%41.pdf", `attachment; filename="100_41.pdf"; filename*=UTF-8''100%2541.pdf`},
		{"a\r\nSet-Cookie: x=y\x00.pdf", `attachment; filename="aSet-Cookie: x=y.pdf"`},
		{"\u202efdp.exe", `attachment; filename="fdp.exe"`},
		{`..\..\evil`, `attachment; filename="evil"`},
		{".hidden", `attachment; filename=".hidden"`},
		{" x ", `attachment; filename="x"`},
		{"CON", `attachment; filename="CON"`},
		{"", `attachment; filename="file"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := downloads.Disposition("attachment", test.name); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	if got, want := downloads.Disposition("inline", "a"), `inline; filename="a"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzDisposition reads the header back with the standard library and with a reading of RFC 6266 of its own: both must
// find the name.
func FuzzDisposition(f *testing.F) {
	for _, seed := range []string{"a.pdf", "ä\".pdf", `\`, "%41", "=?utf-8?B?w6Q=?=", "a\r\nb", strings.Repeat("é",
		200), "\xff", "a'b''c", " ", "~", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := downloads.Disposition("inline", name)
		want := engine.CleanName(name)
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "inline" || params["filename"] != want {
			t.Errorf("%s parses to %q, %q, %v; want %q", got, kind, params, err, want)
		}
		if byHand := nameByRFC(t, got); byHand != want {
			t.Errorf("%s means %q, want %q", got, byHand, want)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q has more than printable ASCII", got)
		}
	})
}

// nameByRFC reads the two forms that the grammar of RFC 6266 leaves for what Disposition writes: a quoted-string
// without escapes, and after it perhaps an ext-value.
func nameByRFC(t *testing.T, header string) string {
	rest, ok := strings.CutPrefix(header, `inline; filename="`)
	plain, rest, closed := strings.Cut(rest, `"`)
	if !ok || !closed || strings.ContainsAny(plain, `"\%`) {
		t.Fatalf("%s does not begin with a plain filename", header)
	}
	if rest == "" {
		return plain
	}
	encoded, ok := strings.CutPrefix(rest, "; filename*=UTF-8''")
	const attrChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&+-.^_`|~%"
	name, err := url.PathUnescape(encoded)
	if !ok || err != nil || strings.Trim(encoded, attrChars) != "" {
		t.Fatalf("%s does not end with an ext-value: %v", header, err)
	}
	return name
}
