package engine

import (
	"context"
	"io"
	"time"
)

// BlobID names stored bytes. It is chosen by us and safe to use in a path.
type BlobID = ID

// File is finished bytes under a name. Several files may refer to one blob. A File without a Blob is known by its facts
// alone: what an exporter delivered elsewhere.
type File struct {
	ID     ID
	Blob   BlobID
	Name   string // base name, never empty, no separators
	Dir    string // relative folder with "/" between its parts; empty for most
	Size   int64  // bytes; negative where it is not known
	MIME   string // by content, such as "image/png"; parameters only where they matter
	SHA256 string // lower-case hex, as are all hashes
	MD5    string
	CRC32C string            // Castagnoli, big endian
	Link   bool              // a download link is shown for it
	Inline bool              // the link asks browsers to display it
	Facts  map[string]string // shown beside the name: what the destination confirmed
}

// Files keeps immutable bytes. It is safe for concurrent use.
type Files interface {
	// Create reads r to its end and keeps the bytes. When it returns without error, they survive a power loss; until then
	// nothing exists under the returned Blob. Name is kept in the File and helps to tell text formats apart. An error of r
	// is returned as it is.
	Create(ctx context.Context, name string, r io.Reader) (File, error)

	// Adopt is Create for a file on the local disk that nobody else uses: it may be moved instead of copied, and is gone
	// afterwards.
	Adopt(ctx context.Context, name, path string) (File, error)

	// Open returns the bytes, as a bare *os.File where they are one. Bytes that are not there are NotFound.
	Open(ctx context.Context, blob BlobID) (io.ReadSeekCloser, error)

	// Remove forgets the bytes. Removing what is not there is no error.
	Remove(ctx context.Context, blob BlobID) error

	// Walk calls yield for every blob with the time at which it came to be, in no order, until yield returns an error.
	Walk(ctx context.Context, yield func(BlobID, time.Time) error) error

	// Free returns the bytes that can still be stored, or a negative number where that is not known.
	Free(ctx context.Context) (int64, error)
}
