package openstack

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	oneSegment     = 64 * mib
	mostSegments   = 10_000 // so that a state keeps within what may be saved
	segmentsAtOnce = 4
	answerWithin   = 2 * time.Second

	containerSuffix = "_segments"       // the segments' container is that of the objects with this, as with other clients
	hiddenFolder    = ".file-segments/" // where they go in the objects' own container, if there can be no other
	ownersFolder    = "gantry/"         // where those are that we made
	mostListed      = 10_000            // names in a listing, as most clusters have it
)

// segments are those of one large object.
type segments struct {
	Container string `json:"container,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	Count     int    `json:"count,omitempty"`
}

func (s segments) name(i int) string { return fmt.Sprintf("%s/%08d", s.Prefix, i) }

// owner is the beginning of the names of all segments of an object: nothing but ours has such a name, and a copy of the
// object elsewhere has another.
func owner(container, name string) string {
	sum := sha256.Sum256([]byte(container + "\x00" + name))
	return ownersFolder + hex.EncodeToString(sum[:16]) + "/"
}

// state is what a checkpoint holds: what is needed to go on with an upload, and to remove its segments. Swift is never asked
// for the segments it has, since its listings may be late.
type state struct {
	Container  string   `json:"container"`
	Name       string   `json:"name"`
	Segment    int64    `json:"segment"` // bytes of each but the last
	New        segments `json:"new"`
	Sums       []string `json:"sums,omitempty"`       // the MD5 of each of them that has arrived
	Old        segments `json:"old"`                  // of the object that is replaced, if they are ours
	Committing bool     `json:"committing,omitempty"` // the object may be there
}

// upload is one file on its way.
type upload struct {
	*exporter
	exporters.Delivery
	exporters.Kept[state]
}

// inSegments sends a file in segments, going on with what an earlier try left.
func (u *upload) inSegments(ctx context.Context) (exporters.Receipt, error) {
	if err := u.send(ctx); err != nil {
		return exporters.Receipt{}, err
	}
	headers, err := u.commit(ctx)
	if err != nil {
		return exporters.Receipt{}, err
	}
	return u.receipt(ctx, headers), nil
}

// begin begins an upload in segments of that size, which is saved before anything is sent.
func (u *upload) begin(ctx context.Context, size int64) error {
	container, folder, err := u.shelf(ctx)
	if err != nil {
		return err
	}
	count := int((u.File.Size + size - 1) / size)
	u.State = state{Container: u.place.Container, Name: u.Name, Segment: size, Sums: make([]string, count), New: segments{
		Container: container, Prefix: folder + owner(u.place.Container, u.Name) + uuid.NewString(), Count: count}}
	return u.Save(ctx)
}

// shelf returns the container for segments, which is made if it is missing, and a folder in it. They have to be kept as the
// objects are, by the same storage policy. Where there can be no such container, they go beside the objects.
func (c *client) shelf(ctx context.Context) (container, folder string, err error) {
	objects, err := c.glance(ctx, c.place.Container)
	if status := statusOf(err); status == http.StatusForbidden {
		return c.place.Container, hiddenFolder, nil
	} else if err != nil {
		return "", "", c.fault(ctx, err, objects, "write")
	}
	container = c.place.Container + containerSuffix
	make := request{method: http.MethodPut, container: container, headers: swift.Headers{"Content-Length": "0"}}
	if policy := objects["X-Storage-Policy"]; policy != "" {
		make.headers["X-Storage-Policy"] = policy
	}
	switch headers, err := c.tell(ctx, make); statusOf(err) {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict:
		return c.place.Container, hiddenFolder, nil
	default:
		if err != nil {
			return "", "", c.fault(ctx, err, headers, "write")
		}
		return container, "", nil
	}
}

// glance returns the headers of a container. It is a listing of one name, since many a Swift sends a body with its answer to
// HEAD, which nobody expects.
func (c *client) glance(ctx context.Context, container string) (swift.Headers, error) {
	return c.tell(ctx, request{method: http.MethodGet, container: container, query: url.Values{"limit": {"1"}}})
}

// send sends the segments that are missing, several at once. When it returns, none is under way any more.
func (u *upload) send(ctx context.Context) error {
	var missing []int
	for i, sum := range u.State.Sums {
		if sum == "" {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return u.Keep(ctx, exporters.Each(ctx, segmentsAtOnce, missing, u.segment))
}

// segment sends one segment.
func (u *upload) segment(ctx context.Context, i int) error {
	offset, size := u.stretch(i)
	content := &body{size: size, open: func() (io.ReadCloser, error) { return u.OpenRange(ctx, offset, size) }}
	r := request{method: http.MethodPut, container: u.State.New.Container, object: u.State.New.name(i), headers: headers(engine.File{}, size, "")}
	if _, err := u.put(ctx, r, content); err != nil {
		return err
	}
	return u.Note(ctx, func(st *state) { st.Sums[i] = content.sum() })
}

func (u *upload) stretch(i int) (offset, size int64) {
	offset = int64(i) * u.State.Segment
	return offset, min(u.State.Segment, u.File.Size-offset)
}

// patiently returns a context for a request that ends with ctx while the content is being sent, and a little later when all
// of it has been: Swift then has it, and would show it after it was discarded if nobody waited for the answer.
func patiently(ctx context.Context, content *body) (calling context.Context, done func()) {
	calling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if content.sent() {
			select {
			case <-time.After(answerWithin):
			case <-calling.Done():
			}
		}
		cancel(context.Cause(ctx))
	})
	return calling, func() { stop(); cancel(nil) }
}

// commit makes the object of its segments. It may be repeated when its answer was lost. Swift compares the size and the MD5
// of each segment with what the manifest says.
func (u *upload) commit(ctx context.Context) (swift.Headers, error) {
	if err := u.look(ctx); err != nil {
		return nil, err
	}
	if err := u.Commit(ctx); err != nil {
		return nil, err
	}
	manifest, sum, err := u.manifest()
	if err != nil {
		return nil, err
	}
	content := &body{size: int64(len(manifest)), open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(manifest)), nil }}
	calling, done := patiently(ctx, content)
	defer done()
	headers, err := u.tell(calling, request{method: http.MethodPut, container: u.place.Container, object: u.Name,
		query: url.Values{"multipart-manifest": {"put"}}, headers: headers(u.File, content.size, sum), open: content.again})
	switch {
	case statusOf(err) == http.StatusBadRequest, statusOf(err) == http.StatusUnprocessableEntity:
		return nil, u.forget(ctx, u.fault(ctx, err, headers, "write"))
	case err != nil:
		return nil, u.fault(ctx, err, headers, "write")
	case strings.Trim(headers["Etag"], `"`) != sum:
		return nil, engine.Errorf(engine.Unavailable, "Swift made another object of the segments than it was told.")
	}
	return headers, nil
}

