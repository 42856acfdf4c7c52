package egress

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What one proxy lets its program do. They bound a page that never stops loading.
const (
	proxyConnections = 128
	proxyBytes       = 2 << 30 // in both directions together
)

var errProxyBytes = errors.New("the program moved more than the proxy lets through")

// Proxy is an HTTP proxy for one program that cannot be given a dialler, such as a browser. It takes plain requests and
// CONNECT; each goes only where the policy lets it, by address, as with DialContext. Redirects are the program's own affair:
// it asks for them anew. A connection without a byte for DefaultIdle ends, and all together may move 2 GiB until Renew.
type Proxy struct {
	policy    *Policy
	ctx       context.Context // of the whole proxy: a tunnel outlives its request
	transport *transport
	slots     chan struct{}
	left      atomic.Int64
	tunnels   sync.WaitGroup
}

// NewProxy returns a proxy that obeys the policy, for Serve.
func (p *Policy) NewProxy() *Proxy {
	proxy := &Proxy{policy: p, transport: p.transport(ClientOptions{}), slots: make(chan struct{}, proxyConnections)}
	proxy.Renew()
	return proxy
}

// Renew lets the program move 2 GiB anew. It may be called at any time.
func (p *Proxy) Renew() { p.left.Store(proxyBytes) }

// Serve serves on listener until ctx ends. It is called once.
func (p *Proxy) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.ctx = ctx
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: DefaultIdle, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what a program sends is not news
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	err := server.Serve(listener)
	if stop() {
		return err
	}
	p.tunnels.Wait()
	p.transport.CloseIdleConnections()
	return nil
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-r.Context().Done():
		return
	}
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	p.forward(w, r)
}

// refuse answers a request that goes nowhere.
func refuse(w http.ResponseWriter, err error) {
	for _, refusal := range []error{ErrRefused, ErrUnresolved, ErrURL} {
		if errors.Is(err, refusal) {
			http.Error(w, refusal.Error(), http.StatusForbidden)
			return
		}
	}
	http.Error(w, "the other side does not answer", http.StatusBadGateway)
}

// hopByHop are the headers that concern one connection alone (RFC 9110, section 7.6.1).
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade"}

// forward sends a plain request on and the answer back.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	if r.ContentLength != 0 {
		out.Body = readCloser{p.count(r.Body), r.Body}
	}
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		refuse(w, err)
		return
	}
	body := IdleReader(resp.Body, DefaultIdle)
	defer body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	for _, name := range hopByHop {
		w.Header().Del(name)
	}
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(w, p.count(body)); err != nil {
		panic(http.ErrAbortHandler) // the program must not take a part for the whole
	}
}

// connect opens a tunnel.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	there, err := p.policy.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		refuse(w, err)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	p.tunnels.Add(1) // a hijacked connection is not the server's any more
	defer p.tunnels.Done()
	defer context.AfterFunc(p.ctx, func() { here.Close(); there.Close() })()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	p.join(here, buffered, there)
}

// join copies both ways until both are done, or either stands still.
func (p *Proxy) join(here net.Conn, first io.Reader, there net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copy(there, first, here)
	}()
	p.copy(here, there, there)
	<-done
}

// copy moves bytes from src, which reads from conn, and passes the end of the stream on.
func (p *Proxy) copy(dst net.Conn, src io.Reader, conn net.Conn) {
	_, err := io.Copy(dst, p.count(&lively{src, conn}))
	if half, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	dst.Close()
}

// lively gives every Read of a connection the same time.
type lively struct {
	io.Reader
	conn net.Conn
}

// Read implements io.Reader.
func (l *lively) Read(b []byte) (int, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(DefaultIdle)); err != nil {
		return 0, err
	}
	return l.Reader.Read(b)
}

// count charges what r delivers to the proxy's allowance.
func (p *Proxy) count(r io.Reader) io.Reader { return &counted{r, p} }

type counted struct {
	io.Reader
	proxy *Proxy
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.proxy.left.Add(-int64(n)) < 0 {
		return 0, errProxyBytes
	}
	return n, err
}

type readCloser struct {
	io.Reader
	io.Closer
}
