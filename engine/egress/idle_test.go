package egress_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gantry-engine/gantry/engine/egress"
)

func TestIdleReaderFailsWhenNothingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := io.Pipe()
		r := egress.IdleReader(near, 0)
		go far.Write([]byte("abc"))
		start, buf := time.Now(), make([]byte, 8)
		if n, err := r.Read(buf); n != 3 || err != nil {
			t.Fatalf("got %d, %v; want 3 bytes", n, err)
		}
		for range 2 {
			if n, err := r.Read(buf); n != 0 || !errors.Is(err, egress.ErrIdle) {
				t.Errorf("got %d, %v; want ErrIdle", n, err)
			}
		}
		if got := time.Since(start); got != egress.DefaultIdle {
			t.Errorf("failed after %v, want %v", got, egress.DefaultIdle)
		}
	})
}

func TestIdleReaderStartsAnewWithEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := io.Pipe()
		go func() {
			for range 5 {
				time.Sleep(59 * time.Second)
				far.Write([]byte("x"))
			}
			far.Close()
		}()
		got, err := io.ReadAll(egress.IdleReader(near, time.Minute))
		if string(got) != "xxxxx" || err != nil {
			t.Errorf("got %q, %v; want all five bytes", got, err)
		}
	})
}

func TestIdleReaderDoesNotCountASlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := egress.IdleReader(io.NopCloser(strings.NewReader("ab")), time.Second)
		for _, want := range "ab" {
			buf := make([]byte, 1)
			if _, err := r.Read(buf); err != nil || buf[0] != byte(want) {
				t.Fatalf("got %q, %v; want %q", buf, err, want)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestIdleReaderEndsAResponseThatStalls(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	client := egress.Unrestricted().Client(egress.ClientOptions{})
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body := egress.IdleReader(resp.Body, time.Millisecond)
	defer body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, egress.ErrIdle) {
		t.Errorf("got %v, want ErrIdle", err)
	}
}

// empty yields neither a byte nor an error, once a second, until it is closed.
type empty struct{ closed chan struct{} }

func (e empty) Read([]byte) (int, error) {
	select {
	case <-e.closed:
		return 0, io.ErrClosedPipe
	case <-time.After(time.Second):
		return 0, nil
	}
}

func (e empty) Close() error { close(e.closed); return nil }

func TestIdleReaderIsNotKeptAliveByEmptyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := egress.IdleReader(empty{make(chan struct{})}, time.Minute+time.Millisecond)
		var err error
		for err == nil {
			_, err = r.Read(make([]byte, 1))
		}
		if !errors.Is(err, egress.ErrIdle) {
			t.Errorf("got %v, want ErrIdle", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("second close: got %v, want the first one's result", err)
		}
	})
}
