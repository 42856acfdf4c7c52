package openstack

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	small  = mib       // every cluster takes as much in one object
	onePut = 256 * mib // above it a file goes in segments, also where the cluster would take more in one object
)

// exporter delivers to one container.
type exporter struct {
	*client
	params Params

	mu     sync.Mutex
	known  *limits // nil: not asked yet
	owners *owners // nil: not asked yet
}

func open(env exporters.Env, p Params) (*exporter, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &exporter{client: c, params: p}, nil
}

// Export implements exporters.Exporter. What the cluster takes as one object goes as one, up to a size from which on it is
// better not to begin anew after a broken connection; what is larger goes in segments.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	u := &upload{exporter: e, Delivery: d}
	if err := u.Recall(ctx, d.Checkpoint); err != nil {
		return exporters.Receipt{}, err
	}
	if u.State.New.Count > 0 {
		return u.inSegments(ctx)
	}
	segment, err := e.plan(ctx, d.File.Size)
	if err != nil {
		return exporters.Receipt{}, err
	}
	if segment == 0 {
		return u.whole(ctx)
	}
	if err := u.begin(ctx, segment); err != nil {
		return exporters.Receipt{}, err
	}
	return u.inSegments(ctx)
}

// Close implements exporters.Exporter.
func (e *exporter) Close() error { return nil }

// cluster returns the limits, which are asked for once.
func (e *exporter) cluster(ctx context.Context) (limits, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known != nil {
		return *e.known, nil
	}
	l, err := e.limits(ctx)
	if err == nil {
		e.known = &l
	}
	return l, err
}

// plan returns the size of the segments for a file; 0 if it goes as one object.
func (e *exporter) plan(ctx context.Context, size int64) (int64, error) {
	if size <= small {
		return 0, nil
	}
	l, err := e.cluster(ctx)
	if err != nil {
		return 0, err
	}
	return l.plan(size)
}

func (l limits) plan(size int64) (int64, error) {
	if size <= min(l.object, onePut) || l.segments == 0 && size <= l.object {
		return 0, nil
	}
	if l.segments == 0 || (size+l.segments-1)/l.segments > l.object {
		return 0, engine.Errorf(engine.TooLarge, "The file has %d bytes; the cluster takes objects of %d bytes, and large ones of %d such segments.",
			size, l.object, l.segments)
	}
	least := (size + l.segments - 1) / l.segments
	least = max(oneSegment, l.least, (least+mib-1)/mib*mib)
	return min(least, l.object), nil
}

// whole sends a file as one object. Swift compares its MD5, which is known from when the file was stored.
func (u *upload) whole(ctx context.Context) (exporters.Receipt, error) {
	if err := u.lookBefore(ctx); err != nil {
		return exporters.Receipt{}, err
	}
	content := &body{size: u.File.Size, open: func() (io.ReadCloser, error) { return u.Open(ctx) }}
	r := request{method: http.MethodPut, container: u.place.Container, object: u.Name, headers: headers(u.File, u.File.Size, u.File.MD5)}
	headers, err := u.put(ctx, r, content)
	if err != nil {
		return exporters.Receipt{}, err
	}
	return u.receipt(ctx, headers), nil
}

// headers are those of an object, with the bytes and the MD5 of what is sent.
func headers(f engine.File, size int64, sum string) swift.Headers {
	h := swift.Headers{"Content-Length": strconv.FormatInt(size, 10), "Content-Type": f.MIME}
	if f.MIME == "" {
		h["Content-Type"] = "application/octet-stream" // else Swift guesses by the name
	}
	if sum != "" {
		h["Etag"] = sum
	}
	return h
}

// put sends a body, and compares the MD5 of what was sent with that of what arrived.
func (e *exporter) put(ctx context.Context, r request, content *body) (swift.Headers, error) {
	calling, done := patiently(ctx, content)
	defer done()
	if content.size > 0 {
		r.open = content.again
	} else if err := content.drain(); err != nil {
		return nil, err
	}
	headers, err := e.tell(calling, r)
	if err != nil {
		return nil, e.fault(ctx, err, headers, "write")
	}
	if got, want := strings.Trim(headers["Etag"], `"`), content.sum(); got != want {
		return nil, engine.Wrap(fmt.Errorf("the MD5 of what arrived is %q, want %s", got, want), engine.Unavailable,
			"The file was damaged on its way to Swift.")
	}
	return headers, nil
}

// receipt says where the object is. What an object of ours that it replaces was made of is removed here, since nothing reads
// it any more.
func (u *upload) receipt(ctx context.Context, headers swift.Headers) exporters.Receipt {
	receipt := exporters.Receipt{Facts: map[string]string{"etag": strings.Trim(headers["Etag"], `"`), "location": u.location(u.Name)}}
	if u.State.New.Count > 0 {
		receipt.Facts["segments"] = strconv.Itoa(u.State.New.Count)
	}
	if err := u.remove(ctx, u.State.Old); err != nil {
		receipt.Remark = "The segments of the object that was replaced could not be removed. " + engine.MessageOf(err)
	}
	return receipt
}

// body is a range of the file on its way, with the MD5 of what was read of it.
type body struct {
	open func() (io.ReadCloser, error)
	size int64

	mu   sync.Mutex
	read int64
	hash hash.Hash
}

// again opens the range anew.
func (b *body) again() (io.ReadCloser, error) {
	src, err := b.open()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read, b.hash = 0, md5.New()
	return &reading{body: b, hash: b.hash, ReadCloser: src}, nil
}

// drain reads a body of no bytes to its end, which may be an error; nothing of it is sent.
func (b *body) drain() error {
	src, err := b.again()
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = io.Copy(io.Discard, src)
	return err
}

// sum is the MD5 of what was read.
func (b *body) sum() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return hex.EncodeToString(b.hash.Sum(nil))
}

// sent reports whether all of it was read.
func (b *body) sent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read == b.size && b.hash != nil
}

// reading is one time that a body is sent. One before may still be read from when the next has begun.
type reading struct {
	body *body
	hash hash.Hash
	io.ReadCloser
}

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	if r.hash == r.body.hash {
		r.hash.Write(p[:n])
		r.body.read += int64(n)
	}
	return n, err
}
