package exportertest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between an exporter and its server and does what networks do.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	faults  faults
	up      int64 // bytes from the exporter since the faults were set
	answers int   // pieces from the server since then
	conns   int   // since then
	open    map[net.Conn]bool
	over    chan struct{}                 // closed at the end of the test
	links   map[*connection]chan struct{} // closed when the connection has ended

	stalled   chan struct{} // closed when stallAt was reached
	isStalled bool
}

// faults are what goes wrong. The zero value is a good network.
type faults struct {
	refuse   int   // that many connections are closed at once
	resetAt  int64 // after so many bytes from the exporter its connection is reset, once
	stallAt  int64 // after so many bytes from the exporter nothing moves any more on the connections there are
	loseNth  int   // the piece of that number from the server is lost with its connection, once
	tinyBits bool  // bytes come in small pieces
}

// newProxy returns a proxy in front of the address. It is closed at the end of the test.
func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, open: map[net.Conn]bool{},
		over: make(chan struct{}), stalled: make(chan struct{})}
	done := make(chan struct{})
	go func() { p.accept(); close(done) }()
	t.Cleanup(func() {
		listener.Close()
		p.closeAll()
		<-done
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// set begins a new set of faults, for connections that are made from now on and those there are.
func (p *proxy) set(f faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.up, p.answers, p.conns, p.stalled, p.isStalled = f, 0, 0, 0, make(chan struct{}), false
}

// heal makes the network good for new connections; what stands still goes on standing still.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = faults{}
}

// whenStalled is closed when nothing moves any more.
func (p *proxy) whenStalled() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled
}

// sent returns how many bytes came from the exporter since the faults were set.
func (p *proxy) sent() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// counted returns how many pieces came from the server since the faults were set.
func (p *proxy) counted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers
}

func (p *proxy) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns++
		refused := p.conns <= p.faults.refuse
		if p.open != nil {
			p.open[conn] = true
		}
		p.mu.Unlock()
		if refused {
			conn.Close()
			continue
		}
		wg.Go(func() { p.serve(conn) })
	}
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		conn.Close()
	}
	p.open = nil
	close(p.over)
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.open == nil {
		p.mu.Unlock()
		return
	}
	p.open[server] = true
	p.mu.Unlock()
	link := &connection{proxy: p, client: client.(*net.TCPConn), server: server.(*net.TCPConn), cut: make(chan struct{})}
	defer p.follow(link)()
	var wg sync.WaitGroup
	wg.Go(func() { link.copy(link.server, link.client, link.sent) })
	wg.Go(func() { link.copy(link.client, link.server, link.answered) })
	wg.Wait()
}

// follow remembers a connection until the returned function is called.
func (p *proxy) follow(link *connection) (ended func()) {
	done := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil {
		p.links = map[*connection]chan struct{}{}
	}
	p.links[link] = done
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, link)
		close(done)
	}
}

// cut ends the connections that stand still.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		if link.held {
			link.held = false
			close(link.cut)
		}
	}
}

// settle waits until the server has ended every connection on which it may still be at work for an exporter that is gone; those
// that stand still do not count. A server that does not close them is given three seconds.
func (p *proxy) settle() {
	p.mu.Lock()
	var busy []chan struct{}
	for link, done := range p.links {
		if !link.held {
			busy = append(busy, done)
		}
	}
	p.mu.Unlock()
	limit := time.After(3 * time.Second)
	for _, done := range busy {
		select {
		case <-done:
		case <-limit:
			return
		}
	}
}

// connection is one connection through the proxy.
type connection struct {
	proxy          *proxy
	client, server *net.TCPConn
	cut            chan struct{} // closed when it ends though it stands still
	held           bool          // under the proxy's lock: nothing moves on it any more
}

// verdict is what becomes of a piece.
type verdict int

const (
	pass verdict = iota
	lose         // and reset the connection
	hold         // for as long as the test runs
)

// copy passes pieces on until either side closes.
func (c *connection) copy(to, from *net.TCPConn, judge func(n int) verdict) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			switch judge(n) {
			case lose:
				_ = c.client.SetLinger(0)
				c.client.Close()
				c.server.Close()
				return
			case hold:
				c.wait()
				return
			}
			if c.write(to, buf[:n]) != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// wait stands still until the test ends, or the connection is cut.
func (c *connection) wait() {
	select {
	case <-c.proxy.over:
	case <-c.cut:
		c.client.Close()
		c.server.Close()
	}
}

// write passes a piece on, in small ones where that is asked for.
func (c *connection) write(to *net.TCPConn, piece []byte) error {
	c.proxy.mu.Lock()
	size := len(piece)
	if c.proxy.faults.tinyBits {
		size = 701
	}
	c.proxy.mu.Unlock()
	for len(piece) > 0 {
		n := min(size, len(piece))
		if _, err := to.Write(piece[:n]); err != nil {
			return err
		}
		piece = piece[n:]
	}
	return nil
}

// sent judges n bytes from the exporter.
func (c *connection) sent(n int) verdict {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up += int64(n)
	switch f := &p.faults; {
	case c.held:
		return hold
	case f.stallAt > 0 && p.up >= f.stallAt:
		if !p.isStalled {
			p.isStalled = true
			close(p.stalled)
		}
		c.held = true
		return hold
	case f.resetAt > 0 && p.up >= f.resetAt:
		f.resetAt = 0
		return lose
	}
	return pass
}

// answered judges a piece from the server.
func (c *connection) answered(int) verdict {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers++
	switch {
	case c.held:
		return hold
	case p.faults.loseNth == p.answers:
		return lose
	}
	return pass
}
