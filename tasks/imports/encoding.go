package imports

import (
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"path"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// ratioFrom is the size below which no ratio is too large.
const ratioFrom = 10 << 20

// content returns the file's bytes. None of the encodings of HTTP is asked for; gzip is undone where it comes all the
// same, unless the file itself seems to be meant: servers say gzip of .tar.gz, too.
func (d *download) content(name string) (io.Reader, error) {
	encoding := strings.ToLower(strings.TrimSpace(d.first.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity":
		return d, nil
	case "gzip", "x-gzip":
		if d.isGzipFile(name) {
			return d, nil
		}
		return &inflated{d: d}, nil
	}
	return nil, engine.Errorf(engine.Invalid,
		"The server of the URL sent the file in the encoding %.40q, though none was asked for; "+
			"only gzip can be undone.", encoding)
}

func (d *download) isGzipFile(name string) bool {
	mediaType, _, _ := mime.ParseMediaType(d.first.Header.Get("Content-Type"))
	switch mediaType {
	case "application/gzip", "application/x-gzip", "application/x-tgz", "application/x-compressed-tar":
		return true
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".gz", ".tgz", ".svgz":
		return true
	}
	return false
}

// inflated undoes gzip. What it makes is bounded by its caller; beside that it may not be more times larger than what
// it reads than Limits allow for archives.
type inflated struct {
	d    *download
	gzip *gzip.Reader
	made int64
}

// Read reads what was packed.
func (r *inflated) Read(p []byte) (int, error) {
	if r.gzip == nil {
		var err error
		if r.gzip, err = gzip.NewReader(r.d); err != nil {
			return 0, packed(err)
		}
	}
	n, err := r.gzip.Read(p)
	r.made += int64(n)
	if r.made > ratioFrom && r.made/r.d.limits.ArchiveRatio > r.d.got {
		return 0, engine.Errorf(engine.TooLarge, "The file unpacks to more than %d times its size.", r.d.limits.ArchiveRatio)
	}
	return n, packed(err)
}

// packed keeps the download's own errors and says of others that the bytes are no gzip.
func packed(err error) error {
	var known *engine.Error
	if err == nil || err == io.EOF || errors.As(err, &known) {
		return err
	}
	return engine.Wrap(err, engine.Invalid, "The server of the URL says that it sends gzip, but what came is none.")
}
