package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// source reads from one bucket.
type source struct{ *client }

func openSource(env exporters.Env, p ReadParams) (*source, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &source{c}, nil
}

// Stat implements exporters.Source.
func (s *source) Stat(ctx context.Context, name string) (exporters.Object, error) {
	name = strings.TrimLeft(name, "/")
	var out *s3.HeadObjectOutput
	err := s.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
		out, err = api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.place.Bucket, Key: &name})
		return err
	})
	if err != nil {
		return exporters.Object{}, s.fault(ctx, err, "read")
	}
	return exporters.Object{Name: name, Size: sizeOf(out.ContentLength), Version: aws.ToString(out.ETag)}, nil
}

// List implements exporters.Source.
func (s *source) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	in := &s3.ListObjectsV2Input{Bucket: &s.place.Bucket, Prefix: text(strings.TrimLeft(prefix, "/"))}
	for {
		var page *s3.ListObjectsV2Output
		err := s.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
			page, err = api.ListObjectsV2(ctx, in)
			return err
		})
		if err != nil {
			return s.fault(ctx, err, "list")
		}
		for _, o := range page.Contents {
			name := aws.ToString(o.Key)
			if strings.HasSuffix(name, "/") {
				continue // stands for a folder
			}
			if err := yield(exporters.Object{Name: name, Size: sizeOf(o.Size), Version: aws.ToString(o.ETag)}); err != nil {
				return err
			}
		}
		if !aws.ToBool(page.IsTruncated) || aws.ToString(page.NextContinuationToken) == "" {
			return nil
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// Open implements exporters.Source.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	in := &s3.GetObjectInput{Bucket: &s.place.Bucket, Key: &o.Name, IfMatch: text(o.Version)}
	if offset > 0 {
		in.Range = text(fmt.Sprintf("bytes=%d-", offset))
	}
	var out *s3.GetObjectOutput
	err := s.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
		out, err = api.GetObject(ctx, in, s.askSum)
		return err
	})
	if err != nil {
		return exporters.Content{}, s.fault(ctx, err, "read")
	}
	if offset > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", offset)) {
		out.Body.Close()
		return exporters.Content{}, engine.Errorf(engine.Unavailable, "The service does not send the object from where the download broke off.")
	}
	content := exporters.Content{ReadCloser: out.Body, MD5: s.md5Of(out)}
	if out.ChecksumType == types.ChecksumTypeFullObject {
		raw, _ := base64.StdEncoding.DecodeString(aws.ToString(out.ChecksumCRC32C)) // what is none is no sum
		content.CRC32C = hex.EncodeToString(raw)
	}
	return content, nil
}

// askSum asks Amazon for the object's checksum. The SDK's own way would compare it too, and a part's with that of the whole.
func (s *source) askSum(o *s3.Options) {
	if s.profile.amazon {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
	}
}

// md5Of returns the MD5 of an object where its ETag is that: it was written in one piece, and not encrypted with a key that is
// somebody's own.
func (s *source) md5Of(out *s3.GetObjectOutput) string {
	etag := bare(out.ETag)
	plain := out.ServerSideEncryption == "" || out.ServerSideEncryption == types.ServerSideEncryptionAes256
	if raw, err := hex.DecodeString(etag); err != nil || len(raw) != md5.Size || !plain || out.SSECustomerAlgorithm != nil || s.profile.opaque {
		return ""
	}
	return etag
}

// Close implements exporters.Source.
func (s *source) Close() error { return nil }

func sizeOf(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
