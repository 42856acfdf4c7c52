package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine/egress"
)

// web is a policy whose public names all lead to one server of the test, and a client of it.
type web struct {
	server *httptest.Server
	calls  *calls
	client *http.Client
	seen   []*http.Request
}

// newWeb serves routes, keyed by host and path: "/…" or a URL answers a redirect there with status 302, or the status
// before a blank; anything else is the body of a 200.
func newWeb(t *testing.T, secure bool, routes map[string]string) *web {
	t.Helper()
	w := &web{}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.seen = append(w.seen, r)
		answer(rw, routes[r.Host+r.URL.Path])
	})
	w.server = httptest.NewUnstartedServer(handler)
	if secure {
		w.server.StartTLS()
	} else {
		w.server.Start()
	}
	t.Cleanup(w.server.Close)
	policy, called := newPolicy(nil, names{
		"a.example": {public}, "b.example": {otherPublic}, "example.com": {public},
		"inside.example": {"127.0.0.1"}, "rebinding.example": {public, "169.254.169.254"},
	})
	called.to = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", w.server.Listener.Addr().String())
	}
	options := egress.ClientOptions{}
	if secure {
		roots := x509.NewCertPool()
		roots.AddCert(w.server.Certificate())
		options.TLS = &tls.Config{RootCAs: roots}
	}
	w.calls, w.client = called, policy.Client(options)
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

func answer(w http.ResponseWriter, route string) {
	status, location, found := strings.Cut(route, " ")
	code, err := strconv.Atoi(status)
	if !found || err != nil {
		io.WriteString(w, route)
		return
	}
	w.Header().Set("Location", location)
	w.WriteHeader(code)
}

