//go:build linux

package downloads_test

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// TestFilesLeaveBySendfile watches the connection itself: net uses sendfile for exactly what arrives there as an
// *os.File behind at most one LimitedReader.
func TestFilesLeaveBySendfile(t *testing.T) {
	var fromFile, otherwise atomic.Int64
	s := start(t, setup{listener: func(l net.Listener) net.Listener {
		return watchedListener{l, &fromFile, &otherwise}
	}})
	const size = 3 << 20
	task := s.make(t, made{Name: "zeros", Zeros: size})
	for name, header := range map[string][]string{"whole": nil, "range": {"Range", "bytes=1000-"}} {
		t.Run(name, func(t *testing.T) {
			fromFile.Store(0)
			otherwise.Store(0)
			_, body := s.do(t, "GET", s.link(task), nil, header...)
			// The first 512 bytes are always copied by net/http.
			if got := fromFile.Load(); otherwise.Load() != 0 || got != int64(len(body))-512 {
				t.Errorf("of %d bytes %d came from the file and %d from elsewhere", len(body), got, otherwise.Load())
			}
		})
	}
}

type watchedListener struct {
	net.Listener
	fromFile, otherwise *atomic.Int64
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn.(*net.TCPConn), l.fromFile, l.otherwise}, nil
}

type watchedConn struct {
	*net.TCPConn
	fromFile, otherwise *atomic.Int64
}

func (c *watchedConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	if limited, ok := r.(*io.LimitedReader); ok {
		r = limited.R
	}
	if _, ok := r.(*os.File); ok {
		c.fromFile.Add(n)
	} else {
		c.otherwise.Add(n)
	}
	return n, err
}
