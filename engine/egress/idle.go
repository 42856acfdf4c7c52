package egress

import (
	"errors"
	"io"
	"sync"
	"time"
)

// DefaultIdle is how long a transfer may stand still.
const DefaultIdle = time.Minute

// ErrIdle ends a transfer in which no byte arrived for too long.
var ErrIdle = errors.New("the transfer stood still for too long")

// IdleReader returns a reader of r that fails with ErrIdle when a Read has waited for idle (DefaultIdle if not
// positive) without a byte. It then closes r, which must end a Read that is under way: the body of a response, a
// connection and a pipe do so. Time between two Reads does not count, and a Read that returns no byte starts no new
// wait. Close closes r once. Read is for one goroutine at a time; Close may come from another.
func IdleReader(r io.ReadCloser, idle time.Duration) io.ReadCloser {
	if idle <= 0 {
		idle = DefaultIdle
	}
	return &idleReader{r: r, idle: idle, close: sync.OnceValue(r.Close)}
}

type idleReader struct {
	r       io.ReadCloser
	idle    time.Duration
	close   func() error
	timer   *time.Timer
	waiting bool
	expired bool
}

func (g *idleReader) Read(p []byte) (int, error) {
	if g.expired {
		return 0, ErrIdle
	}
	switch {
	case g.timer == nil:
		g.timer = time.AfterFunc(g.idle, func() { g.close() })
	case !g.waiting:
		g.timer.Reset(g.idle)
	}
	g.waiting = true
	n, err := g.r.Read(p)
	if n == 0 && err == nil {
		return 0, nil
	}
	g.waiting = false
	if !g.timer.Stop() {
		g.expired = true
		return n, ErrIdle
	}
	return n, err
}

func (g *idleReader) Close() error { return g.close() }
