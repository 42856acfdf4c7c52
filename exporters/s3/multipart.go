package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	partsAtOnce = 4
	straggle    = time.Second // for which a part that was broken off may still be at work in the service
)

// state is what a checkpoint holds: what is needed to go on with an upload, and to abort it. S3 is never asked for the
// parts it has, since that takes a right which an export need not have.
type state struct {
	Bucket string   `json:"bucket"`
	Region string   `json:"region"`
	Key    string   `json:"key"`
	Upload string   `json:"upload,omitempty"` // empty until it was opened
	Part   int64    `json:"part"`             // bytes of each part but the last
	ETags  []string `json:"etags"`            // by part; empty of those that are missing
}

// upload is one file on its way in parts.
type upload struct {
	*exporter
	exporters.Delivery
	exporters.Kept[state]
}

// upload sends a file in parts, going on with what an earlier try left.
func (e *exporter) upload(ctx context.Context, d exporters.Delivery) (map[string]string, error) {
	u := &upload{exporter: e, Delivery: d}
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	err := u.send(ctx)
	if err == nil {
		return u.complete(ctx)
	}
	if says(err, "NoSuchUpload") || answerOf(err).status == 0 && ctx.Err() == nil && u.isGone(ctx) {
		err = u.forget(ctx, err)
	}
	return nil, u.fault(ctx, err, "put")
}

// isGone reports whether the upload is known to be gone. Some services say so of a part before they have read it, and close
// the connection: what arrives then is that it broke. The question needs a right that is not needed otherwise.
func (u *upload) isGone(ctx context.Context) bool {
	one := int32(1)
	api, _ := u.current()
	_, err := api.ListParts(ctx, &s3.ListPartsInput{Bucket: &u.params.Bucket, Key: &u.Name, UploadId: &u.State.Upload, MaxParts: &one})
	return says(err, "NoSuchUpload")
}

// begin takes up a saved upload or opens one. That it is about to be opened is saved before.
func (u *upload) begin(ctx context.Context) error {
	if err := u.Recall(ctx, u.Checkpoint); err != nil {
		return err
	}
	if u.State.Upload != "" {
		return nil
	}
	part := u.profile.partSize(u.File.Size)
	u.State = state{Bucket: u.params.Bucket, Region: u.place.Region, Key: u.Name, Part: part,
		ETags: make([]string, (u.File.Size+part-1)/part)}
	if err := u.Save(ctx); err != nil {
		return err
	}
	return u.open(ctx)
}

func (u *upload) open(ctx context.Context) error {
	in := u.params.create(u.File, u.Name)
	if u.profile.amazon {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	}
	var out *s3.CreateMultipartUploadOutput
	err := u.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
		out, err = api.CreateMultipartUpload(ctx, in)
		return err
	})
	if err != nil {
		return u.fault(ctx, err, "put")
	}
	if u.State.Upload = bare(out.UploadId); u.State.Upload == "" {
		return engine.Errorf(engine.Unavailable, "The service opened an upload without saying its id.")
	}
	_, u.State.Region = u.current()
	return u.Save(ctx)
}

// forget notes that the upload is gone, so that the next try opens another.
func (u *upload) forget(ctx context.Context, cause error) error {
	u.State = state{Bucket: u.params.Bucket, Region: u.place.Region, Key: u.Name}
	if err := u.Save(ctx); err != nil {
		return err
	}
	return engine.Wrap(cause, engine.Unavailable, "The service has forgotten the upload. It is begun anew.")
}

// send sends the parts that are missing, several at once. When it returns, none is under way any more.
func (u *upload) send(ctx context.Context) error {
	var missing []int
	for i, etag := range u.State.ETags {
		if etag == "" {
			missing = append(missing, i)
		}
	}
	err := exporters.Each(ctx, partsAtOnce, missing, u.part)
	if err == nil || says(err, "NoSuchUpload") {
		return err
	}
	return u.Keep(ctx, err)
}

