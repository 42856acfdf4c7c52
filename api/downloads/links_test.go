package downloads_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

const someTask = engine.ID("0198a3f0-0000-7000-8000-000000000001")

func newLinks(t testing.TB, base string) *downloads.Links {
	t.Helper()
	signer, err := link.New(link.Key{ID: "k1", Secret: []byte("0123456789abcdef0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	links, err := downloads.NewLinks(signer, base)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

func TestDownloadLink(t *testing.T) {
	until := time.Unix(1_800_000_000, 0)
	tests := map[string]string{
		"https://files.example.test":         "https://files.example.test/storage/",
		"https://files.example.test/":        "https://files.example.test/storage/",
		"http://localhost:8080/some/folder/": "http://localhost:8080/some/folder/storage/",
	}
	for base, want := range tests {
		got := newLinks(t, base).Download(someTask, "a b?#&%ä.pdf", until)
		want += string(someTask) + "/a%20b%3F%23%26%25%C3%A4.pdf?temp_url_sig=k1-"
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "&temp_url_expires=1800000000") {
			t.Errorf("got %s, want %s…", got, want)
		}
	}
}

func TestForm(t *testing.T) {
	address, parameters := newLinks(t, "https://files.example.test").Form(someTask, time.Unix(1_800_000_000, 0))
	if want := "https://files.example.test/storage/" + string(someTask); address != want {
		t.Errorf("got %s, want %s", address, want)
	}
	if len(parameters) != 2 || parameters[0] != (link.Field{Name: "expires", Value: "1800000000"}) ||
		parameters[1].Name != "signature" {
		t.Errorf("got %v, want expires and signature", parameters)
	}
}

func TestNewLinksRefuses(t *testing.T) {
	for _, base := range []string{"", "files.example.test", "ftp://files.example.test", "https://", "https://h/?q",
		"https://h/#f",
		"https://u:p@h/", "https://h:port/"} {
		if _, err := downloads.NewLinks(nil, base); err == nil {
			t.Errorf("%q is taken for a base", base)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// FuzzPath asks that a path which is understood is the one that a link to what was understood has, up to its spelling.
func FuzzPath(f *testing.F) {
	links := newLinks(f, "https://files.example.test/x")
	for _, seed := range []string{"a.pdf", "a%20b", "..%2f", "%", "%zz", "", "/", "a/b", "ä", "%00", "%e4"} {
		f.Add("/x/storage/" + string(someTask) + "/" + seed)
	}
	f.Add("/x/storage/" + string(someTask))
	f.Add("/x/storage/")
	f.Add("/storage/" + string(someTask) + "/a")
	f.Add("/x/storage/" + strings.ToUpper(string(someTask)) + "/a")
	f.Fuzz(func(t *testing.T, path string) {
		task, name, ok := links.Parse(path)
		if !ok {
			return
		}
		address, err := url.Parse(links.Download(task, name, time.Unix(1, 0)))
		if name == "" {
			form, _ := links.Form(task, time.Unix(1, 0))
			address, err = url.Parse(form)
		}
		if err != nil {
			t.Fatal(err)
		}
		unescaped, err := url.PathUnescape(path)
		if err != nil || address.Path != unescaped {
			t.Errorf("%q is understood as task %q and name %q", path, task, name)
		}
	})
}
