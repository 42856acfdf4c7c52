package egress

import (
	"context"
	"net"
)

// SetDial replaces the connection itself, below every check, so that a test can see what would be called.
func (p *Policy) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	p.dial = dial
}

// SetLeft sets how much the program may still move.
func (p *Proxy) SetLeft(bytes int64) { p.left.Store(bytes) }
