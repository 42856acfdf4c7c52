package exporters_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
)

func TestClassify(t *testing.T) {
	for status, want := range map[int]engine.Code{
		301: engine.Invalid, 400: engine.Invalid, 401: engine.Unauthorized, 403: engine.Denied, 404: engine.NotFound, 405: engine.Invalid,
		407: engine.Denied, 408: engine.Unavailable, 409: engine.Conflict, 410: engine.NotFound, 411: engine.Invalid, 412: engine.Conflict,
		413: engine.TooLarge, 423: engine.Conflict, 425: engine.Unavailable, 429: engine.RateLimited, 498: engine.RateLimited,
		500: engine.Unavailable, 501: engine.Invalid, 502: engine.Unavailable, 503: engine.Unavailable, 504: engine.Timeout,
		505: engine.Invalid, 507: engine.Unavailable, 509: engine.RateLimited,
	} {
		if got := exporters.Classify(status); got != want {
			t.Errorf("%d: got %s, want %s", status, got, want)
		}
	}
}

func TestRefusalHeedsRetryAfter(t *testing.T) {
	header := http.Header{"Retry-After": {"7"}}
	if got := exporters.Refusal(503, header, "busy").RetryAfter; got != 7*time.Second {
		t.Errorf("503: got %s, want 7s", got)
	}
	if got := exporters.Refusal(403, header, "no").RetryAfter; got != 0 {
		t.Errorf("403: got %s, want none: it is not tried again", got)
	}
}

func TestFault(t *testing.T) {
	secret := "sig=topsecret"
	wrapped := func(err error) error {
		return fmt.Errorf("send: %w", &url.Error{Op: "Put", URL: "https://x/?" + secret, Err: err})
	}
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(engine.ErrCanceled)
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want engine.Code
	}{
		{"broken", t.Context(), wrapped(io.ErrUnexpectedEOF), engine.Unavailable},
		{"refused by policy", t.Context(), wrapped(egress.ErrRefused), engine.Denied},
		{"no such name", t.Context(), wrapped(egress.ErrUnresolved), engine.Unavailable},
		{"stands still", t.Context(), wrapped(egress.ErrIdle), engine.Timeout},
		{"certificate", t.Context(), wrapped(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}), engine.Invalid},
		{"its own code", t.Context(), wrapped(engine.Errorf(engine.TooLarge, "big")), engine.TooLarge},
		{"cancelled first", gone, wrapped(io.EOF), engine.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := exporters.Fault(test.ctx, test.err, "The store")
			if got := engine.CodeOf(err); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if test.want != engine.TooLarge && strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the URL: %v", err)
			}
			var e *engine.Error
			if !errors.As(err, &e) {
				t.Error("the error has no code")
			}
		})
	}
}
