package downloads

import (
	"errors"
	"io"
	"math"
	"net/http"
	"sync"
	"time"
)

// A chunk is how much must be taken within the idle time. The deadline cannot follow single bytes, as the kernel sends
// from the file by itself; the smallest chunk asks less than 3 kB/s of a client. To one that takes a chunk in no time,
// larger ones are handed, and the smallest again when it slows down.
const (
	chunk        = 128 << 10
	largestChunk = 1 << 20
	noTime       = 20 * time.Millisecond
)

// pacedWriter ends an answer whose client takes nothing, or that is not to go on. It hands each chunk to the writer
// below as a LimitedReader of the file, which is what net needs to use sendfile.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration

	mu  sync.Mutex
	err error // set: nothing more is sent
}

var errGone = errors.New("the task was deleted")

func newPacedWriter(w http.ResponseWriter, idle time.Duration) *pacedWriter {
	return &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), idle: idle}
}

// Unwrap lets http.ResponseController reach the writer below.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write is used for everything but files.
func (p *pacedWriter) Write(b []byte) (int, error) {
	if err := p.extend(); err != nil {
		return 0, err
	}
	n, err := p.ResponseWriter.Write(b)
	return n, p.note(err)
}

// ReadFrom sends src, chunk by chunk.
func (p *pacedWriter) ReadFrom(src io.Reader) (sent int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	size := int64(chunk)
	for left := limited.N; left > 0; {
		if err := p.extend(); err != nil {
			return sent, err
		}
		begun := time.Now()
		want := min(left, size)
		n, err := io.Copy(p.ResponseWriter, &io.LimitedReader{R: limited.R, N: want}) // net looks behind one of them only
		sent += n
		left -= n
		if err == nil && n < want && ok {
			err = io.ErrUnexpectedEOF // the file is shorter than its length was said to be
		}
		if err != nil || n < want {
			return sent, p.note(err)
		}
		if size = min(2*size, largestChunk); time.Since(begun) > noTime {
			size = chunk
		}
	}
	return sent, nil
}

// extend gives the client a new spell.
func (p *pacedWriter) extend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	// Writers without deadlines are those of tests; there is nobody to wait for.
	_ = p.control.SetWriteDeadline(time.Now().Add(p.idle))
	return nil
}

func (p *pacedWriter) note(err error) error {
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = errors.Join(p.err, err)
	}
	return err
}

func (p *pacedWriter) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// cutAfter ends the answer as soon as gone is closed, also in the middle of a chunk, until stop is called.
func (p *pacedWriter) cutAfter(gone <-chan struct{}) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-gone:
			p.cut()
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// lift ends the spell of an answer that went well, so that the connection can serve the next request.
func (p *pacedWriter) lift() {
	if !p.failed() {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
}

func (p *pacedWriter) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errGone
	_ = p.control.SetWriteDeadline(time.Now()) // wakes a Write that waits
}
