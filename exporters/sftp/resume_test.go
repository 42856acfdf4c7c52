package sftp_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
)

// broken is a connection to which something happens when so many bytes have been read from it: it breaks, or nothing more
// comes until it is closed.
type broken struct {
	net.Conn
	left   int
	silent bool
	closed chan struct{}
	once   sync.Once
}

func newBroken(conn net.Conn, after int, silent bool) *broken {
	return &broken{Conn: conn, left: after, silent: silent, closed: make(chan struct{})}
}

// Read implements net.Conn.
func (c *broken) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.left -= n; c.left >= 0 {
		return n, err
	}
	if c.silent {
		<-c.closed
	}
	c.Close()
	return 0, net.ErrClosed
}

// Close implements net.Conn.
func (c *broken) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestResume holds that a download that breaks off goes on where it stopped.
func TestResume(t *testing.T) {
	s, lent := newSSHD(t, "plain"), env()
	content := strings.Repeat("0123456789abcdef", 300_000) // 4.8 MB
	finished(t, send(t, engineFor(t, lent), content, s.Params(t, s.Address(), "resume/file")))
	var dials, got atomic.Int64
	dial := lent.Dial
	lent.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if dials.Add(1) > 2 || err != nil {
			return &counted{conn, &got}, err
		}
		return &counted{newBroken(conn, 2<<20, false), &got}, nil
	}
	e := engineFor(t, lent)
	job := e.MustSubmit(t, enginetest.Task("import", "import/sftp", object(t, s.Params(t, s.Address(), "resume/file"))))
	f := finished(t, enginetest.Named(t, e.MustEnd(t, job.ID), "import"))
	sum := sha256.Sum256([]byte(content))
	if f.SHA256 != hex.EncodeToString(sum[:]) || dials.Load() < 2 {
		t.Errorf("got %d bytes with the hash %s over %d connections", f.Size, f.SHA256, dials.Load())
	}
	if most := int64(len(content)) + 3<<20; got.Load() > most {
		t.Errorf("read %d bytes for a file of %d, so it began anew", got.Load(), len(content))
	}
}

// counted counts what is read from a connection.
type counted struct {
	net.Conn
	got *atomic.Int64
}

// Read implements net.Conn.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got.Add(int64(n))
	return n, err
}

// TestSilentServer holds that a download ends when nothing comes any more: closing it while it waits ends the connection.
func TestSilentServer(t *testing.T) {
	s, lent := newSSHD(t, "plain"), env()
	finished(t, send(t, engineFor(t, lent), strings.Repeat("x", 4<<20), s.Params(t, s.Address(), "silent/file")))
	dial := lent.Dial
	lent.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return newBroken(conn, 1<<20, true), err
	}
	reading := sftp.Definition().Reading
	params, problems := reading.Params.Decode([]byte(object(t, s.Params(t, s.Address(), "silent/file"))))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	source, err := reading.Open(t.Context(), lent, params)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	body, err := source.Open(t.Context(), exporters.Object{Name: "silent/file", Size: 4 << 20}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, egress.IdleReader(body, 50*time.Millisecond)); !errors.Is(err, egress.ErrIdle) {
		t.Errorf("the download ended with %v, want %v", err, egress.ErrIdle)
	}
}
