package exportertest

import "testing"

// Gate is a network between an exporter and its server that stops in the middle of an upload. Its methods may be called from
// any goroutine.
type Gate struct{ proxy *proxy }

// NewGate returns a gate in front of the server at that host:port. When so many bytes have come from the exporter, nothing
// moves any more. It is closed at the end of the test.
func NewGate(t testing.TB, server string, after int64) *Gate {
	t.Helper()
	g := &Gate{newProxy(t, server)}
	g.proxy.set(faults{stallAt: after})
	return g
}

// Address is the host:port at which the exporter finds the server.
func (g *Gate) Address() string { return g.proxy.address() }

// Shut is closed when nothing moves any more.
func (g *Gate) Shut() <-chan struct{} { return g.proxy.whenStalled() }

// Open is for when the exporter is gone: the server learns that, is waited for until it has ended what had come through, and
// new connections pass without end.
func (g *Gate) Open() {
	g.proxy.cut()
	g.proxy.settle()
	g.proxy.set(faults{})
}

// Sent is how many bytes have come from exporters since the gate was opened, or since it was made.
func (g *Gate) Sent() int64 { return g.proxy.sent() }
