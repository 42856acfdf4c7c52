package exporters

import (
	"context"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/gantry-engine/gantry/engine"
)

// body is the file of one delivery on its way out: what was read of it is counted and checked.
type body struct {
	file    engine.File
	open    func(ctx context.Context) (io.ReadSeekCloser, error)
	current func(ctx context.Context) error // whether the task is still this worker's
	sent    func(n int)                     // called with the bytes of every read
	last    func()                          // called when only the commit is left

	mu   sync.Mutex
	seen coverage
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// reader returns length bytes from offset on.
func (b *body) reader(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	src, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		src.Close()
		return nil, fmt.Errorf("seek in a stored file: %w", err)
	}
	r := &verifier{src: src, body: b, offset: offset, length: length, left: length, sum: crc32.New(castagnoli)}
	r.finish = func() error { return r.end(ctx) }
	return r, nil
}

// commit checks that all bytes were read and are those of the file, and that the task may still be finished here.
func (b *body) commit(ctx context.Context) error {
	b.mu.Lock()
	sum, whole := b.seen.sum(b.file.Size)
	b.mu.Unlock()
	switch {
	case !whole:
		return fmt.Errorf("commit %q: not every byte of the file was read", b.file.Name)
	case b.file.CRC32C != "" && fmt.Sprintf("%08x", sum) != b.file.CRC32C:
		return b.broken("has changed on the disk")
	}
	b.last()
	return b.current(ctx)
}

func (b *body) broken(how string) error {
	return engine.Errorf(engine.Internal, "The stored file %q %s; it was not delivered.", b.file.Name, how)
}

// verifier passes bytes on. It keeps the last ones back until it has seen that they are the last, and hands out an error in
// their place otherwise: many a protocol takes an upload for complete as soon as its last byte is there.
type verifier struct {
	src    io.ReadSeekCloser
	body   *body
	offset int64
	length int64
	left   int64
	sum    hash.Hash32
	finish func() error
	ended  bool
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.ended || len(p) == 0 {
		return 0, v.eof()
	}
	n, err := 0, error(nil)
	if v.left > 0 {
		n, err = v.src.Read(p[:min(int64(len(p)), v.left)])
		v.left -= int64(n)
		v.sum.Write(p[:n])
	}
	if v.left == 0 {
		v.ended = true
		err = v.finish()
	} else if err == io.EOF { // only the bare EOF is an end
		err = v.body.broken("is shorter than it should be")
	}
	if err != nil {
		return 0, err
	}
	v.body.sent(n)
	if n == 0 {
		return 0, v.eof()
	}
	return n, nil
}

func (v *verifier) eof() error {
	if v.ended {
		return io.EOF
	}
	return nil
}

// end checks what is to be checked when the range is complete.
func (v *verifier) end(ctx context.Context) error {
	if v.offset+v.length == v.body.file.Size {
		if n, err := io.ReadFull(v.src, make([]byte, 1)); n > 0 {
			return v.body.broken("is longer than it should be")
		} else if err != io.EOF {
			return err
		}
	}
	v.body.mu.Lock()
	v.body.seen.add(stretch{Offset: v.offset, Length: v.length, Sum: v.sum.Sum32()})
	v.body.mu.Unlock()
	if v.offset == 0 && v.length == v.body.file.Size {
		return v.body.commit(ctx)
	}
	return nil
}

func (v *verifier) Close() error { return v.src.Close() }
