package exportertest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
)

// TestShelf runs the suite against a storage system that lives in this process, so that the suite itself is tested.
func TestShelf(t *testing.T) {
	server := &shelf{objects: map[string]exportertest.Object{}, parts: map[string]map[string][]byte{}}
	ts := httptest.NewServer(server)
	defer ts.Close()
	exportertest.Run(t, harness{server, ts.Listener.Addr().String()})
}

// chunk is the size above which the shelf is written in parts.
const chunk = 256 << 10

// shelf is the storage system: PUT /objects/NAME makes an object; PUT /parts/UPLOAD/NUMBER, then POST /objects/NAME?upload=UPLOAD
// makes one of its parts; DELETE /parts/UPLOAD forgets them.
type shelf struct {
	mu      sync.Mutex
	objects map[string]exportertest.Object
	parts   map[string]map[string][]byte
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != max(r.ContentLength, 0) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer shelf-secret" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	upload, number, _ := strings.Cut(name, "/")
	switch {
	case strings.HasPrefix(name, "nowhere/"):
		w.WriteHeader(http.StatusNotFound)
	case kind == "objects" && r.Method == http.MethodPut:
		s.objects[name] = exportertest.Object{Bytes: body, MIME: r.Header.Get("Content-Type")}
	case kind == "parts" && r.Method == http.MethodPut:
		if s.parts[upload] == nil {
			s.parts[upload] = map[string][]byte{}
		}
		s.parts[upload][number] = body
	case kind == "parts":
		delete(s.parts, upload)
	default:
		s.complete(w, name, r.URL.Query().Get("upload"), r.Header.Get("Content-Type"))
	}
}

func (s *shelf) complete(w http.ResponseWriter, name, upload, mime string) {
	parts, ok := s.parts[upload]
	if !ok {
		w.WriteHeader(http.StatusGone)
		return
	}
	var whole []byte
	for i := range len(parts) {
		whole = append(whole, parts[fmt.Sprint(i)]...)
	}
	s.objects[name] = exportertest.Object{Bytes: whole, MIME: mime}
	delete(s.parts, upload)
}

// params are the parameters of export/shelf.
type params struct {
	URL    string       `json:"url" doc:"Address of the shelf." rule:"required,role=address"`
	Key    param.Secret `json:"key_phrase" doc:"Its key." rule:"required,role=credential"`
	Name   string       `json:"name" doc:"Name in full." rule:"role=name"`
	Prefix string       `json:"prefix" doc:"Put before the name." rule:"role=prefix"`
}

func definition() exporters.Definition {
	def := exporters.Define("shelf", "Puts files on a shelf.", params{},
		func(_ context.Context, env exporters.Env, p params) (exporters.Exporter, error) {
			return &client{env, p}, nil
		})
	def.Promises.LateCommit = "the shelf knows no condition by which a write could be refused"
	def.Discard = exporters.DiscardWith(func(ctx context.Context, env exporters.Env, p params, st state) error {
		return (&client{env, p}).call(ctx, http.MethodDelete, "/parts/"+st.Upload, "", nil, 0)
	})
	return def
}

// client is the exporter.
type client struct {
	env exporters.Env
	p   params
}

func (c *client) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	object := (&url.URL{Path: "/objects/" + d.Name}).EscapedPath()
	receipt := exporters.Receipt{Facts: map[string]string{"location": c.p.URL + object}}
	if d.File.Size <= chunk {
		body, err := d.Open(ctx)
		if err != nil {
			return receipt, err
		}
		return receipt, c.call(ctx, http.MethodPut, object, d.File.MIME, body, d.File.Size)
	}
	var kept exporters.Kept[state]
	if err := kept.Recall(ctx, d.Checkpoint); err != nil {
		return receipt, err
	}
	kept.State.Upload = d.ID
	if err := kept.Save(ctx); err != nil { // before anything is there
		return receipt, err
	}
	if err := kept.Keep(ctx, c.parts(ctx, d, &kept)); err != nil {
		return receipt, err
	}
	if err := d.Commit(ctx); err != nil {
		return receipt, err
	}
	err := c.call(ctx, http.MethodPost, object+"?upload="+d.ID, d.File.MIME, nil, 0)
	if engine.CodeOf(err) == engine.NotFound { // it was made an object, and the answer lost
		kept.State.Arrived = 0
		err = kept.Keep(ctx, engine.Wrap(err, engine.Unavailable, "The shelf has forgotten the upload."))
	}
	return receipt, err
}

// state is what is kept of a delivery in parts.
type state struct {
	Upload  string `json:"upload"`
	Arrived int64  `json:"arrived"` // parts
}

// parts sends the parts that have not arrived.
func (c *client) parts(ctx context.Context, d exporters.Delivery, kept *exporters.Kept[state]) error {
	for i := kept.State.Arrived; i*chunk < d.File.Size; i++ {
		size := min(chunk, d.File.Size-i*chunk)
		body, err := d.OpenRange(ctx, i*chunk, size)
		if err != nil {
			return err
		}
		if err := c.call(ctx, http.MethodPut, fmt.Sprintf("/parts/%s/%d", d.ID, i), "", body, size); err != nil {
			return err
		}
		if err := kept.Note(ctx, func(st *state) { st.Arrived = i + 1 }); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) Close() error { return nil }

// call sends one request. A body of no bytes is left out, since it would be sent without a length.
func (c *client) call(ctx context.Context, method, path, mime string, body io.ReadCloser, size int64) error {
	if body != nil {
		defer body.Close()
	}
	if size == 0 && body != nil {
		if _, err := io.Copy(io.Discard, body); err != nil { // its end may be an error
			return err
		}
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, c.p.URL+path, nil)
	if err != nil {
		return engine.Errorf(engine.Invalid, "The URL is malformed.")
	}
	if body != nil {
		req.Body, req.ContentLength = body, size
	}
	req.Header.Set("Authorization", "Bearer "+c.p.Key.Reveal())
	req.Header.Set("Content-Type", mime)
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return exporters.Fault(ctx, err, "The shelf")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return exporters.Refusal(resp.StatusCode, resp.Header, fmt.Sprintf("The shelf answered %d.", resp.StatusCode))
	}
	return nil
}

type harness struct {
	server  *shelf
	address string
}

func (harness) Definition() exporters.Definition { return definition() }
func (h harness) Address() string                { return h.address }
func (harness) PartSize() int64                  { return chunk }

func (harness) Params(_ testing.TB, address, name string) map[string]any {
	return map[string]any{"url": "http://" + address, "key_phrase": "shelf-secret", "name": name}
}

func (h harness) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	p := h.Params(t, h.address, name)
	switch kind {
	case exportertest.Denied:
		p["key_phrase"] = "wrong-secret"
	case exportertest.Missing:
		p["name"] = "nowhere/" + name
	}
	return p
}

func (h harness) Read(_ testing.TB, name string) (exportertest.Object, bool) {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	o, ok := h.server.objects[name]
	o.Bytes = bytes.Clone(o.Bytes)
	return o, ok
}

func (h harness) Unfinished(testing.TB) (left []string) {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	for upload := range h.server.parts {
		left = append(left, upload)
	}
	return left
}
