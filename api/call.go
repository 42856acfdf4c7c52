package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/gantry-engine/gantry/engine"
)

const (
	// MaxBody is the size of the largest request body that is read.
	MaxBody = 32 << 20

	largeBody   = 1 << 20 // from this size on, bodies wait for each other
	largeAtOnce = 2

	bodyTime   = 2 * time.Minute // for all of a request body
	answerTime = 2 * time.Minute // for all of an answer
)

// Call is one request on its way through a route. It is for one goroutine, until the route's handler returns.
type Call struct {
	*gin.Context
	Route Route
	Key   engine.Key // of the caller; zero on a public route
	Sync  bool       // the caller came by the sync host or prefix

	large chan struct{} // has room for the large bodies that may be worked on at once
}

// handler runs a route: who calls, what is asked, and what becomes of an error.
func (s *server) handler(r Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		call := &Call{Context: c, Route: r, large: s.large}
		if end, known := r.retirement(); known {
			end.announce(c.Writer.Header())
		}
		call.Sync = strings.HasPrefix(c.FullPath(), syncPrefix+"/") || s.waits(c.Request.Host)
		err := s.authenticate(call)
		if err == nil {
			err = r.Handle(call)
		}
		if err != nil {
			r.Manner.Fail(c.Writer, c.Request, s.Log, err)
		}
	}
}

// WithBody reads the body and runs do with it. A body that is compressed, larger than MaxBody or takes minutes to arrive
// is refused. JSON takes many times its size while it is understood, so of bodies over 1 MiB two are worked on at once
// and others wait: do must not wait for anything but the machine.
func (c *Call) WithBody(do func(body []byte) error) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if len(body) > largeBody {
		select {
		case c.large <- struct{}{}:
			defer func() { <-c.large }()
		case <-c.Request.Context().Done():
			return context.Cause(c.Request.Context())
		}
	}
	return do(body)
}

func (c *Call) body() ([]byte, error) {
	r := c.Request
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, refusal{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE",
			"The request body is compressed. Send it without a Content-Encoding."}
	}
	if r.ContentLength > MaxBody {
		return nil, bodyTooLarge()
	}
	rc := http.NewResponseController(c.Writer)
	if rc.SetReadDeadline(time.Now().Add(bodyTime)) == nil {
		defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, MaxBody))
	if err != nil {
		return nil, unreadable(err)
	}
	return body, nil
}

func bodyTooLarge() error {
	return engine.Errorf(engine.TooLarge,
		"The request body is larger than the %d MiB this server takes. Send files by import/upload or import/url.",
		MaxBody>>20)
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return bodyTooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal{http.StatusRequestTimeout, "TIMEOUT", "The request body took too long to arrive."}
	}
	return refusal{http.StatusBadRequest, string(engine.Invalid), "The request body ended before it was complete."}
}

// Reply answers with v as JSON, and with nothing before or after it: some clients count its bytes.
func (c *Call) Reply(status int, v any) error {
	body, err := Encode(v)
	if err != nil {
		return err
	}
	return c.send(status, body)
}

// Direct returns a writer for the bytes of files: the router's would hide sendfile.
func (c *Call) Direct() http.ResponseWriter {
	below := http.ResponseWriter(c.Writer)
	if w, ok := below.(interface{ Unwrap() http.ResponseWriter }); ok {
		below = w.Unwrap()
	}
	return direct{c.Writer, below}
}

type direct struct {
	gin.ResponseWriter
	below http.ResponseWriter
}

// Unwrap lets http.ResponseController reach the connection.
func (d direct) Unwrap() http.ResponseWriter { return d.below }

// ReadFrom lets the connection copy from the file by itself.
func (d direct) ReadFrom(src io.Reader) (int64, error) {
	d.WriteHeaderNow()
	return io.Copy(d.below, src)
}

// Empty answers that it is done and that there is nothing to say.
func (c *Call) Empty() error {
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

// SeeOther answers with the address of what was asked for. It is a 302, as CloudConvert's clients expect.
func (c *Call) SeeOther(address string) error {
	c.Header("Location", address)
	c.Status(http.StatusFound)
	c.Writer.WriteHeaderNow()
	return nil
}

// send writes a JSON answer. A client that does not read it is dropped, which is no error of ours.
func (c *Call) send(status int, body []byte) error {
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(answerTime))
	c.Header("Content-Type", "application/json")
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Status(status)
	_, _ = c.Writer.Write(body)
	return nil
}

// Encode returns v as JSON in one line, with URLs left readable.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Object is a JSON object whose members keep their order.
type Object []Member

// Member is a name with its value in an Object.
type Member struct {
	Name  string
	Value any
}

// MarshalJSON writes the members as they stand.
func (o Object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := Encode(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := Encode(m.Value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}
