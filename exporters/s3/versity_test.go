package s3_test

import (
	"os"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/s3"
)

// TestVersity runs the contract against a third implementation of the protocol, Versity's gateway, where GANTRY_VERSITY is set:
// it takes minutes to build.
func TestVersity(t *testing.T) { exportertest.Run(t, newVersity(t)) }

// TestVersityBrokenDownload has downloads break off.
func TestVersityBrokenDownload(t *testing.T) {
	v := newVersity(t)
	brokenDownload(t, v, v.minio)
}

// versity is the harness. Its bucket is private and its uploads are listed, as with Swift.
type versity struct{ swift }

// Definition implements exportertest.Harness. The gateway takes a part that breaks off for a whole one, at its leisure, and makes
// the folder of an upload anew for it that was aborted meanwhile.
func (versity) Definition() exporters.Definition {
	def := s3.Definition()
	def.Promises.NoAbort = "a part that broke off may be taken after the upload was aborted"
	def.Promises.StaysUnder = def.Promises.NoAbort
	return def
}

func newVersity(t testing.TB) versity {
	t.Helper()
	if os.Getenv("GANTRY_VERSITY") == "" {
		t.Skip("GANTRY_VERSITY is not set")
	}
	v := servers.Start(t, "versitygw")
	return versity{swift{minio{endpoint: v["S3_ENDPOINT"], address: v["S3_ADDRESS"], bucket: v["S3_BUCKET"], region: v["S3_REGION"],
		id: v["S3_ACCESS_KEY_ID"], secret: v["S3_SECRET_ACCESS_KEY"]}}}
}
