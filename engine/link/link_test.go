package link_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantry-engine/gantry/engine/link"
)

const base = "https://Files.example:8443/downloads"

var (
	now     = time.Unix(1_800_000_000, 0)
	end     = now.Add(time.Hour)
	oldKey  = link.Key{ID: "2025", Secret: []byte("an old secret of the tests")}
	newKey  = link.Key{ID: "2026", Secret: []byte("a new secret of the tests")}
	strange = link.Key{ID: "2026", Secret: []byte("the secret of someone else")}
)

func newSigner(t testing.TB, keys ...link.Key) *link.Signer {
	t.Helper()
	s, err := link.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSignRenders(t *testing.T) {
	got := newSigner(t, newKey, oldKey).Sign(base+"/", link.Read, end, "task-1", "a b.pdf")
	const want = "https://Files.example:8443/downloads/task-1/a%20b.pdf?temp_url_sig=2026-" +
		"cef97aaff0b1e468cb6e2e1ff8173b73950b81ae0b3518466634274be898a194&temp_url_expires=1800003600"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSecSIG02SegmentsRoundTrip(t *testing.T) {
	segments := []string{
		"a?b", "a#b", "a&b=c", "100%", "%2F", "a/b", `a\b`, "a b", "a+b", "ä€日本.pdf", "😀", ".", "..", "...", "a;b",
		"a:b", "\"'<>", "\r\n", "\x00", "~-._", "?temp_url_expires=9999999999", "\xff\xfe",
	}
	s := newSigner(t, newKey)
	for _, segment := range segments {
		t.Run(segment, func(t *testing.T) {
			u := parse(t, s.Sign(base, link.Read, end, segment, "end"))
			if err := s.Verify(link.Read, u.Host, u.EscapedPath(), u.RawQuery, now); err != nil {
				t.Errorf("got %v, want a valid link", err)
			}
			parts := strings.Split(u.EscapedPath(), "/")
			if got, _ := url.PathUnescape(parts[2]); len(parts) != 4 || got != segment {
				t.Errorf("got %q as the third part of %q, want %q", got, parts, segment)
			}
			if parts[2] == "." || parts[2] == ".." {
				t.Errorf("got a segment %q, which clients resolve away", parts[2])
			}
			if u.Fragment != "" || len(u.Query()) != 2 {
				t.Errorf("got %s, want two parameters and no fragment", u)
			}
		})
	}
}

func TestVerifyAccepts(t *testing.T) {
	old, both := newSigner(t, oldKey), newSigner(t, newKey, oldKey)
	tests := map[string]struct {
		address string
		class   link.Class
		host    string
	}{
		"read":              {both.Sign(base, link.Read, end, "a"), link.Read, "files.example:8443"},
		"write":             {both.Sign(base, link.Write, end, "a"), link.Write, "files.example:8443"},
		"host in any case":  {both.Sign(base, link.Read, end, "a"), link.Read, "FILES.example:8443"},
		"rotated key":       {old.Sign(base, link.Read, end, "a"), link.Read, "files.example:8443"},
		"no path":           {both.Sign("http://x.example", link.Read, end), link.Read, "x.example"},
		"default port":      {both.Sign("https://x.example:443", link.Read, end, "a"), link.Read, "x.example"},
		"default port http": {both.Sign("HTTP://[::1]:80/", link.Read, end, "a"), link.Read, "[::1]"},
		"port of the other": {both.Sign("http://x.example:443", link.Read, end, "a"), link.Read, "x.example:443"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := parse(t, tt.address)
			if err := both.Verify(tt.class, tt.host, u.EscapedPath(), u.RawQuery, now); err != nil {
				t.Errorf("got %v, want a valid link", err)
			}
		})
	}
}

// request is what arrives at a server.
type request struct {
	class             link.Class
	host, path, query string
	now               time.Time
}

func path(before, after string) func(*request) {
	return func(r *request) { r.path = strings.Replace(r.path, before, after, 1) }
}

func query(before, after string) func(*request) {
	return func(r *request) { r.query = strings.Replace(r.query, before, after, 1) }
}

func TestSecSIG03AndSIG05Tampering(t *testing.T) {
	s := newSigner(t, newKey, oldKey)
	u := parse(t, s.Sign(base, link.Read, end, "task-1", "a/b"))
	signature := u.Query().Get("temp_url_sig")
	tests := map[string]func(*request){
		"method class":             func(r *request) { r.class = link.Write },
		"no class":                 func(r *request) { r.class = "" },
		"host":                     func(r *request) { r.host = "other.example" },
		"port":                     func(r *request) { r.host = "files.example" },
		"task":                     path("task-1", "task-2"),
		"extra segment":            func(r *request) { r.path += "/x" },
		"extra slash":              func(r *request) { r.path += "/" },
		"doubled slash":            func(r *request) { r.path = "/" + r.path },
		"missing prefix":           func(r *request) { r.path = strings.TrimPrefix(r.path, "/downloads") },
		"dot segment":              func(r *request) { r.path = "/downloads/./task-1/a%2Fb" },
		"decoded slash":            path("%2F", "/"),
		"lower-case escape":        path("%2F", "%2f"),
		"needless escape":          path("task", "%74ask"),
		"segment boundary":         func(r *request) { r.path = "/downloadstask-1/a%2Fb" },
		"key id":                   query("2026-", "2025-"),
		"unknown key":              query("2026-", "2027-"),
		"no key":                   query("2026-", ""),
		"upper-case hex":           query(signature, strings.ToUpper(signature)),
		"later end":                query("=1800003600", "=1800003601"),
		"digit moved":              func(r *request) { r.path += "1"; query("=1800", "=800")(r) },
		"zero before the end":      query("=1800", "=01800"),
		"sign before the end":      query("=1800", "=+1800"),
		"end not a number":         query("=1800003600", "=soon"),
		"end too large":            func(r *request) { r.query += "0000000000000" },
		"other order":              func(r *request) { a, b, _ := strings.Cut(r.query, "&"); r.query = b + "&" + a },
		"unknown parameter":        func(r *request) { r.query += "&inline=1" },
		"unknown parameter first":  func(r *request) { r.query = "inline=1&" + r.query },
		"signature twice":          func(r *request) { a, _, _ := strings.Cut(r.query, "&"); r.query += "&" + a },
		"end twice":                func(r *request) { _, b, _ := strings.Cut(r.query, "&"); r.query += "&" + b },
		"whole query twice":        func(r *request) { r.query += "&" + r.query },
		"escaped name":             query("temp", "%74emp"),
		"truncated signature":      func(r *request) { r.query = r.query[:60] + r.query[82:] },
		"truncated query":          func(r *request) { r.query = r.query[:50] },
		"ampersand at the end":     func(r *request) { r.query += "&" },
		"no signature":             func(r *request) { _, r.query, _ = strings.Cut(r.query, "&") },
		"no end":                   func(r *request) { r.query, _, _ = strings.Cut(r.query, "&") },
		"no query":                 func(r *request) { r.query = "" },
		"at its end":               func(r *request) { r.now = end },
		"long after its end":       func(r *request) { r.now = end.Add(24 * time.Hour) },
		"key id of the other kind": query("2026-", "2026--"),
	}
	sent := request{link.Read, u.Host, u.EscapedPath(), u.RawQuery, end.Add(-time.Nanosecond)}
	if err := s.Verify(sent.class, sent.host, sent.path, sent.query, sent.now); err != nil {
		t.Fatalf("untouched: got %v, want a valid link", err)
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			r := sent
			tamper(&r)
			if r == sent {
				t.Fatal("the case changes nothing")
			}
			if err := s.Verify(r.class, r.host, r.path, r.query, r.now); !errors.Is(err, link.ErrRefused) {
				t.Errorf("got %v, want ErrRefused", err)
			}
		})
	}
	other := newSigner(t, strange)
	if err := other.Verify(sent.class, sent.host, sent.path, sent.query, sent.now); !errors.Is(err, link.ErrRefused) {
		t.Errorf("secret of someone else: got %v, want ErrRefused", err)
	}
	u = parse(t, s.Sign(base, "delete", end, "a"))
	if err := s.Verify("delete", u.Host, u.EscapedPath(), u.RawQuery, now); !errors.Is(err, link.ErrRefused) {
		t.Errorf("made-up class: got %v, want ErrRefused", err)
	}
}

