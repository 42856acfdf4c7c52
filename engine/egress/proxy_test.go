package egress_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine/egress"
)

// browse returns a client that reaches the outside by a proxy of the policy alone.
func browse(t *testing.T, policy *egress.Policy) *http.Client {
	t.Helper()
	return through(t, policy.NewProxy())
}

// through is browse by a given proxy.
func through(t *testing.T, proxy *egress.Proxy) *http.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- proxy.Serve(ctx, listener) }()
	transport := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:1"}),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
	})
	return &http.Client{Transport: transport}
}

func TestProxy(t *testing.T) {
	called := 0
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called++
		if r.Header.Get("Proxy-Connection") != "" || r.Header.Get("Proxy-Authorization") != "" {
			t.Error("headers for the proxy were sent on")
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "canary "+string(body))
	})
	plain, secure := httptest.NewServer(site), httptest.NewTLSServer(site)
	defer plain.Close()
	defer secure.Close()
	for name, base := range map[string]*httptest.Server{"plain": plain, "tunnel": secure} {
		t.Run(name+" allowed", func(t *testing.T) {
			client := browse(t, egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}))
			client.Transport.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
			resp, err := client.Post(base.URL+"/page", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, _ := io.ReadAll(resp.Body); string(got) != "canary body" {
				t.Errorf("got %q", got)
			}
		})
		for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"} {
			t.Run(name+" refused "+host, func(t *testing.T) {
				called = 0
				u, _ := url.Parse(base.URL)
				u.Host = host + ":" + u.Port()
				resp, err := browse(t, egress.New(nil)).Get(u.String())
				if err == nil {
					got, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusForbidden || !strings.Contains(string(got), "private addresses") {
						t.Errorf("got %d %q", resp.StatusCode, got)
					}
				}
				if called != 0 {
					t.Error("the server was called")
				}
			})
		}
	}
}

// TestProxyAllowance moves more than is left, and again after Renew.
func TestProxyAllowance(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) }))
	defer site.Close()
	proxy := egress.Unrestricted().NewProxy()
	client := through(t, proxy)
	get := func() error {
		resp, err := client.Get(site.URL)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return err
	}
	proxy.SetLeft(1500)
	if err := get(); err != nil {
		t.Errorf("got %v within the allowance", err)
	}
	if err := get(); err == nil {
		t.Error("got no error beyond the allowance")
	}
	proxy.Renew()
	if err := get(); err != nil {
		t.Errorf("got %v after it was renewed", err)
	}
}
