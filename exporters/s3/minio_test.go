package s3_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/s3"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// TestParameters looks at what of a task's parameters is on the object, small and large.
func TestParameters(t *testing.T) {
	m := newMinio(t)
	for _, size := range []int64{little, large} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			name := fmt.Sprintf("parameters/%d.bin", size)
			params := m.Params(t, m.address, name)
			maps.Copy(params, map[string]any{"acl": "PublicRead", "cache_control": "max-age=172800", "content_disposition": "attachment",
				"content_type": "application/pdf", "metadata": map[string]any{"x-amz-meta-some-key": "data", "other": "two"},
				"tagging": map[string]any{"a b": "c+d=e"}, "server_side_encryption": "AES256"})
			task, log := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, size)
			if task.Status != engine.StatusFinished {
				t.Fatalf("ended %s (%s)\n%s", task.Code, task.Message, log)
			}
			header, _, _ := m.get(t, name)
			for name, want := range map[string]string{"Cache-Control": "max-age=172800", "Content-Disposition": "attachment",
				"Content-Type": "application/pdf", "X-Amz-Meta-Some-Key": "data", "X-Amz-Meta-Other": "two", "Content-Encoding": "",
				"X-Amz-Server-Side-Encryption": "AES256"} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			tags, err := m.api().GetObjectTagging(t.Context(), &sdk.GetObjectTaggingInput{Bucket: &m.bucket, Key: &name})
			if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Key != "a b" || *tags.TagSet[0].Value != "c+d=e" {
				t.Errorf("tags: %+v, %v", tags, err)
			}
			if got, want := task.Result.Files[0].Facts["etag"], strings.Trim(header.Get("ETag"), `"`); got != want {
				t.Errorf("etag: got %q, want %q", got, want)
			}
		})
	}
}

func TestKMS(t *testing.T) {
	m := newMinio(t)
	params := m.Params(t, m.address, "kms.bin")
	params["server_side_encryption"], params["sse_kms_key_id"] = "aws:kms", m.kmsKey
	for _, size := range []int64{little, large} {
		if task, log := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, size); task.Status != engine.StatusFinished {
			t.Errorf("%d bytes: ended %s (%s)\n%s", size, task.Code, task.Message, log)
		}
	}
	params["sse_kms_key_id"] = "no-such-key"
	if task, _ := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, little); task.Status != engine.StatusFailed {
		t.Error("an unknown key is no error")
	}
}

func TestCheck(t *testing.T) {
	m := newMinio(t)
	before := m.Unfinished(t)
	def := s3.Definition()
	for _, test := range []struct {
		name  string
		kind  exportertest.Kind
		fine  bool
		wants string
	}{{"right", "", true, "may write to"}, {"wrong key", exportertest.Denied, false, "secret_access_key"}, {"no bucket", exportertest.Missing, false, "no bucket"}} {
		t.Run(test.name, func(t *testing.T) {
			raw, err := json.Marshal(m.Wrong(t, test.kind, ""))
			if err != nil {
				t.Fatal(err)
			}
			params, problems := def.Params.Decode(raw)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			env := exporters.Env{HTTP: egress.Unrestricted().Client(egress.ClientOptions{})}
			findings := def.Check(t.Context(), env, params)
			fine, text := true, ""
			for _, f := range findings {
				fine, text = fine && f.OK, text+f.Text+"\n"
			}
			if fine != test.fine || !strings.Contains(text, test.wants) {
				t.Errorf("found %+v", findings)
			}
			if left := m.Unfinished(t); len(left) > len(before) {
				t.Errorf("left %q, with %q before", left, before)
			}
		})
	}
}

// importing runs import/s3 and returns its end and what the files have.
func importing(t *testing.T, m minio, address string, change map[string]any) (engine.Task, map[string]string) {
	t.Helper()
	params := m.Params(t, address, "")
	maps.Copy(params, change)
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	policy := egress.Unrestricted()
	env := exporters.Env{HTTP: policy.Client(egress.ClientOptions{}), Dial: policy.DialContext}
	s := enginetest.Start(t, imports.Sources([]exporters.Definition{s3.Definition()}, env)...)
	job := s.MustEnd(t, s.MustSubmit(t, enginetest.Task("import", "import/s3", string(raw))).ID)
	task, content := job.Tasks[0], map[string]string{}
	if task.Result == nil {
		return task, content
	}
	for _, f := range task.Result.Files {
		content[strings.TrimPrefix(f.Dir+"/"+f.Name, "/")] = read(t, s.Files, f)
	}
	return task, content
}

