package filestore_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

// openBucket opens an empty part of the bucket of a test server.
func openBucket(t testing.TB) *filestore.Bucket {
	t.Helper()
	s := servers.Start(t, "minio")
	q := url.Values{"endpoint": {s["S3_ENDPOINT"]}, "region": {s["S3_REGION"]}, "use_path_style": {"true"},
		"prefix": {string(engine.NewID()) + "/"}}
	t.Setenv("AWS_ACCESS_KEY_ID", s["S3_ACCESS_KEY_ID"])
	t.Setenv("AWS_SECRET_ACCESS_KEY", s["S3_SECRET_ACCESS_KEY"])
	files, end, err := filestore.Open(t.Context(), "s3://"+s["S3_BUCKET"]+"?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return files.(*filestore.Bucket)
}

func TestBucket(t *testing.T) {
	enginetest.TestFiles(t, func(t testing.TB) engine.Files { return openBucket(t) })
}

func TestLink(t *testing.T) {
	b := openBucket(t)
	f, err := b.Create(t.Context(), "x", strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	link, err := b.Link(t.Context(), f.Blob, filestore.Redirect{ContentType: "text/plain", ContentDisposition: `attachment; filename="ä.txt"`,
		For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(link) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if got := resp.Header.Get("Content-Disposition"); string(text) != "content" || got != `attachment; filename="ä.txt"` ||
		resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %q with %v", text, resp.Header)
	}
}

func TestShared(t *testing.T) {
	enginetest.TestFiles(t, func(t testing.TB) engine.Files {
		files, _, err := filestore.Open(t.Context(), "file://"+t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return files
	})
}

func TestOpenRefuses(t *testing.T) {
	for _, address := range []string{"", "bucket", "gopher://bucket", "s3://", "mem://"} {
		if _, _, err := filestore.Open(t.Context(), address); err == nil {
			t.Errorf("%q was opened", address)
		}
	}
}
