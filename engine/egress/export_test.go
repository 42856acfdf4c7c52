package egress

import (
	"context"
	"net"
)

// SetDial replaces the connection itself, below every check, so that a test can see what would be called.
func (p *Policy) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	p.dial = dial
}
