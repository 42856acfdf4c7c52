package cmd_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/filestore"
)

// newBucketCluster is a server and a worker with their files in a bucket, under a prefix of their own.
func newBucketCluster(t *testing.T, more ...string) *cluster {
	t.Helper()
	postgres := servers.Start(t, "postgres")["POSTGRES_URL"]
	minio := servers.Start(t, "minio")
	t.Setenv("AWS_ACCESS_KEY_ID", minio["S3_ACCESS_KEY_ID"])
	t.Setenv("AWS_SECRET_ACCESS_KEY", minio["S3_SECRET_ACCESS_KEY"])
	dir := t.TempDir()
	c := &cluster{TB: t, data: dir, url: enginetest.DatabaseOf(t, postgres, dir),
		files: fmt.Sprintf("s3://%s?endpoint=%s&region=%s&use_path_style=true&prefix=%s/", minio["S3_BUCKET"], minio["S3_ENDPOINT"],
			minio["S3_REGION"], engine.NewID())}
	c.workers = append(c.workers, c.work())
	c.servers = append(c.servers, serve(t, dir, append([]string{"--database", c.url, "--workers", "0", "--files", c.files}, more...)...))
	return c
}

// fetch downloads with a header, and returns the answer with its body read.
func fetch(t testing.TB, url, header, value string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestBucket takes files through a bucket: in by content and by upload, converted and packed, out whole and in part; and
// removes them there when their job is deleted.
func TestBucket(t *testing.T) {
	c := newBucketCluster(t)
	s := c.servers[0]
	var acked acknowledged
	acked.submit(s)
	if len(acked.ids) != 1 {
		t.Fatalf("the job was not taken:\n%s", s.log)
	}
	end := s.must(200, "GET", "/v2/jobs/"+acked.ids[0]+"/wait", "")
	if end.Data.Status != "finished" {
		t.Fatalf("the job ended as %+v", end.Data)
	}
	f := end.Data.Tasks[4].Result.Files[0]
	checkFile(t, f.URL, f.Size, f.MD5)
	resp, text := fetch(t, f.URL, "Range", "bytes=0-1")
	if resp.StatusCode != http.StatusPartialContent || text != "PK" || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes 0-1/%d", f.Size) {
		t.Errorf("a part: %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if n := c.objects(); n == 0 {
		t.Error("there is nothing in the bucket")
	}
	s.must(204, "DELETE", "/v2/jobs/"+acked.ids[0], "")
	if resp, _ := fetch(t, f.URL, "Range", "bytes=0-1"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after the deletion the link gives %d", resp.StatusCode)
	}
	c.workers = append(c.workers, c.work()) // it sweeps when it starts
	for end := time.Now().Add(time.Minute); c.objects() > 0; <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d objects stay in the bucket", c.objects())
		}
	}
	c.end()
}

// TestBucketToBucket exports a file of several parts whose bytes lie in a bucket, and imports it again.
func TestBucketToBucket(t *testing.T) {
	t.Setenv("GANTRY_EGRESS_ALLOW", "127.0.0.0/8")
	c := newBucketCluster(t)
	s, minio := c.servers[0], servers.Start(t, "minio")
	content := make([]byte, 24<<20)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(content) // it cannot fail
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	defer source.Close()
	place := fmt.Sprintf(`"endpoint": %q, "region": %q, "bucket": %q, "access_key_id": %q, "secret_access_key": %q, "key": "to/%s.bin"`,
		minio["S3_ENDPOINT"], minio["S3_REGION"], minio["S3_BUCKET"], minio["S3_ACCESS_KEY_ID"], minio["S3_SECRET_ACCESS_KEY"], engine.NewID())
	out := s.must(201, "POST", "/sync/v2/jobs", fmt.Sprintf(`{"tasks": {
		"in": {"operation": "import/url", "url": %q, "filename": "large.bin"},
		"out": {"operation": "export/s3", "input": "in", %s}}}`, source.URL+"/large.bin", place))
	if out.Data.Status != "finished" {
		t.Fatalf("the export ended %+v", out.Data)
	}
	back := s.must(201, "POST", "/sync/v2/jobs", fmt.Sprintf(`{"tasks": {"in": {"operation": "import/s3", %s},
		"out": {"operation": "export/url", "input": "in"}}}`, place))
	if back.Data.Status != "finished" {
		t.Fatalf("the import ended %+v", back.Data)
	}
	sum := md5.Sum(content)
	checkFile(t, back.Data.Tasks[1].Result.Files[0].URL, int64(len(content)), hex.EncodeToString(sum[:]))
	c.end()
}

// objects counts what is in the bucket.
func (c *cluster) objects() (n int) {
	c.Helper()
	files, end, err := filestore.Open(c.Context(), c.files)
	if err != nil {
		c.Fatal(err)
	}
	err = files.Walk(c.Context(), func(engine.BlobID, time.Time) error { n++; return nil })
	if err != nil {
		c.Fatal(err)
	}
	if err := end(); err != nil {
		c.Fatal(err)
	}
	return n
}

// TestRedirect sends clients to the bucket.
func TestRedirect(t *testing.T) {
	c := newBucketCluster(t, "--redirect-downloads")
	s, minio := c.servers[0], servers.Start(t, "minio")
	end := s.must(201, "POST", "/sync/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "content", "filename": "ä.txt"},
		"out": {"operation": "export/url", "input": "a"}}}`)
	url := end.Data.Tasks[1].Result.Files[0].URL
	resp, text := fetch(t, url, "Accept", "*/*")
	if text != "content" || resp.Request.URL.Host != minio["S3_ADDRESS"] ||
		!strings.Contains(resp.Header.Get("Content-Disposition"), "filename*=UTF-8''%C3%A4.txt") {
		t.Errorf("got %q from %s with %v", text, resp.Request.URL.Host, resp.Header)
	}
	if resp, text := fetch(t, url, "Range", "bytes=3-"); resp.StatusCode != http.StatusPartialContent || text != "tent" {
		t.Errorf("a part: %d %q", resp.StatusCode, text)
	}
	c.end()
}