func TestSecSIG01NoTwoTuplesShareACanonicalString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 8, 'a', '1'}), 0, 9)
		tuple := rapid.SliceOfN(rapid.Map(field, func(b []byte) string { return string(b) }), 0, 4)
		a := tuple.Draw(t, "a")
		b := tuple.Draw(t, "b")
		if rapid.Bool().Draw(t, "same bytes, cut elsewhere") {
			b = recut(t, strings.Join(a, ""))
		}
		if got := link.Canonical(a...) == link.Canonical(b...); got != slices.Equal(a, b) {
			t.Fatalf("%q and %q: same canonical string is %v", a, b, got)
		}
	})
}

func recut(t *rapid.T, text string) []string {
	cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
	return []string{text[:cut], text[cut:]}
}

func TestNewRefuses(t *testing.T) {
	secret := []byte("0123456789abcdef")
	tests := map[string][]link.Key{
		"no key":       nil,
		"no id":        {{"", secret}},
		"dash in id":   {{"a-b", secret}},
		"long id":      {{strings.Repeat("a", 33), secret}},
		"same id":      {{"a", secret}, {"a", secret}},
		"no secret":    {{"a", nil}},
		"short secret": {{"a", secret[1:]}},
	}
	for name, keys := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := link.New(keys...)
			if err == nil || strings.Contains(err.Error(), "123456789") {
				t.Errorf("got %v, want an error without the secret", err)
			}
		})
	}
}

func TestClassOf(t *testing.T) {
	tests := map[string]link.Class{
		http.MethodGet: link.Read, http.MethodHead: link.Read, http.MethodPost: link.Write, http.MethodPut: link.Write,
		http.MethodDelete: "", http.MethodPatch: "", http.MethodOptions: "", "get": "", "": "",
	}
	for method, want := range tests {
		if got := link.ClassOf(method); got != want {
			t.Errorf("%s: got %q, want %q", method, got, want)
		}
	}
}

// FuzzVerify holds that nothing but the very link verifies.
func FuzzVerify(f *testing.F) {
	s := newSigner(f, newKey, oldKey)
	u := parse(f, s.Sign(base, link.Read, end, "a"))
	f.Add(u.Host, u.EscapedPath(), u.RawQuery)
	f.Add(u.Host, u.EscapedPath(), u.RawQuery+"&"+u.RawQuery)
	f.Add("", "", "temp_url_sig=2026-&temp_url_expires=")
	f.Add("x", "/", "temp_url_sig=&temp_url_expires=1&temp_url_expires=2")
	f.Fuzz(func(t *testing.T, host, path, query string) {
		err := s.Verify(link.Read, host, path, query, now)
		same := strings.EqualFold(host, u.Host) && path == u.EscapedPath() && query == u.RawQuery
		if same && err != nil || !same && !errors.Is(err, link.ErrRefused) {
			t.Errorf("got %v for %q %q %q", err, host, path, query)
		}
	})
}
