package gcs

import (
	"context"
	"io"
	"sync"
)

// stretch is how many bytes are read at a time from one reader, so that those before a break count as read.
const stretch = 4 * mib

// rest is what is left of a file on its way to a session. A session makes the object as soon as it has the last byte, so the
// commit is made before that is handed out.
type rest struct {
	ctx    context.Context
	upload *upload

	mu     sync.Mutex
	at     int64 // of the next byte
	left   int64 // bytes of this stretch
	src    io.ReadCloser
	closed bool
}

// rest returns the file from the last stretch on that is known to have been read; at is where that is. What the session
// already has of it is read once more, since its sum has to be known to make the commit.
func (u *upload) rest(ctx context.Context, from int64) *rest {
	return &rest{ctx: ctx, upload: u, at: min(from, u.State.Read) / stretch * stretch}
}

// Read implements io.Reader.
func (r *rest) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, io.ErrClosedPipe
	case r.at == r.upload.File.Size:
		return 0, io.EOF
	case r.left == 0:
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n, err := r.src.Read(p)
	r.at, r.left = r.at+int64(n), r.left-int64(n)
	if err == nil && r.left == 0 {
		err = r.ended()
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// next opens the next stretch.
func (r *rest) next() (err error) {
	r.left = min(stretch, r.upload.File.Size-r.at)
	r.src, err = r.upload.OpenRange(r.ctx, r.at, r.left)
	return err
}

// ended notes that a stretch was read, and makes the commit after the last.
func (r *rest) ended() error {
	r.src.Close()
	r.src = nil
	if r.at == r.upload.File.Size {
		return r.upload.Commit(r.ctx)
	}
	return r.upload.Note(r.ctx, func(st *state) { st.Read = max(st.Read, r.at) })
}

// Close implements io.Closer.
func (r *rest) Close() error {
	r.stop()
	return nil
}

// stop ends the reading: when it returns, nothing is read any more. It may be called again.
func (r *rest) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.src != nil {
		r.src.Close()
		r.src = nil
	}
}
