package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/gantry-engine/gantry/exporters"
)

// exporter delivers to one bucket.
type exporter struct {
	*client
	params Params
}

func open(env exporters.Env, p Params) (*exporter, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &exporter{client: c, params: p}, nil
}

// Export implements exporters.Exporter. A small file goes in one request, a larger one in parts.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	facts, err := map[string]string(nil), error(nil)
	if d.File.Size <= max(singlePiece, e.profile.part) {
		facts, err = e.put(ctx, d)
	} else {
		facts, err = e.upload(ctx, d)
	}
	if err != nil {
		return exporters.Receipt{}, err
	}
	receipt := exporters.Receipt{Facts: facts}
	receipt.Facts["location"] = e.location(d.Name)
	if region := e.moved(); region != "" {
		receipt.Facts["region"] = region
		receipt.Remark = fmt.Sprintf("The bucket is in the region %s, not in %s; the files went there all the same.", region, e.place.Region)
	}
	return receipt, nil
}

// Close implements exporters.Exporter.
func (e *exporter) Close() error { return nil }

// put sends a file in one request. The sum that goes with it is known from when the file was stored.
func (e *exporter) put(ctx context.Context, d exporters.Delivery) (map[string]string, error) {
	var out *s3.PutObjectOutput
	err := e.try(ctx, func(ctx context.Context, api *s3.Client) error {
		body, err := d.Open(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		in := e.params.put(d.File, d.Name)
		if in.Body, err = sized(body, d.File.Size); err != nil {
			return err
		}
		if e.profile.amazon {
			in.ChecksumCRC32C = text(recode(d.File.CRC32C))
		} else {
			in.ContentMD5 = text(recode(d.File.MD5))
		}
		out, err = api.PutObject(ctx, in, unsigned)
		return err
	})
	if err != nil {
		return nil, e.fault(ctx, err, "put")
	}
	return map[string]string{"etag": bare(out.ETag), "version": bare(out.VersionId), "crc32c": bare(out.ChecksumCRC32C)}, nil
}

// sized returns the body for a request. One without bytes is read here, since its end may be an error, and nothing is sent.
func sized(body io.Reader, size int64) (io.Reader, error) {
	if size > 0 {
		return body, nil
	}
	_, err := io.Copy(io.Discard, body)
	return bytes.NewReader(nil), err
}

// recode makes base64 of hex; nothing of what is none.
func recode(sum string) string {
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// bare is what an answer says, without the quotes of an ETag.
func bare(s *string) string {
	if s == nil {
		return ""
	}
	return strings.Trim(*s, `"`)
}