// manifest returns the list of the segments, and the ETag that the object will have: the MD5 of their MD5s.
func (u *upload) manifest() ([]byte, string, error) {
	type entry struct {
		Path string `json:"path"`
		ETag string `json:"etag"`
		Size int64  `json:"size_bytes"`
	}
	var entries []entry
	sum := md5.New()
	for i, etag := range u.State.Sums {
		_, size := u.stretch(i)
		entries = append(entries, entry{Path: "/" + u.State.New.Container + "/" + u.State.New.name(i), ETag: etag, Size: size})
		io.WriteString(sum, etag) //nolint:errcheck // a hash takes everything
	}
	text, err := json.Marshal(entries)
	return text, hex.EncodeToString(sum.Sum(nil)), err
}

// forget notes that segments are not as they were confirmed, where that is what the commit failed with, so that the next try
// sends them again.
func (u *upload) forget(ctx context.Context, failed error) error {
	clear(u.State.Sums)
	if err := u.Save(ctx); err != nil {
		return err
	}
	return engine.Wrap(failed, engine.Unavailable, "Swift does not have the segments that it had confirmed. They are sent again.")
}

// lookBefore is look for an object that is not made of segments. It costs a call only for objects that may have some now.
func (u *upload) lookBefore(ctx context.Context) error {
	may, err := u.mayHaveSegments(ctx, u.Name)
	if err != nil || !may || u.State.Committing {
		return err
	}
	old, err := u.replaced(ctx)
	if err != nil || old.Count == 0 {
		return err
	}
	u.State = state{Container: u.place.Container, Name: u.Name, Old: old, Committing: true}
	return u.Save(ctx)
}

// mayHaveSegments reports whether segments of ours may belong to an object. Two listings answer for all objects; where they
// are not complete, any may have some. A cluster that is behind with its listings may keep the segments of what is replaced.
func (e *exporter) mayHaveSegments(ctx context.Context, name string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owners == nil {
		apart, err := e.listOwners(ctx, e.place.Container+containerSuffix, "")
		if err != nil {
			return false, err
		}
		beside, err := e.listOwners(ctx, e.place.Container, hiddenFolder)
		if err != nil {
			return false, err
		}
		e.owners = &owners{names: append(apart.names, beside.names...), more: apart.more || beside.more}
	}
	return e.owners.more || slices.Contains(e.owners.names, owner(e.place.Container, name)), nil
}

// owners are the beginnings of the names of all segments of ours, or those that were listed where there are more.
type owners struct {
	names []string
	more  bool
}