// part sends one part.
func (u *upload) part(ctx context.Context, i int) error {
	offset := int64(i) * u.State.Part
	size := min(u.State.Part, u.File.Size-offset)
	number := int32(i + 1)
	in := &s3.UploadPartInput{Bucket: &u.params.Bucket, Key: &u.Name, UploadId: &u.State.Upload, PartNumber: &number, ContentLength: &size}
	if err := u.sum(ctx, in, offset, size); err != nil {
		return err
	}
	var out *s3.UploadPartOutput
	err := u.try(ctx, func(ctx context.Context, api *s3.Client) error {
		body, err := u.OpenRange(ctx, offset, size)
		if err != nil {
			return err
		}
		defer body.Close()
		in.Body = body
		out, err = api.UploadPart(ctx, in, unsigned)
		return err
	})
	if err != nil {
		return err
	}
	if bare(out.ETag) == "" {
		return engine.Errorf(engine.Unavailable, "The service took a part of the file without saying its ETag.")
	}
	return u.Note(ctx, func(st *state) { st.ETags[i] = bare(out.ETag) })
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum puts the checksum of a part into its request. A trailer would save reading it twice, but many services know none.
func (u *upload) sum(ctx context.Context, in *s3.UploadPartInput, offset, size int64) error {
	var sum hash.Hash = md5.New()
	if u.profile.amazon {
		sum = crc32.New(castagnoli)
	}
	src, err := u.OpenSeeker(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(sum, io.LimitReader(src, size), make([]byte, 64*kib)); err != nil {
		return err
	}
	if u.profile.amazon {
		in.ChecksumCRC32C = text(base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	} else {
		in.ContentMD5 = text(base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	}
	return nil
}

// complete makes the object of its parts. All ETags are saved before, so that whoever comes after a lost answer does not
// send them once more to an upload that is none any more.
func (u *upload) complete(ctx context.Context) (map[string]string, error) {
	if err := u.Save(ctx); err != nil {
		return nil, err
	}
	if err := u.Commit(ctx); err != nil {
		return nil, err
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.params.Bucket, Key: &u.Name, UploadId: &u.State.Upload,
		MultipartUpload: &types.CompletedMultipartUpload{}}
	for i, etag := range u.State.ETags {
		number, quoted := int32(i+1), `"`+etag+`"`
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{PartNumber: &number, ETag: &quoted})
	}
	if u.profile.amazon {
		in.ChecksumType, in.ChecksumCRC32C, in.MpuObjectSize = types.ChecksumTypeFullObject, text(recode(u.File.CRC32C)), &u.File.Size
	}
	var out *s3.CompleteMultipartUploadOutput
	err := u.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
		out, err = api.CompleteMultipartUpload(ctx, in)
		return err
	})
	switch {
	case says(err, "NoSuchUpload"):
		return u.find(ctx, err)
	case says(err, "InvalidPart", "InvalidPartOrder"): // the service has lost what it confirmed
		return nil, u.forget(ctx, err)
	case err != nil:
		return nil, u.fault(ctx, err, "put")
	case bare(out.ETag) == "":
		return nil, engine.Errorf(engine.Unavailable, "The service ended the upload without saying that there is an object.")
	}
	return map[string]string{"etag": bare(out.ETag), "version": bare(out.VersionId), "crc32c": bare(out.ChecksumCRC32C)}, nil
}

// find looks for the object when the upload is not there any more: the answer to an earlier completion may have been lost.
// Where that cannot be told, by want of a right or because the ETag is no hash, the file is sent again.
func (u *upload) find(ctx context.Context, cause error) (map[string]string, error) {
	var out *s3.HeadObjectOutput
	err := u.try(ctx, func(ctx context.Context, api *s3.Client) (err error) {
		out, err = api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.params.Bucket, Key: &u.Name})
		return err
	})
	whole := etagOf(u.State.ETags)
	if err != nil || whole == "" || bare(out.ETag) != whole || out.ContentLength == nil || *out.ContentLength != u.File.Size {
		return nil, u.forget(ctx, cause)
	}
	return map[string]string{"etag": whole, "version": bare(out.VersionId)}, nil
}

// etagOf returns the ETag of an object made of parts with those ETags; nothing where they are no MD5 sums.
func etagOf(parts []string) string {
	sum := md5.New()
	for _, etag := range parts {
		raw, err := hex.DecodeString(etag)
		if err != nil || len(raw) != md5.Size {
			return ""
		}
		sum.Write(raw)
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(parts))
}

// discard aborts an upload. Parts that were still under way when it was aborted can appear a little later, so that is looked
// after where it is allowed.
func discard(ctx context.Context, env exporters.Env, p Params, st state) error {
	if st.Upload == "" {
		return nil
	}
	c, err := newClient(env, p.Place)
	if err != nil {
		return err
	}
	c.use(orElse(st.Region, c.region))
	for range 3 {
		err := c.try(ctx, func(ctx context.Context, api *s3.Client) error {
			_, err := api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &st.Bucket, Key: &st.Key, UploadId: &st.Upload})
			return err
		})
		if says(err, "NoSuchUpload", "NoSuchBucket", "NoSuchKey") {
			return nil
		}
		if err != nil {
			return c.fault(ctx, err, "abort")
		}
		select {
		case <-time.After(straggle):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !c.hasParts(ctx, st) {
			return nil
		}
	}
	return engine.Errorf(engine.Unavailable, "Parts of the upload are still arriving.")
}

// hasParts reports whether an aborted upload is known to be there all the same.
func (c *client) hasParts(ctx context.Context, st state) bool {
	api, _ := c.current()
	_, err := api.ListParts(ctx, &s3.ListPartsInput{Bucket: &st.Bucket, Key: &st.Key, UploadId: &st.Upload})
	return err == nil
}
