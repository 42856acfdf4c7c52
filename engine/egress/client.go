package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxRedirects        = 10
	maxHeaderBytes      = 256 << 10
	defaultTLSHandshake = 10 * time.Second
	defaultHeader       = time.Minute
)

// ClientOptions are the choices of one client. The zero value of each field stands for its default.
type ClientOptions struct {
	DialTimeout   time.Duration // lookup and connect; default and maximum 30 s
	TLSTimeout    time.Duration // TLS handshake; default 10 s
	HeaderTimeout time.Duration // from the request's last byte to the response's header; default 60 s
	TLS           *tls.Config   // copied; default the system's roots
}

// Client returns a client that calls only what the policy lets through, on every request and every redirect of it.
//
// It uses no proxy from the environment, asks for no compression and undoes none, so bytes arrive as they were
// sent. It follows at most ten redirects, never from https to http; once a chain has left the first scheme, host
// and port, every header that the caller set is gone, and stays gone. No cookies are kept. It bounds dialling,
// handshake and the wait for the header; for bodies there is IdleReader. An answer that comes before the request's body was
// read is the answer, also where the connection breaks behind it.
//
// Errors match those of this package with errors.Is. As with any http.Client they are a *url.Error, whose text
// holds the URL: show a person what it wraps.
func (p *Policy) Client(options ClientOptions) *http.Client {
	return &http.Client{Transport: p.transport(options), CheckRedirect: p.checkRedirect}
}

func (p *Policy) transport(options ClientOptions) *transport {
	limit := or(options.DialTimeout, dialTimeout)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		conn, err := p.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &listening{Conn: conn, ended: make(chan struct{})}, nil
	}
	return &transport{policy: p, base: &http.Transport{
		Proxy:                  nil,
		DialContext:            dial,
		TLSClientConfig:        options.TLS.Clone(),
		TLSHandshakeTimeout:    or(options.TLSTimeout, defaultTLSHandshake),
		ResponseHeaderTimeout:  or(options.HeaderTimeout, defaultHeader),
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true, // a dialler of one's own turns it off otherwise
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}}
}

func or(got, otherwise time.Duration) time.Duration {
	if got > 0 {
		return got
	}
	return otherwise
}

// transport checks the URL of every request, also of those that a library sends through the transport alone.
type transport struct {
	policy *Policy
	base   *http.Transport
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.policy.CheckURL(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close() // a RoundTripper closes the body, also when it fails; the refusal is the error
		}
		return nil, err
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses; http.Client calls it.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

func (p *Policy) checkRedirect(req *http.Request, via []*http.Request) error {
	last := via[len(via)-1]
	if len(via) > maxRedirects || visited(req, via) {
		return ErrRedirects
	}
	if strings.EqualFold(last.URL.Scheme, "https") && strings.EqualFold(req.URL.Scheme, "http") {
		return ErrDowngrade
	}
	if err := p.CheckURL(req.URL); err != nil {
		return err
	}
	req.Header.Del("Referer") // added by http.Client; holds the query, which may be a signature
	if leftOrigin(req, via) {
		clear(req.Header)
		req.Host = ""
	}
	return nil
}

// visited reports whether the chain was here before. Another method on the same URL is another request (303 after
// POST).
func visited(req *http.Request, via []*http.Request) bool {
	for _, earlier := range via {
		if earlier.Method == req.Method && earlier.URL.String() == req.URL.String() {
			return true
		}
	}
	return false
}

// leftOrigin reports whether any hop of the chain, up to req, is elsewhere than the first. http.Client copies the
// first request's headers onto every hop anew, so a chain that comes back has to be remembered as one that left.
func leftOrigin(req *http.Request, via []*http.Request) bool {
	first := origin(via[0].URL)
	for _, hop := range via[1:] {
		if origin(hop.URL) != first {
			return true
		}
	}
	return origin(req.URL) != first
}

func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
