package upload

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// sender is the exporter.
type sender struct {
	client *http.Client
	params Params
}

// Export implements exporters.Exporter.
func (s *sender) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	req, err := s.request(ctx, d)
	if err != nil {
		return exporters.Receipt{}, err
	}
	host := req.URL.Host
	client := *s.client
	client.CheckRedirect = s.follow
	resp, err := client.Do(req)
	if err != nil {
		return exporters.Receipt{}, exporters.Fault(ctx, err, "The server "+host)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return exporters.Receipt{}, s.refusal(resp)
	}
	return exporters.Receipt{Facts: map[string]string{
		"location": location(resp.Request.URL),
		"etag":     s.shown(resp.Header.Get("Etag")),
		"version":  s.shown(resp.Header.Get("X-Amz-Version-Id")),
	}}, nil
}

// Close implements exporters.Exporter.
func (s *sender) Close() error { return nil }

func (s *sender) request(ctx context.Context, d exporters.Delivery) (*http.Request, error) {
	u, err := target(s.params.URL)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The URL is malformed.") // the cause would show it
	}
	body, err := bodyOf(ctx, d)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://host/", nil)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = u, u.Host
	req.Body, req.ContentLength = body, d.File.Size
	if d.File.Size > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return d.Open(ctx) }
	}
	silence(req)
	for name, value := range s.params.Headers {
		req.Header.Set(name, value.Reveal())
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value.Reveal()
		}
	}
	return req, nil
}

// bodyOf opens the file. One without bytes is read here, since that is its check; a body of none at all is sent with a
// length, which an empty reader would not be.
func bodyOf(ctx context.Context, d exporters.Delivery) (io.ReadCloser, error) {
	body, err := d.Open(ctx)
	if err != nil || d.File.Size > 0 {
		return body, err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return http.NoBody, err
}

// silence keeps the User-Agent away that would be sent otherwise: signatures may not know it.
func silence(req *http.Request) {
	if _, set := req.Header["User-Agent"]; !set {
		req.Header["User-Agent"] = nil
	}
}

// follow goes along with redirects that ask for the same PUT elsewhere, as far as the egress policy does. All others, which
// http.Client would turn into a GET, become the answer.
func (s *sender) follow(next *http.Request, via []*http.Request) error {
	if next.Method != http.MethodPut {
		return http.ErrUseLastResponse
	}
	if s.client.CheckRedirect != nil {
		if err := s.client.CheckRedirect(next, via); err != nil {
			return err
		}
	}
	silence(next)
	to := next.Response.Header.Get("Location")
	if elsewhere, err := target(to); err == nil {
		elsewhere.User = next.URL.User
		next.URL = elsewhere
	} else if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		exact(next.URL, to)
	}
	return nil
}

// location is where the file went, without user and query, which may be secrets.
func location(u *url.URL) string {
	path := u.Opaque
	if path == "" {
		path = u.EscapedPath()
	}
	return u.Scheme + "://" + u.Host + path
}
