package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"

	"github.com/gantry-engine/gantry/engine"
)

// Bucket keeps each blob in an object of a bucket. An object appears when it is whole, and is never changed then. What
// unfinished writes of a dead process left is the bucket's to remove: a rule of its life cycle does that.
type Bucket struct {
	bucket *blob.Bucket
}

// Open returns the store at the URL, as gocloud.dev writes it: s3://BUCKET?endpoint=…&region=…&use_path_style=true,
// gs://BUCKET, azblob://CONTAINER, each with &prefix=… where it shares the bucket; or file:///FOLDER, a folder that all
// processes see. Credentials are found as the vendor's own tools find them.
func Open(ctx context.Context, address string) (engine.Files, func() error, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return nil, nil, errors.New("the files' address must be a URL such as s3://bucket?region=eu-central-1 or file:///srv/files")
	}
	if u.Scheme == "file" {
		d, err := OpenShared(u.Path)
		return d, func() error { return nil }, err
	}
	b, err := OpenBucket(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	return b, b.Close, nil
}

// OpenBucket returns the store in the bucket at the URL and checks that it can be reached. Close it after use.
func OpenBucket(ctx context.Context, address string) (*Bucket, error) {
	b, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	if ok, err := b.IsAccessible(ctx); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("the bucket does not exist or cannot be read: %w", err), b.Close())
	}
	return &Bucket{bucket: b}, nil
}

// Close ends the store's connections.
func (b *Bucket) Close() error { return b.bucket.Close() }

// key spreads blobs by the random end of their ids: their beginnings are alike at any one time.
func key(id engine.BlobID) string { return path.Join(string(id[len(id)-2:]), string(id)) }

// Create implements engine.Files.
func (b *Bucket) Create(ctx context.Context, name string, r io.Reader) (engine.File, error) {
	id := engine.NewID()
	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close it discards what was written
	w, err := b.bucket.NewWriter(writing, key(id), &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return engine.File{}, storing(err)
	}
	m := newMeasure(name)
	if err := copyTo(ctx, w, m, r); err != nil {
		cancel()
		_ = w.Close() // it fails as it shall
		return engine.File{}, err
	}
	if err := w.Close(); err != nil {
		return engine.File{}, storing(err)
	}
	f := m.file()
	f.Blob = id
	return f, nil
}

// Adopt implements engine.Files.
func (b *Bucket) Adopt(ctx context.Context, name, path string) (engine.File, error) {
	src, err := openPlain(path)
	if err != nil {
		return engine.File{}, err
	}
	defer src.Close()
	f, err := b.Create(ctx, name, src)
	if err != nil {
		return f, err
	}
	if err := os.Remove(path); err != nil {
		return engine.File{}, storing(errors.Join(err, b.Remove(ctx, f.Blob)))
	}
	return f, nil
}

// Open implements engine.Files. The reader's context is not ctx: it may outlive the call.
func (b *Bucket) Open(ctx context.Context, id engine.BlobID) (io.ReadSeekCloser, error) {
	if _, ok := engine.ParseID(string(id)); !ok {
		return nil, noBytes(nil)
	}
	r, err := b.bucket.NewReader(context.WithoutCancel(ctx), key(id), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, noBytes(err)
	}
	if err != nil {
		return nil, engine.Wrap(err, engine.Unavailable, "The server could not read the file.")
	}
	return r, nil
}

// Remove implements engine.Files.
func (b *Bucket) Remove(ctx context.Context, id engine.BlobID) error {
	if _, ok := engine.ParseID(string(id)); !ok {
		return nil
	}
	if err := b.bucket.Delete(ctx, key(id)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("remove a blob: %w", err)
	}
	return nil
}

// Walk implements engine.Files.
func (b *Bucket) Walk(ctx context.Context, yield func(engine.BlobID, time.Time) error) error {
	list := b.bucket.List(nil)
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the bucket: %w", err)
		}
		if id, ok := engine.ParseID(path.Base(o.Key)); ok && key(id) == o.Key {
			if err := yield(id, madeAt(id)); err != nil {
				return err
			}
		}
	}
}

// Redirect is what a link of the bucket's own makes the bucket say of the bytes.
type Redirect struct {
	ContentType        string
	ContentDisposition string
	For                time.Duration // until it ends
}

// Link returns the bucket's own signed link to a blob, for whoever has it. Azure signs no headers with a link: there it is
// an error.
func (b *Bucket) Link(ctx context.Context, id engine.BlobID, r Redirect) (string, error) {
	said := false
	link, err := b.bucket.SignedURL(ctx, key(id), &blob.SignedURLOptions{Expiry: r.For, BeforeSign: func(as func(any) bool) error {
		var amazon *s3.GetObjectInput
		var google *storage.SignedURLOptions
		switch {
		case as(&amazon):
			amazon.ResponseContentType, amazon.ResponseContentDisposition = &r.ContentType, &r.ContentDisposition
		case as(&google):
			google.QueryParameters = url.Values{"response-content-type": {r.ContentType},
				"response-content-disposition": {r.ContentDisposition}}
		default:
			return nil
		}
		said = true
		return nil
	}})
	if err == nil && !said {
		err = errors.New("the bucket's links cannot say how a file is to be shown")
	}
	return link, err
}

// Free implements engine.Files: a bucket has no end.
func (b *Bucket) Free(context.Context) (int64, error) { return -1, nil }
