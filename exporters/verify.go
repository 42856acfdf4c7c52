package exporters

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/gantry-engine/gantry/engine"
)

// verifier passes bytes on and returns an error in place of io.EOF when they are not what they should be.
type verifier struct {
	src  io.ReadSeekCloser
	file engine.File
	left int64     // bytes still expected
	hash hash.Hash // of the whole file; nil for a part of it
}

// verified returns length bytes of src from offset on, checked against the file: their number always, the hash of a whole file.
func verified(src io.ReadSeekCloser, f engine.File, offset, length int64) (io.ReadCloser, error) {
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		src.Close()
		return nil, fmt.Errorf("seek in a stored file: %w", err)
	}
	v := &verifier{src: src, file: f, left: length}
	if offset == 0 && length == f.Size {
		v.hash = sha256.New()
	}
	return v, nil
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.hash == nil && v.left == 0 {
		return 0, io.EOF
	}
	if v.hash == nil {
		p = p[:min(int64(len(p)), v.left)]
	}
	n, err := v.src.Read(p)
	v.left -= int64(n)
	if v.hash != nil {
		v.hash.Write(p[:n])
	}
	if v.left < 0 {
		return 0, v.broken("longer than it should be")
	}
	if err == io.EOF { // only the bare EOF is an end
		err = v.end()
	}
	return n, err
}

func (v *verifier) end() error {
	if v.left > 0 {
		return v.broken("shorter than it should be")
	}
	if v.hash != nil && hex.EncodeToString(v.hash.Sum(nil)) != v.file.SHA256 {
		return v.broken("changed on the disk")
	}
	return io.EOF
}

func (v *verifier) broken(how string) error {
	return engine.Errorf(engine.Internal, "The stored file %q is %s; it was not delivered.", v.file.Name, how)
}

func (v *verifier) Close() error { return v.src.Close() }
