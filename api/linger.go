package api

import (
	"io"
	"net/http"
	"time"
)

const (
	lingerTime  = 15 * time.Second
	lingerBytes = 128 << 20
)

// linger reads on, for a while, what a client still sends of a request that was refused: many look for the answer only when
// all is sent, and would find a broken connection in its place. A client that asks first (Expect) knows already.
func linger(w *observed, r *http.Request) {
	if w.status < http.StatusBadRequest || r.ContentLength == 0 || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	control := http.NewResponseController(w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // whatever it fails with, the connection is not used any more
	_ = control.SetReadDeadline(time.Time{})
}