func read(t *testing.T, files engine.Files, f engine.File) string {
	t.Helper()
	src, err := files.Open(context.Background(), f.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out := make([]byte, f.Size)
	if _, err := src.Read(out); err != nil && f.Size > 0 {
		t.Fatal(err)
	}
	return string(out)
}

func TestImport(t *testing.T) {
	m := newMinio(t)
	for _, name := range []string{"in/a.txt", "in/b+c d.txt", "in/sub/ü.txt", "in/empty", "other.txt", "in/marker/"} {
		body := strings.NewReader("content of " + name)
		if strings.HasSuffix(name, "/") {
			body = strings.NewReader("")
		}
		if _, err := m.api().PutObject(t.Context(), &sdk.PutObjectInput{Bucket: &m.bucket, Key: &name, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		change map[string]any
		want   map[string]string // file to object
	}{
		{"one", map[string]any{"key": "in/b+c d.txt"}, map[string]string{"b+c d.txt": "in/b+c d.txt"}},
		{"renamed", map[string]any{"key": "in/a.txt", "filename": "x.txt"}, map[string]string{"x.txt": "in/a.txt"}},
		{"leading slash", map[string]any{"key": "/in/a.txt"}, map[string]string{"a.txt": "in/a.txt"}},
		{"prefix", map[string]any{"key_prefix": "in/"},
			map[string]string{"a.txt": "in/a.txt", "b+c d.txt": "in/b+c d.txt", "sub/ü.txt": "in/sub/ü.txt", "empty": "in/empty"}},
		{"half a name", map[string]any{"key_prefix": "in/a"}, map[string]string{"a.txt": "in/a.txt"}},
		{"pattern", map[string]any{"key": "in/*.txt"}, map[string]string{"a.txt": "in/a.txt", "b+c d.txt": "in/b+c d.txt"}},
		{"numbered", map[string]any{"key": "in/*.txt", "filename": "%d.txt"}, map[string]string{"1.txt": "in/a.txt", "2.txt": "in/b+c d.txt"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			task, got := importing(t, m, m.address, test.change)
			if task.Status != engine.StatusFinished {
				t.Fatalf("ended %s (%s)", task.Code, task.Message)
			}
			for file, object := range test.want {
				if got[file] != "content of "+object {
					t.Errorf("%s has %q", file, got[file])
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, test := range []struct {
		name   string
		change map[string]any
		want   engine.Code
	}{
		{"missing object", map[string]any{"key": "in/none"}, engine.NotFound},
		{"missing pattern", map[string]any{"key": "in/*.none"}, engine.NotFound},
		{"nothing begins so", map[string]any{"key_prefix": "none/"}, engine.NotFound},
		{"missing bucket", map[string]any{"key_prefix": "in/", "bucket": "no-such-bucket"}, engine.NotFound},
		{"one name for several", map[string]any{"key_prefix": "in/", "filename": "x.txt"}, engine.Invalid},
		{"wrong key", map[string]any{"key_prefix": "in/", "secret_access_key": "wrong-canary"}, engine.Unauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			if task, _ := importing(t, m, m.address, test.change); task.Code != test.want {
				t.Errorf("ended %s (%s), want %s", task.Code, task.Message, test.want)
			}
		})
	}
}

// TestImportGoesOn breaks every download off in the middle.
func TestImportGoesOn(t *testing.T) {
	const half, whole = "first half, ", "first half, second half"
	var asked []string
	s := &service{refuse: func(call string, _ int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"one"`)
		switch {
		case call == "head":
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		case r.Header.Get("Range") == "":
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			fmt.Fprint(w, half)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			asked = append(asked, r.Header.Get("Range")+" of "+r.Header.Get("If-Match"))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", len(half), len(whole)-1, len(whole)))
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, whole[len(half):])
		}
		return true
	}}
	ts := httptest.NewServer(s)
	defer ts.Close()
	task, got := importing(t, minio{bucket: "b", region: "us-east-1", id: "the-key-id", secret: "the-secret-key"},
		ts.Listener.Addr().String(), map[string]any{"key": "k.txt"})
	if task.Status != engine.StatusFinished || got["k.txt"] != whole {
		t.Errorf("ended %s (%s) with %q", task.Code, task.Message, got)
	}
	if want := []string{`bytes=12- of "one"`}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// TestPrinted runs the example of the API's documentation, with only the place and the key replaced.
func TestPrinted(t *testing.T) {
	m := newMinio(t)
	bucket := "mybucket"
	if _, err := m.api().CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	var params map[string]any
	if err := json.Unmarshal([]byte(`{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "access_key_id": "AKXXXXXXXXXXXX",
		"secret_access_key": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "bucket": "mybucket", "region": "eu-central-1", "key": "myfile.ext",
		"metadata": { "x-amz-meta-some-key": "data" } }`), &params); err != nil {
		t.Fatal(err)
	}
	maps.Copy(params, map[string]any{"access_key_id": m.id, "secret_access_key": m.secret, "endpoint": m.endpoint})
	task, log := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, little)
	if task.Status != engine.StatusFinished || !strings.Contains(task.Message, m.region) {
		t.Fatalf("ended %s (%s)\n%s", task.Code, task.Message, log)
	}
	key := "myfile.ext"
	head, err := m.api().HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil || head.Metadata["some-key"] != "data" {
		t.Errorf("the object has %v, %v", head, err)
	}
}

// TestBrokenDownload has downloads break off.
func TestBrokenDownload(t *testing.T) {
	m := newMinio(t)
	brokenDownload(t, m, m)
}

func brokenDownload(t *testing.T, h exportertest.Harness, m minio) {
	l := exportertest.NewLab(t, h, imports.Sources)
	l.Resumes(t, exportertest.Resumption{Operation: "import/s3",
		Put: func(name, content string) {
			in := &sdk.PutObjectInput{Bucket: &m.bucket, Key: &name, Body: strings.NewReader(content)}
			if _, err := m.api().PutObject(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		},
		Download: func(r *http.Request) bool { return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".bin") },
		Params:   func(name string) map[string]any { return l.With(t, name, nil) }})
}
