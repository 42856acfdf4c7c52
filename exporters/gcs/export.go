package gcs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	mib    = 1 << 20
	onePut = 8 * mib // above it a file is sent so that it can be gone on with

	// mark is the metadata by which a delivery knows the object that it made though the answer was lost. Content alone does not
	// tell: who exports the same file once more wants it written once more.
	mark = "gantry-delivery"
)

// exporter delivers to one bucket.
type exporter struct {
	*client

	mu      sync.Mutex
	shelves map[string]shelf // by the names of folders in which an object was there already
}

func open(env exporters.Env, p Params) (*exporter, error) {
	c, err := newClient(env, p.Place, scopeWrite)
	if err != nil {
		return nil, err
	}
	return &exporter{client: c, shelves: map[string]shelf{}}, nil
}

// Export implements exporters.Exporter. A small file goes in one request, a larger one as an upload that can be gone on with.
// Either is written on the condition that the object is still the one that it was, so that nothing is written twice.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	send := e.put
	if d.File.Size > onePut {
		send = e.upload
	}
	o, err := send(ctx, d)
	if err != nil {
		return exporters.Receipt{}, err
	}
	return exporters.Receipt{Facts: map[string]string{"generation": strconv.FormatInt(o.Generation, 10), "etag": o.ETag,
		"crc32c": o.CRC32C, "location": e.location(d.Name)}}, nil
}

// Close implements exporters.Exporter.
func (e *exporter) Close() error { return nil }

// put sends a file in one request, at first as if there were no such object. Where there is one, it is what an earlier try
// made, or what is to be replaced. The bytes of the files that follow would be sent in vain, so one listing then says what
// else is in the folder.
func (e *exporter) put(ctx context.Context, d exporters.Delivery) (resource, error) {
	folder := d.Name[:strings.LastIndex(d.Name, "/")+1]
	if generation, likely := e.expected(folder, d.Name); likely {
		if o, err := e.insert(ctx, d, generation); statusOf(err) != http.StatusPreconditionFailed {
			return o, err
		}
	}
	o, ours, err := e.existing(ctx, d)
	if err != nil {
		return o, err
	}
	if ours {
		return o, nil
	}
	e.look(ctx, folder)
	return e.insert(ctx, d, o.Generation)
}

// shelf is what one listing said of a folder.
type shelf struct {
	generations map[string]int64
	more        bool // than were listed
}

// expected returns the generation that an object probably has, 0 if there is none, and whether that is more than a guess.
func (e *exporter) expected(folder, name string) (generation int64, likely bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.shelves[folder]
	generation, listed := s.generations[name]
	return generation, listed || !s.more
}

// look lists a folder in which a second object is about to be replaced. Who may not list it is not told here: nothing is known
// of it then.
func (e *exporter) look(ctx context.Context, folder string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, replacing := e.shelves[folder]
	if !replacing {
		e.shelves[folder] = shelf{more: true}
		return
	}
	if s.generations != nil {
		return
	}
	page, err := e.page(ctx, url.Values{"prefix": {folder}, "fields": {"nextPageToken,items(name,generation)"}})
	s = shelf{generations: map[string]int64{}, more: err != nil || page.Next != ""}
	for _, o := range page.Items {
		s.generations[o.Name] = o.Generation
	}
	e.shelves[folder] = s
}

// existing returns the object that is there, and whether this delivery made it. One that is not there has the generation 0.
func (e *exporter) existing(ctx context.Context, d exporters.Delivery) (o resource, ours bool, err error) {
	err = e.get(ctx, "replace", e.object(d.Name, url.Values{"fields": {"generation,size,crc32c,etag,metadata"}}), &o)
	if statusOf(err) == http.StatusNotFound {
		return resource{}, false, nil
	}
	return o, o.Metadata[mark] == markOf(d) && verify(o, d.File) == nil, err
}

// markOf tells this delivery from any other, and tells others nothing.
func markOf(d exporters.Delivery) string {
	sum := sha256.Sum256([]byte(d.ID))
	return hex.EncodeToString(sum[:16])
}

// insert makes the object of the file if it has that generation now.
func (e *exporter) insert(ctx context.Context, d exporters.Delivery, generation int64) (o resource, err error) {
	resp, err := e.do(ctx, "write", []int{http.StatusOK}, func() (*http.Request, error) { return e.whole(ctx, d, generation) })
	if err != nil {
		return o, err
	}
	if err := read(ctx, resp, &o); err != nil {
		return o, err
	}
	return o, verify(o, d.File)
}

// whole is the request that has the file and what is said about it, as multipart/related.
func (e *exporter) whole(ctx context.Context, d exporters.Delivery, generation int64) (*http.Request, error) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	about, err := form.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json; charset=UTF-8"}})
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(about).Encode(describe(d)); err != nil {
		return nil, err
	}
	if _, err := form.CreatePart(textproto.MIMEHeader{"Content-Type": {mediaType(d.File)}}); err != nil {
		return nil, err
	}
	before := frame.Len()
	if err := form.Close(); err != nil {
		return nil, err
	}
	content, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	head, tail := frame.Bytes()[:before], frame.Bytes()[before:]
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), content, bytes.NewReader(tail)), content}
	query := url.Values{"uploadType": {"multipart"}, "ifGenerationMatch": {strconv.FormatInt(generation, 10)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.uploads(query), body)
	if err != nil {
		content.Close()
		return nil, hidden()
	}
	req.ContentLength = int64(frame.Len()) + d.File.Size
	req.Header.Set("Content-Type", "multipart/related; boundary="+form.Boundary())
	return req, nil
}

// describe is what is said of the object before its bytes. Google compares the sums. Nothing is said of its encoding and of
// who may read it: the one would have it altered on its way to readers, and the other is refused where access is uniform.
func describe(d exporters.Delivery) map[string]any {
	about := map[string]any{"name": d.Name, "contentType": mediaType(d.File), "metadata": map[string]string{mark: markOf(d)}}
	if sum := recode(d.File.CRC32C); sum != "" {
		about["crc32c"] = sum
	}
	if sum := recode(d.File.MD5); sum != "" {
		about["md5Hash"] = sum
	}
	return about
}

func mediaType(f engine.File) string {
	if f.MIME == "" {
		return "application/octet-stream"
	}
	return f.MIME
}

// recode makes base64 of hex; nothing of what is none.
func recode(sum string) string {
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// verify compares what Google says it has with the file. The MD5 is left out: composed objects have none.
func verify(o resource, f engine.File) error {
	sum := recode(f.CRC32C)
	if o.Generation != 0 && o.Size == f.Size && (sum == "" || o.CRC32C == sum) {
		return nil
	}
	return engine.Errorf(engine.Unavailable, "Google does not confirm that it has the file as it is here.")
}
