package imports

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

// fault says why no answer came. The texts are the same for every host that does not answer, whatever it is that does
// not, and name no address.
func fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
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
		return engine.Wrap(err, engine.Invalid, "%s", text)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return engine.Wrap(err, engine.Timeout, "The server of the URL did not answer in time.")
	}
	return engine.Wrap(err, engine.Unavailable, "The server of the URL could not be reached.")
}

// certificateFault returns what is wrong with the server's TLS, or nothing.
func certificateFault(err error) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &host):
		return "The certificate of the URL's server is for another host."
	case errors.As(err, &authority):
		return "The certificate of the URL's server comes from an authority that this server does not know."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate of the URL's server has expired or is not valid yet."
	case errors.As(err, &invalid), errors.As(err, &verification):
		return "The certificate of the URL's server is not valid."
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "The server of the URL does not speak TLS there; the URL may have to begin with http:."
	}
	return ""
}

// refusal says what an answer other than the file means.
func refusal(resp *http.Response) error {
	status := resp.StatusCode
	text := strconv.Itoa(status)
	if reason := http.StatusText(status); reason != "" {
		text += " " + reason
	}
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return engine.Errorf(engine.NotFound, "There is no file at the URL: its server answered %s.", text)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return engine.Errorf(engine.Denied, "The server of the URL refuses the file: it answered %s. "+
			"If it wants a login, send one in headers; if the URL is signed, it may have expired.", text)
	case status == http.StatusTooManyRequests:
		return later(resp, engine.RateLimited, text)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return later(resp, engine.Unavailable, text)
	case status < 300:
		return engine.Errorf(engine.Invalid, "The server of the URL sent no file: it answered %s.", text)
	}
	return engine.Errorf(engine.Invalid, "The server of the URL did not send the file: it answered %s.", text)
}

// later is a refusal that another try may not meet.
func later(resp *http.Response, code engine.Code, text string) error {
	err := engine.Errorf(code, "The server of the URL cannot send the file now: it answered %s.", text)
	err.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return err
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if it is neither or has passed.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
