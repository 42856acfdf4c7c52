package api_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api"
)

// TestLateReaders refuses requests of clients that look for an answer only when all of a large body is sent.
func TestLateReaders(t *testing.T) {
	server := httptest.NewServer(api.New(api.Config{Log: slog.New(slog.DiscardHandler), Routes: []api.Route{
		{Method: "POST", Path: "/v2/things", Scope: api.Public, Handle: func(c *api.Call) error {
			return c.WithBody(func([]byte) error { return c.Empty() })
		}}}}))
	defer server.Close()
	const size = api.MaxBody + 8<<20
	body := strings.Repeat("x", size)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)
	for name, test := range map[string]struct {
		head, body string
		want       int
	}{
		"too large":                 {fmt.Sprintf("POST /v2/things HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size), body, 413},
		"too large, length unknown": {"POST /v2/things HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", chunked, 413},
		"no such address":           {fmt.Sprintf("POST /v2/nothing HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size), body, 404},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, test.head+test.body); err != nil {
				t.Fatalf("send: %v", err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("read the answer: %v", err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != test.want {
				t.Errorf("got %d, want %d", resp.StatusCode, test.want)
			}
		})
	}
}
