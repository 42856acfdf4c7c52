package gcs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

func secretKey() param.Secret { return param.Secret(otherKey()) }

func TestImport(t *testing.T) {
	l := newLab(t)
	for i := range 5 {
		l.put(t, fmt.Sprintf("in/%d.txt", i), fmt.Sprint("content ", i))
	}
	l.put(t, "in/deep/er/x.bin", "deep")
	l.put(t, "in/ö +&=#%.txt", "odd")
	l.set(func(kind string, req *http.Request) (*http.Response, error) {
		if kind == "list" {
			query := req.URL.Query()
			query.Set("maxResults", "2") // pages are made small
			req.URL.RawQuery = query.Encode()
		}
		return nil, nil
	})
	for name, test := range map[string]struct {
		params map[string]any
		want   []string
		code   engine.Code
	}{
		"one":     {map[string]any{"file": "in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"slash":   {map[string]any{"file": "/in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"odd":     {map[string]any{"file": "in/ö +&=#%.txt"}, []string{"ö +&=#%.txt is odd"}, ""},
		"renamed": {map[string]any{"file": "in/1.txt", "filename": "other.txt"}, []string{"other.txt is content 1"}, ""},
		"pattern": {map[string]any{"file": "in/[12].txt"}, []string{"1.txt is content 1", "2.txt is content 2"}, ""},
		"prefix":  {map[string]any{"file_prefix": "in/deep"}, []string{"deep/er/x.bin is deep"}, ""},
		"pages":   {map[string]any{"file_prefix": "in/"}, []string{"0.txt", "1.txt", "2.txt", "3.txt", "4.txt", "deep/er/x.bin", "ö +&=#%.txt"}, ""},
		"missing": {map[string]any{"file": "in/nowhere.txt"}, nil, engine.NotFound},
		"none":    {map[string]any{"file_prefix": "nowhere/"}, nil, engine.NotFound},
		"bucket":  {map[string]any{"file_prefix": "in/", "bucket": "nowhere"}, nil, engine.NotFound},
		"key":     {map[string]any{"file_prefix": "in/", "private_key": otherKey()}, nil, engine.Unauthorized},
		"creator": {map[string]any{"file": "in/1.txt", "client_email": "creator@" + l.accounts}, nil, engine.Denied},
		"no list": {map[string]any{"file_prefix": "in/", "client_email": "creator@" + l.accounts}, nil, engine.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			params := map[string]any{"client_email": "reader@" + l.accounts}
			for k, v := range test.params {
				params[k] = v
			}
			task, got := l.Imported(t, "import/google-cloud-storage", l.With(t, "", params))
			if task.Code != test.code {
				t.Fatalf("the import ended %s: %s", task.Code, task.Message)
			}
			for _, want := range test.want {
				file, content, exact := strings.Cut(want, " is ")
				if have, ok := got[file]; !ok || exact && have != content {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("got %d files %q, want %d", len(got), got, len(test.want))
			}
		})
	}
	if n := len(l.calls("list")); n < 4 {
		t.Errorf("%d pages were asked for, want 4 and more", n)
	}
}

func (l *lab) source(t *testing.T) exporters.Source {
	t.Helper()
	source, err := gcs.Definition().Reading.Open(t.Context(), l.Env(), gcs.ReadParams{Place: gcs.Place{Project: l.project, Bucket: l.bucket,
		Email: "reader@" + l.accounts, PrivateKey: param.Secret(l.key), Endpoint: "http://" + l.address, TokenURL: "http://" + l.address + "/token"}})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// TestOpen holds that a download goes on where it broke off, and only in the object that it began in.
func TestOpen(t *testing.T) {
	l := newLab(t)
	l.put(t, "open/a", "0123456789")
	source := l.source(t)
	defer source.Close()
	stat := exportertest.Reads(t, source, "open/a", "0123456789")
	for _, r := range l.calls("media") {
		if got := r.URL.Query().Get("ifGenerationMatch"); got != stat.Version {
			t.Errorf("the condition is generation %q, want %s", got, stat.Version)
		}
	}
	l.once("media", func(req *http.Request) (*http.Response, error) { // who does not know ranges sends all
		req.Header.Del("Range")
		return nil, nil
	})
	if _, err := source.Open(t.Context(), stat, 4); engine.CodeOf(err) != engine.Unavailable {
		t.Errorf("the whole in place of a part: got %v, want %s", err, engine.Unavailable)
	}
	l.put(t, "open/a", "changed...")
	if _, err := source.Open(t.Context(), stat, 4); engine.CodeOf(err) != engine.Conflict {
		t.Errorf("a changed object: got %v, want %s", err, engine.Conflict)
	}
}

// TestDamagedDownload holds that an object that is not what Google has is no import, and that one without a sum is.
func TestDamagedDownload(t *testing.T) {
	l := newLab(t)
	for name, test := range map[string]struct {
		hash []string
		want engine.Code
	}{
		"damaged": {[]string{"md5=eA==", "crc32c=AAAAAA=="}, engine.Invalid},
		"joined":  {[]string{"crc32c=AAAAAA==,md5=eA=="}, engine.Invalid},
		"no sum":  {[]string{"md5=eA=="}, ""},
		"whole":   {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l.put(t, "damaged/"+name, "0123456789")
			l.once("media", func(req *http.Request) (*http.Response, error) {
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err == nil && test.hash != nil {
					resp.Header["X-Goog-Hash"] = test.hash
				}
				return resp, err
			})
			task, got := l.Imported(t, "import/google-cloud-storage", l.With(t, "damaged/"+name, nil))
			if task.Code != test.want || test.want != "" && !strings.Contains(task.Message, "CRC32C") {
				t.Errorf("ended %q: %s, want %q", task.Code, task.Message, test.want)
			}
			if want := test.want == ""; (got[name] == "0123456789") != want || len(got) > 0 != want {
				t.Errorf("got %q", got)
			}
			if n := len(l.calls("media")); n != 1 {
				t.Errorf("%d downloads, want 1", n)
			}
		})
	}
}

// TestBrokenDownload has downloads break off.
func TestBrokenDownload(t *testing.T) {
	l := newLab(t)
	l.Resumes(t, exportertest.Resumption{Operation: "import/google-cloud-storage",
		Put:      func(name, content string) { l.put(t, name, content) },
		Download: func(r *http.Request) bool { return kind(r) == "media" },
		Params:   func(name string) map[string]any { return l.With(t, name, nil) }})
}

// TestCompressed holds EXP-GCS-11 for the reading side: what lies there compressed comes as it lies there.
func TestCompressed(t *testing.T) {
	l := newLab(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, strings.Repeat("words ", 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l.put(t, "compressed/a.txt", packed.String(), "contentEncoding", "gzip")
	task, got := l.Imported(t, "import/google-cloud-storage", l.With(t, "compressed/a.txt", nil))
	if task.Status != engine.StatusFinished || got["a.txt"] != packed.String() {
		t.Errorf("ended %s (%s) with %d bytes, want %d", task.Code, task.Message, len(got["a.txt"]), packed.Len())
	}
}
