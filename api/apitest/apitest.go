// Package apitest serves an API in a test, and calls it.
package apitest

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/link"
)

// Parts are what routes are made of.
type Parts struct {
	Engine    *engine.Engine
	Links     *downloads.Links
	Signer    *link.Signer
	PublicURL string
}

// Client calls a server with a key. A copy with another Token is another caller.
type Client struct {
	*enginetest.Server
	URL   string // of the server, without a slash at its end
	Token string
}

// Serve serves routes until the end of the test, and returns a client of the server's user with all scopes. Without a public
// URL the server's own is it.
func Serve(t testing.TB, s *enginetest.Server, publicURL string, routes func(Parts) []api.Route) *Client {
	t.Helper()
	signer, err := link.New(link.Key{ID: "k", Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	p := Parts{Engine: s.Engine, Signer: signer, PublicURL: cmp.Or(publicURL, url)}
	if p.Links, err = downloads.NewLinks(signer, p.PublicURL); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server.Config = api.Server(ctx, api.New(api.Config{Engine: s.Engine, Log: log, PublicURL: p.PublicURL,
		Storage: downloads.New(s.Engine, p.Links, downloads.Options{}), Routes: routes(p)}), log)
	server.Start()
	t.Cleanup(server.Close)
	c := &Client{Server: s, URL: url}
	c.Token = c.Key(t, "tester", engine.Scopes()...)
	return c
}

// Key makes a key of the user, who is made if there is none, with the scopes.
func (c *Client) Key(t testing.TB, user string, scopes ...string) string {
	t.Helper()
	token := engine.NewToken()
	if _, err := c.CreateKey(t.Context(), user, token, scopes, time.Time{}); err != nil {
		t.Fatal(err)
	}
	return token
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Call sends a request, and follows no redirect. Headers are pairs of name and value; Host is one of them. Addresses without
// a host are those of the server.
func (c *Client) Call(t testing.TB, method, address, body string, headers ...string) Answer {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = c.URL + address
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Host = r.Header.Get("Host")
	noRedirect := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := noRedirect.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(text)}
}
