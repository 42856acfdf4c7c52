package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// noUpload is the id of an upload that does not exist.
const noUpload = "2~gantry-check-no-such-upload"

// check tries the destination with an object whose checksum is not its own: a service that lets the key write refuses it
// for that alone, and keeps nothing. So the check needs no right to delete.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	e, err := open(env, p)
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	key := probe(p)
	findings := e.tryPut(ctx, key)
	if findings[len(findings)-1].OK {
		findings = append(findings, e.tryAbort(ctx, key))
	}
	if region := e.moved(); region != "" {
		findings = append(findings, exporters.Finding{Text: "The bucket is in the region " + region + ": set region to that."})
	}
	return findings
}

// probe is a name beside those that an export would write.
func probe(p Params) string {
	beside := p.KeyPrefix
	if p.Key != "" {
		beside = p.Key[:strings.LastIndex(p.Key, "/")+1]
	}
	return strings.TrimLeft(beside+"gantry-check-"+uuid.NewString(), "/")
}

func (e *exporter) tryPut(ctx context.Context, key string) []exporters.Finding {
	const text = "This is not stored."
	wrong := md5.Sum([]byte("something else"))
	err := e.try(ctx, func(ctx context.Context, api *s3.Client) error {
		in := e.params.put(engine.File{MIME: "text/plain", Size: int64(len(text))}, key)
		sum := base64.StdEncoding.EncodeToString(wrong[:])
		in.Body, in.ContentMD5 = strings.NewReader(text), &sum
		_, err := api.PutObject(ctx, in)
		return err
	})
	a := answerOf(err)
	if err != nil && a.status == 0 {
		return []exporters.Finding{{Text: engine.MessageOf(e.fault(ctx, err, "put"))}}
	}
	findings := []exporters.Finding{{OK: true, Text: "The service answers."}}
	if err != nil && !says(err, "BadDigest", "InvalidDigest") {
		return append(findings, exporters.Finding{Text: engine.MessageOf(e.fault(ctx, err, "put"))})
	}
	if err == nil {
		findings = append(findings, e.kept(ctx, key))
	}
	return append(findings,
		exporters.Finding{OK: true, Text: "The service knows the key."},
		exporters.Finding{OK: true, Text: "The key may write to " + e.location(key) + ", and beside it."})
}

// kept is for services that do not compare checksums: the object has to be removed.
func (e *exporter) kept(ctx context.Context, key string) exporters.Finding {
	api, _ := e.current()
	if _, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &e.params.Bucket, Key: &key}); err != nil {
		return exporters.Finding{Text: fmt.Sprintf("The service does not compare checksums: it took the object %q, which the key may "+
			"not delete. Remove it there.", key)}
	}
	return exporters.Finding{Text: "The service does not compare checksums, so what is damaged on the way is not noticed."}
}

// tryAbort asks for the end of an upload that does not exist.
func (e *exporter) tryAbort(ctx context.Context, key string) exporters.Finding {
	id := noUpload
	err := e.try(ctx, func(ctx context.Context, api *s3.Client) error {
		_, err := api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &e.params.Bucket, Key: &key, UploadId: &id})
		return err
	})
	if err == nil || says(err, "NoSuchUpload", "NoSuchKey", "InvalidArgument") {
		return exporters.Finding{OK: true, Text: "The key may remove the parts of unfinished uploads."}
	}
	return exporters.Finding{Text: engine.MessageOf(e.fault(ctx, err, "abort"))}
}
