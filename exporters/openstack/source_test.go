package openstack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/openstack"
)

// source opens the reading side over the wire.
func (c *cloud) source(t testing.TB, w *exportertest.Wire) exporters.Source {
	t.Helper()
	source, err := openstack.Definition().Reading.Open(t.Context(), w.Env(), openstack.ReadParams{Place: openstack.Place{AuthURL: c.keystone,
		Username: c.user, Password: param.Secret(c.password), Region: c.region, Tenant: c.project, Container: container}})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestImport(t *testing.T) {
	l := newLab(t)
	for i := range 5 {
		l.must(t, http.MethodPut, fmt.Sprintf("%s/in/%d.txt", container, i), fmt.Append(nil, "content ", i))
	}
	l.must(t, http.MethodPut, container+"/in/deep/er/x.bin", []byte("deep"))
	l.must(t, http.MethodPut, container+"/in/ö +&=#%.txt", []byte("odd"))
	l.must(t, http.MethodPut, container+"/in/empty", nil)
	l.must(t, http.MethodPut, container+"/in/marker/", nil)
	l.must(t, http.MethodPut, container+"/in/folder", nil, "Content-Type", "application/directory")
	l.must(t, http.MethodPut, container+"/parts/1", []byte("one, "))
	l.must(t, http.MethodPut, container+"/parts/2", []byte("two"))
	l.must(t, http.MethodPut, container+"/large/static?multipart-manifest=put",
		[]byte(`[{"path": "/`+container+`/parts/1"}, {"path": "/`+container+`/parts/2"}]`))
	l.must(t, http.MethodPut, container+"/large/dynamic", nil, "X-Object-Manifest", "pipeline%20%C3%BC/parts/")
	l.Always(with(func(req *http.Request) *http.Response {
		if query := req.URL.Query(); query.Get("format") == "json" {
			query.Set("limit", "2")
			req.URL.RawQuery = query.Encode()
		}
		return nil
	}))
	for name, test := range map[string]struct {
		params map[string]any
		want   []string
		code   engine.Code
	}{
		"one":        {map[string]any{"file": "in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"slash":      {map[string]any{"file": "/in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"odd":        {map[string]any{"file": "in/ö +&=#%.txt"}, []string{"ö +&=#%.txt is odd"}, ""},
		"empty":      {map[string]any{"file": "in/empty"}, []string{"empty is "}, ""},
		"renamed":    {map[string]any{"file": "in/1.txt", "filename": "other.txt"}, []string{"other.txt is content 1"}, ""},
		"pattern":    {map[string]any{"file": "in/[12].txt"}, []string{"1.txt is content 1", "2.txt is content 2"}, ""},
		"prefix":     {map[string]any{"file_prefix": "in/deep"}, []string{"deep/er/x.bin is deep"}, ""},
		"pages":      {map[string]any{"file_prefix": "in/"}, []string{"0.txt", "1.txt", "2.txt", "3.txt", "4.txt", "deep/er/x.bin", "empty", "ö +&=#%.txt"}, ""},
		"large ones": {map[string]any{"file_prefix": "large/"}, []string{"static is one, two", "dynamic is one, two"}, ""},
		"static":     {map[string]any{"file": "large/static"}, []string{"static is one, two"}, ""},
		"dynamic":    {map[string]any{"file": "large/dynamic"}, []string{"dynamic is one, two"}, ""},
		"missing":    {map[string]any{"file": "in/nowhere.txt"}, nil, engine.NotFound},
		"none":       {map[string]any{"file_prefix": "nowhere/"}, nil, engine.NotFound},
		"container":  {map[string]any{"file_prefix": "in/", "container": "nowhere"}, nil, engine.NotFound},
		"password":   {map[string]any{"file": "in/1.txt", "password": "canary-canary"}, nil, engine.Unauthorized},
		"outsider":   {map[string]any{"file": "in/1.txt", "username": "outsider"}, nil, engine.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			task, got := l.Imported(t, "import/openstack", l.With(t, "", test.params))
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
}

func TestOpen(t *testing.T) {
	c := newCloud(t)
	source := c.source(t, &exportertest.Wire{})
	defer source.Close()
	c.must(t, http.MethodPut, container+"/open/part", []byte("0123456789"))
	c.must(t, http.MethodPut, container+"/open/large?multipart-manifest=put", []byte(`[{"path": "/`+container+`/open/part"}]`))
	for _, name := range []string{"open/part", "open/large"} {
		stat := exportertest.Reads(t, source, name, "0123456789")
		stat.Version = "00000000000000000000000000000000"
		if _, err := source.Open(t.Context(), stat, 4); engine.CodeOf(err) != engine.Conflict || !strings.Contains(engine.MessageOf(err), "changed") {
			t.Errorf("a changed object: got %v, want %s", err, engine.Conflict)
		}
	}
}

// TestBrokenDownload has downloads break off.
func TestBrokenDownload(t *testing.T) {
	l := newLab(t)
	l.Resumes(t, exportertest.Resumption{Operation: "import/openstack",
		Put:      func(name, content string) { l.must(t, http.MethodPut, container+"/"+name, []byte(content)) },
		Download: func(r *http.Request) bool { return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".bin") },
		Params:   func(name string) map[string]any { return l.With(t, name, nil) }})
}
