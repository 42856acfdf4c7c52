package azureblob

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// body is a range of the file as the SDK wants it: it asks for the size by seeking, and goes back to the beginning to send
// once more, which is a new reader here. Nothing is held in memory.
type body struct {
	open func() (io.ReadCloser, error)
	size int64

	at   int64
	src  io.ReadCloser // nil until something was read
	sent atomic.Bool   // whether all of it was read
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.src == nil {
		if b.at != 0 {
			return 0, errors.New("read a file from its middle")
		}
		src, err := b.open()
		if err != nil {
			return 0, err
		}
		b.src = src
	}
	n, err := b.src.Read(p)
	b.at += int64(n)
	b.sent.Store(b.at == b.size)
	return n, err
}

// Seek implements io.Seeker, for the beginning and the end alone.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch {
	case offset == 0 && whence == io.SeekCurrent:
		return b.at, nil
	case offset == 0 && whence == io.SeekEnd:
		err := b.Close()
		b.at = b.size
		return b.size, err
	case offset == 0 && whence == io.SeekStart:
		err := b.Close()
		b.at = 0
		b.sent.Store(false)
		return 0, err
	}
	return 0, fmt.Errorf("seek to %d from %d in a file that is being sent", offset, whence)
}

// Close implements io.Closer. It may be called again.
func (b *body) Close() error {
	src := b.src
	b.src = nil
	if src == nil {
		return nil
	}
	return src.Close()
}

// drain reads a body of no bytes to its end, which may be an error; nothing of it is sent.
func (b *body) drain() error {
	_, err := io.Copy(io.Discard, b)
	return errors.Join(err, b.Close())
}
