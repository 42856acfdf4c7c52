package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/s3"
)

// TestSums holds EXP-S3-13: which of what a service says of an object is taken for its sum.
func TestSums(t *testing.T) {
	const md5, amazon = "9e107d9d372bb6826bd81d3542a419d6", ""
	for name, test := range map[string]struct {
		endpoint, bucket string
		header           []string
		md5, crc32c      string
	}{
		"one piece":       {amazon, "b", []string{"ETag", `"` + md5 + `"`}, md5, ""},
		"Amazon's own":    {amazon, "b", []string{"X-Amz-Server-Side-Encryption", "AES256", "ETag", `"` + md5 + `"`}, md5, ""},
		"parts":           {amazon, "b", []string{"ETag", `"` + md5 + `-2"`}, "", ""},
		"KMS":             {amazon, "b", []string{"X-Amz-Server-Side-Encryption", "aws:kms", "ETag", `"` + md5 + `"`}, "", ""},
		"customer's key":  {amazon, "b", []string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", "ETag", `"` + md5 + `"`}, "", ""},
		"express":         {amazon, "b--use1-az4--x-s3", []string{"ETag", `"` + md5 + `"`}, "", ""},
		"random":          {"https://a.r2.cloudflarestorage.com", "b", []string{"ETag", `"` + md5 + `"`}, "", ""},
		"another service": {"https://s3.example.com", "b", []string{"ETag", `"` + md5 + `"`}, md5, ""},
		"whole":           {amazon, "b", []string{"X-Amz-Checksum-Crc32c", "yZRlqg==", "X-Amz-Checksum-Type", "FULL_OBJECT"}, "", "c99465aa"},
		"of parts":        {amazon, "b", []string{"X-Amz-Checksum-Crc32c", "yZRlqg==-2", "X-Amz-Checksum-Type", "COMPOSITE"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			wire := &exportertest.Wire{}
			wire.Always(func(req *http.Request) (*http.Response, error) {
				resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: req}
				for i := 0; i < len(test.header); i += 2 {
					resp.Header.Set(test.header[i], test.header[i+1])
				}
				return resp, nil
			})
			source, err := s3.Definition().Reading.Open(t.Context(), wire.Env(), s3.ReadParams{Place: s3.Place{Bucket: test.bucket,
				Region: "us-east-1", Endpoint: test.endpoint, AccessKeyID: "the-key-id", SecretAccessKey: "the-secret-key"}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := source.Open(t.Context(), exporters.Object{Name: "k"}, 0)
			if err != nil || got.MD5 != test.md5 || got.CRC32C != test.crc32c {
				t.Errorf("got the MD5 %q and the CRC32C %q, %v; want %q and %q", got.MD5, got.CRC32C, err, test.md5, test.crc32c)
			}
			if asked, want := wire.Heads()[0].Header.Get("X-Amz-Checksum-Mode") != "", test.endpoint == amazon; asked != want {
				t.Errorf("asked for a checksum: %v, want %v", asked, want)
			}
		})
	}
}
