package cmd_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestKilledExport kills a server in the middle of a large upload to S3, and starts another on its data: the object must be
// whole, and no part of an unfinished upload be left.
func TestKilledExport(t *testing.T) {
	v := servers.Start(t, "minio")
	content := bytes.Repeat([]byte("0123456789abcdef"), 40<<16) // 40 MiB, several parts
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	defer source.Close()
	target, err := url.Parse(v["S3_ENDPOINT"])
	if err != nil {
		t.Fatal(err)
	}
	half, dead := make(chan struct{}), make(chan struct{})
	var once sync.Once
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("partNumber") == "4" {
			once.Do(func() { close(half) })
			<-dead
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	data := t.TempDir()
	s := serve(t, data, "--egress-allow", "127.0.0.0/8")
	job := s.must(201, "POST", "/v2/jobs", fmt.Sprintf(`{"tasks": {
		"in": {"operation": "import/url", "url": %q, "filename": "large.bin"},
		"out": {"operation": "export/s3", "input": "in", "endpoint": %q, "region": %q, "bucket": %q, "key": "killed/large.bin",
			"access_key_id": %q, "secret_access_key": %q}}}`, source.URL+"/large.bin", front.URL, v["S3_REGION"], v["S3_BUCKET"],
		v["S3_ACCESS_KEY_ID"], v["S3_SECRET_ACCESS_KEY"]))
	<-half
	if len(partsIn(t, v["S3_UNFINISHED"])) == 0 {
		t.Error("nothing is under way when the process is killed")
	}
	s.kill()
	close(dead)
	s = serve(t, data, "--egress-allow", "127.0.0.0/8")
	ended := s.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", "")
	if ended.Data.Status != "finished" {
		t.Fatalf("the job ended %+v", ended.Data)
	}
	if left := partsIn(t, v["S3_UNFINISHED"]); len(left) > 0 {
		t.Errorf("left unfinished: %q", left)
	}
	back := s.must(201, "POST", "/v2/import/s3", fmt.Sprintf(`{"endpoint": %q, "region": %q, "bucket": %q, "key": "killed/large.bin",
		"access_key_id": %q, "secret_access_key": %q}`, front.URL, v["S3_REGION"], v["S3_BUCKET"], v["S3_ACCESS_KEY_ID"],
		v["S3_SECRET_ACCESS_KEY"]))
	out := s.must(201, "POST", "/v2/export/url", `{"input": "`+back.Data.ID+`"}`)
	files := s.must(200, "GET", "/v2/tasks/"+out.Data.ID+"/wait", "").Data.Result.Files
	if len(files) != 1 {
		t.Fatalf("the object cannot be read back: %+v", files)
	}
	sum := md5.Sum(content)
	checkFile(t, files[0].URL, int64(len(content)), hex.EncodeToString(sum[:]))
}

// partsIn lists the files of unfinished uploads in the server's own folder for them.
func partsIn(t *testing.T, dir string) (parts []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			parts = append(parts, path)
		}
		return nil // what is being removed may be gone already
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}
