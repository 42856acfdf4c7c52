package gcs

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	pageSize = "1000"
	wanted   = "name,generation,size"
)

// source reads from one bucket.
type source struct{ *client }

func openSource(env exporters.Env, p ReadParams) (*source, error) {
	c, err := newClient(env, p.Place, scopeRead)
	if err != nil {
		return nil, err
	}
	return &source{c}, nil
}

// Stat implements exporters.Source.
func (s *source) Stat(ctx context.Context, name string) (exporters.Object, error) {
	var o resource
	err := s.get(ctx, "read", s.object(strings.TrimLeft(name, "/"), url.Values{"fields": {wanted}}), &o)
	return o.object(), err
}

// List implements exporters.Source.
func (s *source) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	query := url.Values{"prefix": {strings.TrimLeft(prefix, "/")}, "fields": {"nextPageToken,items(" + wanted + ")"}}
	for {
		page, err := s.page(ctx, query)
		if err != nil {
			return err
		}
		for _, o := range page.Items {
			if strings.HasSuffix(o.Name, "/") {
				continue // stands for a folder
			}
			if err := yield(o.object()); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("pageToken", page.Next)
	}
}

// page is one answer of a listing.
type page struct {
	Next  string     `json:"nextPageToken"`
	Items []resource `json:"items"`
}

func (c *client) page(ctx context.Context, query url.Values) (p page, err error) {
	query.Set("maxResults", pageSize)
	err = c.get(ctx, "list", c.objects(query), &p)
	return p, err
}

func (r resource) object() exporters.Object {
	return exporters.Object{Name: r.Name, Size: r.Size, Version: strconv.FormatInt(r.Generation, 10)}
}

// Open implements exporters.Source. An object that lies there compressed is taken as it lies: unpacked by Google on its way, it
// would have another size, and could not be gone on with.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	query := url.Values{"alt": {"media"}}
	if o.Version != "" {
		query.Set("ifGenerationMatch", o.Version)
	}
	resp, err := s.do(ctx, "read", []int{http.StatusOK, http.StatusPartialContent}, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.object(o.Name, query), nil)
		if err != nil {
			return nil, hidden()
		}
		req.Header.Set("Accept-Encoding", "gzip")
		if offset > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		return req, nil
	})
	if err != nil {
		return exporters.Content{}, err
	}
	generation := resp.Header.Get("X-Goog-Generation")
	switch {
	case generation != "" && o.Version != "" && generation != o.Version: // not every emulator looks at the condition
		err = engine.Errorf(engine.Conflict, changed)
	case offset > 0 && !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
		err = engine.Errorf(engine.Unavailable, "Google does not send the object from where the download broke off.")
	}
	if err != nil {
		resp.Body.Close()
		return exporters.Content{}, err
	}
	return exporters.Content{ReadCloser: resp.Body, CRC32C: sumIn(resp.Header)}, nil
}

// sumIn returns the CRC32C of the whole object in hex, as the answer says it; empty if it does not. Composed objects have no MD5.
func sumIn(header http.Header) string {
	for part := range strings.SplitSeq(strings.Join(header.Values("X-Goog-Hash"), ","), ",") {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(part), "crc32c="); ok {
			raw, _ := base64.StdEncoding.DecodeString(sum) // what is none is no sum
			return hex.EncodeToString(raw)
		}
	}
	return ""
}

// Close implements exporters.Source.
func (s *source) Close() error { return nil }
