package egress

import (
	"net"
	"sync"
	"time"
)

// answerTime is how long a broken connection may still be read from.
const answerTime = time.Second

// listening is a connection on which an answer is not lost because the other side closed it without reading all of the
// request. Such an answer lies in the receive buffer while writing fails already, and http.Transport drops a connection at
// the first error; so a failed Write waits until what has arrived was read.
type listening struct {
	net.Conn
	ended chan struct{} // closed when there is nothing more to read
	once  sync.Once
}

func (l *listening) end() { l.once.Do(func() { close(l.ended) }) }

// Read implements net.Conn.
func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err != nil {
		l.end()
	}
	return n, err
}

// Write implements net.Conn.
func (l *listening) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	timer := time.NewTimer(answerTime)
	defer timer.Stop()
	select {
	case <-l.ended:
	case <-timer.C:
	}
	return n, err
}

// Close implements net.Conn.
func (l *listening) Close() error {
	l.end()
	return l.Conn.Close()
}
