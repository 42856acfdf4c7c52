package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// state is what a checkpoint holds. How much has arrived Google is asked, since it may have kept less than was sent.
type state struct {
	Session string `json:"session,omitempty"` // its address, with which anybody may write; empty until it was opened
	Read    int64  `json:"read"`              // bytes from the file's beginning whose sums are in the checkpoint
}

// upload is one file on its way through a session: Google's name for an upload that can be gone on with.
type upload struct {
	*exporter
	exporters.Delivery
	exporters.Kept[state]
}

// progress is how far a session is: what it wants next, or the object that it has become.
type progress struct {
	next int64
	made *resource
}

// upload sends a file through a session, going on with what an earlier try left.
func (e *exporter) upload(ctx context.Context, d exporters.Delivery) (resource, error) {
	u := &upload{exporter: e, Delivery: d}
	p, err := u.begin(ctx)
	for err == nil && p.made == nil {
		p, err = u.send(ctx, p.next)
	}
	if err != nil {
		return resource{}, err
	}
	return *p.made, nil
}

// begin takes up a saved session or opens one. That it is about to be opened is saved before.
func (u *upload) begin(ctx context.Context) (progress, error) {
	if err := u.Recall(ctx, u.Checkpoint); err != nil {
		return progress{}, err
	}
	if u.State.Session != "" {
		p, err := u.ask(ctx)
		if !isGone(err) {
			return p, u.settle(ctx, err)
		}
		u.State.Session = ""
	}
	o, ours, err := u.existing(ctx, u.Delivery)
	switch {
	case statusOf(err) == http.StatusForbidden: // who may not look can only make new objects
	case err != nil:
		return progress{}, err
	case ours:
		return progress{made: &o}, nil
	}
	if err := u.Save(ctx); err != nil {
		return progress{}, err
	}
	return progress{}, u.open(ctx, o.Generation)
}

// open opens a session for the object if it has that generation.
func (u *upload) open(ctx context.Context, generation int64) error {
	address, err := u.session(ctx, describe(u.Delivery), generation, u.File.Size)
	if err != nil {
		return u.settle(ctx, err)
	}
	u.State.Session = address
	return u.Save(ctx)
}

// session opens a session and returns its address.
func (c *client) session(ctx context.Context, about map[string]any, generation, size int64) (string, error) {
	text, err := json.Marshal(about)
	if err != nil {
		return "", err
	}
	query := url.Values{"uploadType": {"resumable"}, "ifGenerationMatch": {strconv.FormatInt(generation, 10)}}
	resp, err := c.do(ctx, "write", []int{http.StatusOK, http.StatusCreated}, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.uploads(query), bytes.NewReader(text))
		if err != nil {
			return nil, hidden()
		}
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
		req.Header.Set("X-Upload-Content-Type", fmt.Sprint(about["contentType"]))
		req.Header.Set("X-Upload-Content-Length", strconv.FormatInt(size, 10))
		return req, nil
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	address, err := resp.Location()
	if err != nil || address.Host == "" || strings.HasPrefix(c.root, "https:") && address.Scheme != "https" {
		return "", engine.Errorf(engine.Unavailable, "Google opened an upload without saying where.")
	}
	return address.String(), nil
}

// ask asks how far the session is.
func (u *upload) ask(ctx context.Context) (progress, error) {
	return u.tell(ctx, fmt.Sprintf("bytes */%d", u.File.Size), http.NoBody, 0)
}

// send sends what is left of the file in one request. Google keeps what arrives of it when it breaks off.
func (u *upload) send(ctx context.Context, from int64) (progress, error) {
	if from >= u.File.Size {
		return progress{}, u.forget(ctx, errors.New("the session has all bytes, and has not ended"))
	}
	rest := u.rest(ctx, from)
	defer rest.stop()
	if _, err := io.CopyN(io.Discard, rest, from-rest.at); err != nil {
		return progress{}, err
	}
	p, err := u.tell(ctx, fmt.Sprintf("bytes %d-%d/%d", from, u.File.Size-1, u.File.Size), rest, u.File.Size-from)
	if err == nil && p.made == nil && p.next <= from {
		err = engine.Errorf(engine.Unavailable, "Google took no byte of the file.")
	}
	rest.stop() // before what was read is saved
	return p, u.settle(ctx, err)
}

// tell makes a request to the session. Its address is all that it takes.
func (u *upload) tell(ctx context.Context, contentRange string, body io.Reader, size int64) (progress, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.State.Session, body)
	if err != nil {
		return progress{}, hidden()
	}
	req.ContentLength = size
	req.Header.Set("Content-Range", contentRange)
	resp, err := u.client.send(ctx, req, "write", []int{http.StatusOK, http.StatusCreated, http.StatusPermanentRedirect})
	if err != nil {
		return progress{}, err
	}
	if resp.StatusCode == http.StatusPermanentRedirect { // which is "go on" here
		defer resp.Body.Close()
		next, err := nextOf(resp.Header.Get("Range"))
		return progress{next: next}, err
	}
	var made resource
	if err := read(ctx, resp, &made); err != nil {
		return progress{}, err
	}
	return progress{made: &made}, verify(made, u.File)
}

var received = regexp.MustCompile(`^bytes=0-(\d{1,18})$`)

// nextOf is the first byte that a session does not have. One that has none says nothing.
func nextOf(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	last := received.FindStringSubmatch(header)
	if last == nil {
		return 0, engine.Errorf(engine.Unavailable, "Google does not say what it has of the file.")
	}
	n, err := strconv.ParseInt(last[1], 10, 64)
	return n + 1, err
}

// isGone reports whether an answer says that there is no such session any more, and none of its bytes.
func isGone(err error) bool {
	return slices.Contains([]int{http.StatusNotFound, http.StatusGone, statusCancelled}, statusOf(err))
}

// settle decides what a failure means to the session, and saves what is to be known of it by whoever comes next.
func (u *upload) settle(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case u.State.Session != "" && isGone(err):
		return u.forget(ctx, err)
	case statusOf(err) == http.StatusPreconditionFailed:
		return u.contested(ctx, err)
	case isDamaged(err):
		u.State.Session = ""
	}
	return u.Keep(ctx, err)
}

// contested is the error for an object that is not what it was when the session was opened. If it may be looked at, the next
// try does that, and begins anew.
func (u *upload) contested(ctx context.Context, err error) error {
	if _, _, denied := u.existing(ctx, u.Delivery); statusOf(denied) == http.StatusForbidden {
		err = denied
	}
	u.State.Session = ""
	return u.Keep(ctx, err)
}

// forget notes that the session is gone, so that the next try opens another.
func (u *upload) forget(ctx context.Context, cause error) error {
	u.State.Session = ""
	return u.Keep(ctx, engine.Wrap(cause, engine.Unavailable, "Google has forgotten the upload. It is begun anew."))
}
