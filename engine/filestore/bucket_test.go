package filestore_test

import (
	"net/url"
	"os"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestBucket(t *testing.T) {
	s := servers.Start(t, "minio")
	t.Setenv("AWS_ACCESS_KEY_ID", s["S3_ACCESS_KEY_ID"])
	t.Setenv("AWS_SECRET_ACCESS_KEY", s["S3_SECRET_ACCESS_KEY"])
	enginetest.TestFiles(t, func(t testing.TB) engine.Files {
		q := url.Values{"endpoint": {s["S3_ENDPOINT"]}, "region": {s["S3_REGION"]}, "use_path_style": {"true"},
			"prefix": {string(engine.NewID()) + "/"}}
		files, end, err := filestore.Open(t.Context(), "s3://"+s["S3_BUCKET"]+"?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := end(); err != nil {
				t.Error(err)
			}
		})
		return files
	})
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
