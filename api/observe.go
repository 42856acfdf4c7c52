package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// observe writes the access log and survives panics. Queries are not logged: they may hold signatures.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, seen := time.Now(), &observed{ResponseWriter: w}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // that of the connection's last request
		defer func() {
			s.Log.DebugContext(r.Context(), "request", "method", r.Method, "host", r.Host, "path", r.URL.Path,
				"status", seen.status, "bytes", seen.bytes, "took", time.Since(began))
		}()
		defer func() {
			if p := recover(); p != nil {
				s.survive(seen, r, p)
			}
		}()
		next.ServeHTTP(seen, r)
		linger(seen, r)
	})
}

// survive answers after a panic, or cuts an answer that had begun, so that nobody takes it for whole.
func (s *server) survive(w *observed, r *http.Request, p any) {
	if err, is := p.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "error", fmt.Sprint(p), "stack",
		string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	f := Failure{Status: http.StatusInternalServerError, Code: string(engine.Internal), Message: engine.MessageOf(nil)}
	body, _ := f.MarshalJSON()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = w.Write(body)
}

// observed remembers what was answered. It passes files through, so that they can be sent without being copied.
type observed struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets http.ResponseController reach the connection.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// WriteHeader remembers the first final status.
func (o *observed) WriteHeader(status int) {
	if o.status == 0 && status >= http.StatusOK {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (o *observed) Write(p []byte) (int, error) {
	o.begin()
	n, err := o.ResponseWriter.Write(p)
	o.bytes += int64(n)
	return n, err
}

// ReadFrom counts, and leaves the copying to the connection.
func (o *observed) ReadFrom(src io.Reader) (int64, error) {
	o.begin()
	n, err := io.Copy(o.ResponseWriter, src)
	o.bytes += n
	return n, err
}

// Flush sends what is written so far, as event streams need it.
func (o *observed) Flush() { _ = http.NewResponseController(o.ResponseWriter).Flush() }

// Hijack hands the connection over, as WebSockets need it.
func (o *observed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(o.ResponseWriter).Hijack()
}

func (o *observed) begin() {
	if o.status == 0 {
		o.status = http.StatusOK
	}
}