func (c *client) listOwners(ctx context.Context, container, folder string) (owners, error) {
	resp, headers, err := c.call(ctx, request{method: http.MethodGet, container: container, headers: swift.Headers{"X-Newest": "true"},
		query: url.Values{"format": {"json"}, "prefix": {folder + ownersFolder}, "delimiter": {"/"}, "limit": {strconv.Itoa(mostListed)}}})
	switch status := statusOf(err); {
	case status == http.StatusNotFound:
		return owners{}, nil
	case status == http.StatusForbidden, status == http.StatusPreconditionFailed: // it lists less at once
		return owners{more: true}, nil
	case err != nil:
		return owners{}, c.fault(ctx, err, headers, "read")
	}
	defer resp.Body.Close()
	var page []struct{ Subdir string }
	if resp.StatusCode == http.StatusOK {
		err = json.NewDecoder(io.LimitReader(resp.Body, mostAnswer)).Decode(&page)
	}
	o := owners{more: err != nil || len(page) >= mostListed}
	for _, entry := range page {
		o.names = append(o.names, strings.TrimPrefix(entry.Subdir, folder))
	}
	return o, nil
}

// look finds out what will be replaced, before it is, and saves that with all sums: whoever comes after a lost answer has to
// know both.
func (u *upload) look(ctx context.Context) error {
	if u.State.Committing {
		return nil
	}
	old, err := u.replaced(ctx)
	if err != nil {
		return err
	}
	u.State.Old, u.State.Committing = old, true
	return u.Save(ctx)
}

// replaced returns what made does; none where objects may be written but not read.
func (u *upload) replaced(ctx context.Context) (segments, error) {
	old, err := u.made(ctx, u.Name)
	if engine.CodeOf(err) == engine.Denied {
		return segments{}, nil
	}
	return old, err
}

// made returns the segments that an object is made of, if they are ours; none if there is no such object.
func (c *client) made(ctx context.Context, name string) (segments, error) {
	newest := swift.Headers{"X-Newest": "true"}
	headers, err := c.tell(ctx, request{method: http.MethodHead, container: c.place.Container, object: name, headers: newest})
	switch {
	case statusOf(err) == http.StatusNotFound:
		return segments{}, nil
	case err != nil:
		return segments{}, c.fault(ctx, err, headers, "read")
	case !strings.EqualFold(headers["X-Static-Large-Object"], "true"):
		return segments{}, nil
	}
	resp, headers, err := c.call(ctx, request{method: http.MethodGet, container: c.place.Container, object: name,
		query: url.Values{"multipart-manifest": {"get"}}, headers: newest})
	if statusOf(err) == http.StatusNotFound {
		return segments{}, nil
	}
	if err != nil {
		return segments{}, c.fault(ctx, err, headers, "read")
	}
	defer resp.Body.Close()
	var entries []struct{ Name string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, mostAnswer)).Decode(&entries); err != nil {
		if ctx.Err() != nil {
			return segments{}, context.Cause(ctx)
		}
		return segments{}, nil // it is none any more
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return ours(names, owner(c.place.Container, name)), nil
}

// ours returns the segments of those paths, if all are of one upload to the object whose owner prefix that is.
func ours(paths []string, owner string) segments {
	if len(paths) == 0 {
		return segments{}
	}
	container, first, _ := strings.Cut(strings.TrimPrefix(paths[0], "/"), "/")
	s := segments{Container: container, Prefix: strings.TrimSuffix(first, "/"+fmt.Sprintf("%08d", 0)), Count: len(paths)}
	if !strings.HasPrefix(strings.TrimPrefix(s.Prefix, hiddenFolder), owner) {
		return segments{}
	}
	for i, path := range paths {
		if path != "/"+container+"/"+s.name(i) {
			return segments{}
		}
	}
	return s
}

// remove deletes segments. What is gone already is no error.
func (c *client) remove(ctx context.Context, s segments) error {
	numbers := make([]int, s.Count)
	for i := range numbers {
		numbers[i] = i
	}
	return exporters.Each(ctx, 2*segmentsAtOnce, numbers, func(ctx context.Context, i int) error {
		headers, err := c.tell(ctx, request{method: http.MethodDelete, container: s.Container, object: s.name(i)})
		if err != nil && statusOf(err) != http.StatusNotFound {
			return c.fault(ctx, err, headers, "delete")
		}
		return nil
	})
}

// discard removes the segments of an upload that will not be finished. When it was finished after all, they are an object's,
// and those of the object that it replaced are removed.
func discard(ctx context.Context, env exporters.Env, p Params, st state) error {
	p.Container = st.Container
	c, err := newClient(env, p.Place)
	if err != nil {
		return err
	}
	if !st.Committing {
		return c.remove(ctx, st.New)
	}
	current, err := c.made(ctx, st.Name)
	if err != nil {
		return err
	}
	if current == st.New && st.New.Count > 0 {
		return c.remove(ctx, st.Old)
	}
	if current != st.Old {
		err = c.remove(ctx, st.Old)
	}
	return errors.Join(err, c.remove(ctx, st.New))
}
