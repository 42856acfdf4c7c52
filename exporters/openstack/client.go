package openstack

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	mib       = 1 << 20
	askBefore = mib                   // bytes from which on a body is announced, so that a refusal arrives before it is sent
	forever   = 1000 * 24 * time.Hour // the SDK's time limits are off: Deliver and the lent client have theirs
)

// agent is how requests call themselves.
const agent = "gantry"

// client makes calls to one container. It has nothing from the process: no environment and no files.
type client struct {
	place    Place
	keystone *keystone
	conn     *swift.Connection
}

func newClient(env exporters.Env, p Place) (*client, error) {
	if p.Container == "" || strings.Contains(p.Container, "/") {
		return nil, engine.Errorf(engine.Invalid, "The container is not the name of one: it has a slash. Folders belong to file or file_prefix.")
	}
	lent := &caller{*env.HTTP}
	lent.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &client{place: p, keystone: &keystone{http: lent, place: p}}
	c.conn = &swift.Connection{Auth: c.keystone, Transport: lent, UserAgent: agent,
		Retries: -1, ConnectTimeout: forever, Timeout: forever} // no retries: the SDK would send a body that is used up
	return c, nil
}

// caller is the HTTP client that is lent, as the SDK wants it: as a transport. It follows no redirect, since a token or a
// password is for one host.
type caller struct{ http.Client }

// RoundTrip implements http.RoundTripper.
func (c *caller) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ContentLength < askBefore {
		req.Header.Del("Expect")
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		resp.Body.Close()
		return nil, engine.Errorf(engine.Invalid, "OpenStack sends requests elsewhere, which is not followed. Set auth_url to where it leads.")
	}
	return resp, nil
}

// request is a call to Swift.
type request struct {
	method    string
	container string
	object    string // empty: the call is about the container
	query     url.Values
	headers   swift.Headers
	open      func() (io.ReadCloser, error) // the body, anew for each time it is sent; nil if there is none
}

// call makes a call, and once more with another token when the answer is that of one which has expired: 401, or 403 of Ceph.
// The body of the answer is to be closed.
func (c *client) call(ctx context.Context, r request) (*http.Response, swift.Headers, error) {
	_, issued := c.keystone.current()
	resp, headers, err := c.once(ctx, r)
	if status := statusOf(err); issued == 0 || status != http.StatusUnauthorized && status != http.StatusForbidden {
		return resp, headers, err
	}
	if _, now := c.keystone.current(); now == issued {
		c.conn.UnAuthenticate()
	}
	return c.once(ctx, r)
}

func (c *client) once(ctx context.Context, r request) (*http.Response, swift.Headers, error) {
	address, err := c.conn.GetStorageUrl(ctx)
	if err != nil {
		return nil, nil, err
	}
	opts := swift.RequestOpts{Operation: r.method, Container: r.container, ObjectName: r.object, Parameters: r.query, Headers: r.headers,
		OnReAuth: func() (string, error) { return c.keystone.StorageUrl(false), nil }}
	if r.open != nil {
		body, err := r.open()
		if err != nil {
			return nil, nil, err
		}
		defer body.Close()
		opts.Body = body
	}
	return c.conn.Call(ctx, address, opts)
}

// tell is call where nothing but the headers of the answer is of interest.
func (c *client) tell(ctx context.Context, r request) (swift.Headers, error) {
	resp, headers, err := c.call(ctx, r)
	if err != nil {
		return headers, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return headers, errors.Join(err, resp.Body.Close())
}

// statusOf is the status that a call was refused with; 0 if there was no answer.
func statusOf(err error) int {
	var refused *swift.Error
	if errors.As(err, &refused) {
		return refused.StatusCode
	}
	return 0
}

// location is the address of an object, which gives no access to it.
func (c *client) location(name string) string {
	path := url.URL{Path: "/" + c.place.Container + "/" + name}
	return c.keystone.StorageUrl(false) + path.EscapedPath()
}

// limits are what the cluster takes.
type limits struct {
	object   int64 // bytes of one object
	segments int64 // of one static large object; 0 if it knows none
	least    int64 // bytes of each segment but the last
}

// usual are the limits of a cluster that does not say its own.
var usual = limits{object: 5 << 30, segments: 1000, least: 1}

// limits asks for the cluster's limits. What it does not say is as it usually is.
func (c *client) limits(ctx context.Context) (limits, error) {
	address, err := c.conn.GetStorageUrl(ctx)
	if err != nil {
		return limits{}, c.fault(ctx, err, nil, "read")
	}
	var info swift.SwiftInfo
	status, _, err := ask(ctx, c.conn.Transport, question{who: "The object store", method: http.MethodGet, address: infoOf(address)}, &info)
	if err != nil {
		return limits{}, err
	}
	l := usual
	if status != http.StatusOK || info["swift"] == nil { // it is often closed
		return l, nil
	}
	l.object = number(info, "swift", "max_file_size", l.object)
	l.least = number(info, "slo", "min_segment_size", l.least)
	l.segments = min(number(info, "slo", "max_manifest_segments", l.segments), mostSegments)
	if !info.SupportsSLO() {
		l.segments = 0
	}
	return l, nil
}

// infoOf is where a cluster says its limits: beside the version, after which the account follows.
func infoOf(storage string) string {
	before, _, _ := strings.Cut(storage+"/", "/v1/")
	return before + "/info"
}

// number reads one that is above zero out of a part of what a cluster says.
func number(info swift.SwiftInfo, part, name string, otherwise int64) int64 {
	fields, _ := info[part].(map[string]any)
	if n, ok := fields[name].(float64); ok && n >= 1 {
		return int64(n)
	}
	return otherwise
}