func (w *web) get(t *testing.T, address string, header http.Header) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := w.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestSecSSRF07EveryHopIsDecided(t *testing.T) {
	tests := map[string]struct {
		location string
		want     error
	}{
		"address":         {"http://127.0.0.1/x", egress.ErrRefused},
		"mapped":          {"http://[::ffff:a9fe:a9fe]/x", egress.ErrRefused},
		"name":            {"http://inside.example/x", egress.ErrRefused},
		"name, any case":  {"HTTP://INSIDE.EXAMPLE/x", egress.ErrRefused},
		"rebound name":    {"http://rebinding.example:81/", egress.ErrRefused},
		"other port":      {"http://127.0.0.1:6379/", egress.ErrRefused},
		"schemeless":      {"//127.0.0.1/x", egress.ErrRefused},
		"short spelling":  {"http://127.1/", egress.ErrRefused},
		"file":            {"file:///etc/passwd", egress.ErrURL},
		"FILE":            {"FILE:///etc/passwd", egress.ErrURL},
		"gopher":          {"gopher://a.example/", egress.ErrURL},
		"after two hops":  {"http://b.example/inside", egress.ErrRefused},
		"public is taken": {"http://b.example/end", nil},
		"port is taken":   {"http://a.example:8080/end", nil},
	}
	for name, tt := range tests {
		for _, status := range []string{"301", "302", "303", "307", "308"} {
			t.Run(name+" "+status, func(t *testing.T) {
				w := newWeb(t, false, map[string]string{
					"a.example/":         status + " " + tt.location,
					"b.example/inside":   status + " http://127.0.0.1/",
					"rebinding.example/": "once",
				})
				if name == "rebound name" {
					if _, err := w.get(t, "http://rebinding.example/", nil); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := w.get(t, "http://a.example/", nil); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				for _, address := range w.calls.list {
					if host := netip.MustParseAddrPort(address).Addr(); host.IsLoopback() || host.IsLinkLocalUnicast() {
						t.Errorf("called %s", address)
					}
				}
			})
		}
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	routes := map[string]string{"a.example/loop": "302 /pool", "a.example/pool": "302 /loop", "a.example/see": "303 /see"}
	for i := range 12 {
		routes["a.example/"+strconv.Itoa(i)] = "302 /" + strconv.Itoa(i+1)
	}
	routes["a.example/12"] = "end"
	tests := map[string]error{"/loop": egress.ErrRedirects, "/see": egress.ErrRedirects,
		"/1": egress.ErrRedirects, "/2": nil}
	for path, want := range tests {
		t.Run(path, func(t *testing.T) {
			w := newWeb(t, false, routes)
			if _, err := w.get(t, "http://a.example"+path, nil); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if len(w.seen) > 11 {
				t.Errorf("got %d requests, want at most 11", len(w.seen))
			}
		})
	}
}

func TestSecSSRF14HeadersStayAtTheirOrigin(t *testing.T) {
	w := newWeb(t, false, map[string]string{
		"a.example/":        "307 /same",
		"a.example/same":    "307 http://b.example/two",
		"b.example/two":     "307 /three",
		"b.example/three":   "307 http://a.example/back",
		"a.example/back":    "end",
		"a.example/port":    "302 http://a.example:81/port",
		"a.example:81/port": "end",
		"a.example/own":     "302 http://a.example:80/same-origin",
	})
	header := func() http.Header {
		return http.Header{
			"Authorization": {"Bearer canary"}, "Cookie": {"canary"}, "X-Amz-Security-Token": {"canary"},
			"User-Agent": {"canary"}, "X-Auth-Token": {"canary"}, "Range": {"bytes=0-9"}, "Accept": {"canary"},
		}
	}
	tests := map[string][]bool{ // for each request in turn, whether it carries the headers
		"http://a.example/?q=canary": {true, true, false, false, false},
		"http://a.example/port":      {true, false},
		"http://a.example/own":       {true, true},
	}
	for address, want := range tests {
		t.Run(address, func(t *testing.T) {
			w.seen = nil
			if _, err := w.get(t, address, header()); err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, r := range w.seen {
				got = append(got, r.Header.Get("Authorization") != "")
				if r.Header.Get("Authorization") == "" && strings.Contains(strings.Join(flat(r.Header), " "), "canary") {
					t.Errorf("%s%s got %v", r.Host, r.URL.Path, r.Header)
				}
				if r.Header.Get("Referer") != "" {
					t.Errorf("%s%s got a referer %q", r.Host, r.URL.Path, r.Header.Get("Referer"))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func flat(header http.Header) (values []string) {
	for _, list := range header {
		values = append(values, list...)
	}
	return values
}

func TestSecSSRF14HostHeaderStaysAtItsOrigin(t *testing.T) {
	w := newWeb(t, false, map[string]string{
		"virtual.example/": "302 //b.example/two", // http.Client takes it for a relative one and would keep the host
		"b.example/two":    "302 /three",
		"b.example/three":  "end",
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "virtual.example"
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "end" {
		t.Errorf("got %q, want the end of the chain", body)
	}
}

func TestSecSSRF14DowngradeIsRefused(t *testing.T) {
	w := newWeb(t, true, map[string]string{"example.com/": "302 http://example.com/plain", "example.com/plain": "end"})
	if _, err := w.get(t, "https://example.com/", nil); !errors.Is(err, egress.ErrDowngrade) {
		t.Errorf("got %v, want ErrDowngrade", err)
	}
}

func TestSecSSRF08NameIsKeptForTLSAndHost(t *testing.T) {
	w := newWeb(t, true, map[string]string{"example.com/": "end"})
	if body, err := w.get(t, "https://example.com/", nil); err != nil || body != "end" {
		t.Fatalf("got %q, %v", body, err)
	}
	if got := w.seen[0]; got.Host != "example.com" || got.TLS.ServerName != "example.com" {
		t.Errorf("got host %q and server name %q, want example.com", got.Host, got.TLS.ServerName)
	}
	if want := []string{public + ":443"}; !slices.Equal(w.calls.list, want) {
		t.Errorf("called %q, want %q", w.calls.list, want)
	}
}

func TestSecSSRF13EndpointsGoThroughTheTransport(t *testing.T) {
	w := newWeb(t, false, nil)
	for _, address := range []string{
		"http://inside.example/bucket", "http://127.0.0.1:9000/bucket", "http://bucket.inside.example/", "FILE:///x",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.client.Transport.RoundTrip(req) // as SDKs do that follow redirects themselves
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: got a response, want a refusal", address)
		}
	}
	if len(w.calls.list) != 0 {
		t.Errorf("called %q, want nothing", w.calls.list)
	}
}

func TestSecSSRF16ProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	const proxy = "http_proxy=http://127.0.0.1:3128"
	if os.Getenv("http_proxy") != strings.TrimPrefix(proxy, "http_proxy=") {
		// net/http reads the environment once in a process, so the test goes on in a new one.
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), proxy, strings.ToUpper(proxy[:10])+proxy[10:], "NO_PROXY=", "no_proxy=")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	w := newWeb(t, false, map[string]string{"a.example/": "end"})
	if body, err := w.get(t, "http://a.example/", nil); err != nil || body != "end" {
		t.Fatalf("got %q, %v", body, err)
	}
	if want := []string{public + ":80"}; !slices.Equal(w.calls.list, want) {
		t.Errorf("called %q, want %q", w.calls.list, want)
	}
}

func TestSecSSRF17DefaultClientRefusesLoopback(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := egress.New(nil).Client(egress.ClientOptions{}).Get(server.URL)
	var wrapped *url.Error
	if !errors.As(err, &wrapped) || wrapped.Err != egress.ErrRefused {
		t.Errorf("got %v, want ErrRefused and nothing else", err)
	}
}

func TestBytesArriveAsSent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("got Accept-Encoding %q, want none", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "not gzip at all")
	}))
	t.Cleanup(server.Close)
	client := egress.New(prefixes("127.0.0.0/8")).Client(egress.ClientOptions{})
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "not gzip at all" {
		t.Errorf("got %q, %v", body, err)
	}
}
