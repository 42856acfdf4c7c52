package imports

import (
	"net/http"
	"strconv"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

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
	err.RetryAfter = exporters.RetryAfter(resp.Header.Get("Retry-After"))
	return err
}
