package egress_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gantry-engine/gantry/engine/egress"
)

// TestEarlyAnswer holds that an answer is not lost where the server closes without reading the request's body.
func TestEarlyAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 512))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
			conn.Close() // with bytes unread, so the connection is reset
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	client := egress.Unrestricted().Client(egress.ClientOptions{})
	for range 50 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+listener.Addr().String(), bytes.NewReader(make([]byte, 4<<20)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || string(body) != "big" || err != nil {
			t.Errorf("got %d, %q, %v", resp.StatusCode, body, err)
		}
	}
}
