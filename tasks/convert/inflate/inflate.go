// Package inflate opens what is compressed, so that a small file cannot take the machine: streams whose window is bounded, and
// ZIP files whose directory is looked at before it is believed. How much comes out is for the caller to count.
package inflate

import (
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// MaxWindow bounds the memory a file can make its decompressor ask for, in bytes: what xz -9 and zstd --long ask.
const MaxWindow = 128 << 20

// Reader opens a stream that is compressed as kind says: gz, bz2, zst or xz. Close the result.
func Reader(r io.Reader, kind string) (io.ReadCloser, error) {
	switch kind {
	case "gz":
		return gzip.NewReader(r)
	case "bz2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case "zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case "xz":
		d, err := xz.NewReader(r, MaxWindow)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(d), nil
	}
	return nil, errors.New("not a compression: " + kind)
}
