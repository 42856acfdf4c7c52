package s3_test

import (
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/s3"
)

// TestSwift runs the contract against another implementation of the protocol: the S3 face of OpenStack Swift.
func TestSwift(t *testing.T) { exportertest.Run(t, newSwift(t)) }

// swift is the harness. Its bucket is private, so objects are read with the vendor's client.
type swift struct{ minio }

func newSwift(t testing.TB) swift {
	t.Helper()
	t.Setenv("SWIFT_LARGEST", "5368709122") // the parts of S3 are larger than what the server takes otherwise
	v := servers.Start(t, "openstack")
	s := swift{minio{endpoint: v["S3_ENDPOINT"], address: v["S3_ADDRESS"], bucket: "pipeline", region: v["S3_REGION"],
		id: v["S3_ACCESS_KEY_ID"], secret: v["S3_SECRET_ACCESS_KEY"]}}
	_, err := s.api().CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &s.bucket})
	if code := codeOf(err); err != nil && code != "BucketAlreadyOwnedByYou" && code != "BucketAlreadyExists" {
		t.Fatalf("make the bucket: %v", err)
	}
	return s
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func (s swift) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	out, err := s.api().GetObject(t.Context(), &sdk.GetObjectInput{Bucket: &s.bucket, Key: &name})
	if codeOf(err) == "NoSuchKey" {
		return exportertest.Object{}, false
	}
	if err != nil {
		t.Fatalf("get %q: %v", name, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return exportertest.Object{Bytes: body, MIME: aws.ToString(out.ContentType)}, true
}

// Unfinished implements exportertest.Harness. Swift lists the uploads of a bucket, which MinIO does of one key alone.
func (s swift) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	out, err := s.api().ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: &s.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		left = append(left, aws.ToString(u.Key)+" "+aws.ToString(u.UploadId))
	}
	return left
}

// TestSwiftACL looks at whether an ACL arrives, which MinIO takes without keeping it.
func TestSwiftACL(t *testing.T) {
	s := newSwift(t)
	for _, size := range []int64{little, large} {
		for acl, want := range map[string]string{"": "", "private": "", "PublicRead": "READ", "public-read": "READ"} {
			key := "acl/of " + acl
			params := s.Params(t, s.address, key)
			params["acl"] = acl
			task, log := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, size)
			if task.Status != engine.StatusFinished {
				t.Fatalf("acl %q: ended %s (%s)\n%s", acl, task.Code, task.Message, log)
			}
			out, err := s.api().GetObjectAcl(t.Context(), &sdk.GetObjectAclInput{Bucket: &s.bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, g := range out.Grants {
				if strings.HasSuffix(aws.ToString(g.Grantee.URI), "/AllUsers") {
					got += string(g.Permission)
				}
			}
			if got != want {
				t.Errorf("acl %q, %d bytes: everybody may %q, want %q", acl, size, got, want)
			}
		}
	}
}

// TestSwiftRefuses asks for what this service does not have: the text has to say what that is.
func TestSwiftRefuses(t *testing.T) {
	s := newSwift(t)
	for name, change := range map[string]map[string]any{
		"tagging":    {"tagging": map[string]any{"a": "b"}},
		"encryption": {"server_side_encryption": "AES256"},
	} {
		t.Run(name, func(t *testing.T) {
			params := s.Params(t, s.address, "refused/"+name)
			maps.Copy(params, change)
			task, _ := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, little)
			if task.Code != engine.Invalid || !strings.Contains(task.Message, "Try without tagging, acl or server_side_encryption.") {
				t.Errorf("ended %s: %s", task.Code, task.Message)
			}
		})
	}
}

// TestSwiftBrokenDownload has downloads break off.
func TestSwiftBrokenDownload(t *testing.T) {
	s := newSwift(t)
	brokenDownload(t, s, s.minio)
}
