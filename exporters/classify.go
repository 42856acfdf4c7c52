package exporters

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
)

// Classify returns the code for an answer of a remote system with that HTTP status. A driver whose system says more than
// its status, such as an error code in the body, looks at that first.
func Classify(status int) engine.Code {
	if code, ok := byStatus[status]; ok {
		return code
	}
	if status >= 500 {
		return engine.Unavailable
	}
	return engine.Invalid // it will not take what we send, however often
}

var byStatus = map[int]engine.Code{
	http.StatusUnauthorized:            engine.Unauthorized,
	http.StatusForbidden:               engine.Denied,
	http.StatusProxyAuthRequired:       engine.Denied,
	http.StatusNotFound:                engine.NotFound,
	http.StatusGone:                    engine.NotFound,
	http.StatusRequestTimeout:          engine.Unavailable,
	http.StatusConflict:                engine.Conflict,
	http.StatusPreconditionFailed:      engine.Conflict,
	http.StatusLocked:                  engine.Conflict,
	http.StatusRequestEntityTooLarge:   engine.TooLarge,
	http.StatusTooEarly:                engine.Unavailable,
	http.StatusTooManyRequests:         engine.RateLimited,
	498:                                engine.RateLimited, // Swift's rate limit
	509:                                engine.RateLimited, // "bandwidth limit exceeded", in no standard
	http.StatusNotImplemented:          engine.Invalid,
	http.StatusHTTPVersionNotSupported: engine.Invalid,
	http.StatusGatewayTimeout:          engine.Timeout,
}

// Refusal returns the error for an answer with that status: what it says is the message, and Retry-After is heeded. Said
// must hold no secret.
func Refusal(status int, header http.Header, said string) *engine.Error {
	err := engine.Errorf(Classify(status), "%s", said)
	if engine.Retryable(err) {
		err.RetryAfter = RetryAfter(header.Get("Retry-After"))
	}
	return err
}

// RetryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if it is neither or has passed.
func RetryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// Fault returns the error for a call that brought no answer, with who as its subject, as in "The S3 endpoint". The context's
// own end comes first, and an error that says its code is returned as it is. The texts are the same for every host that does
// not answer, whatever it is that does not, and name no address.
func Fault(ctx context.Context, err error, who string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *engine.Error
	if errors.As(err, &known) {
		return known
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // without the URL, which may be a secret
	}
	for refused, code := range map[error]engine.Code{
		egress.ErrRefused: engine.Denied, egress.ErrURL: engine.Invalid, egress.ErrRedirects: engine.Invalid,
		egress.ErrDowngrade: engine.Invalid, egress.ErrUnresolved: engine.Unavailable,
	} {
		if errors.Is(err, refused) {
			return engine.Wrap(err, code, "%v", refused)
		}
	}
	if text := certificateFault(err); text != "" {
		return engine.Wrap(err, engine.Invalid, "%s %s", who, text)
	}
	var timeout net.Error
	if errors.Is(err, egress.ErrIdle) || errors.As(err, &timeout) && timeout.Timeout() {
		return engine.Wrap(err, engine.Timeout, "%s did not answer in time.", who)
	}
	return engine.Wrap(err, engine.Unavailable, "%s could not be reached, or broke the connection.", who)
}

// certificateFault returns what is wrong with the other side's TLS, or nothing.
func certificateFault(err error) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &host):
		return "has a certificate for another host."
	case errors.As(err, &authority):
		return "has a certificate from an authority that this server does not know."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has a certificate that has expired or is not valid yet."
	case errors.As(err, &invalid), errors.As(err, &verification):
		return "has a certificate that is not valid."
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "does not speak TLS there; the URL may have to begin with http:."
	}
	return ""
}
