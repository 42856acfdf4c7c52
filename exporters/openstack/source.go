package openstack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// source reads from one container.
type source struct{ *client }

func openSource(env exporters.Env, p ReadParams) (*source, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &source{c}, nil
}

// Stat implements exporters.Source.
func (s *source) Stat(ctx context.Context, name string) (exporters.Object, error) {
	name = strings.TrimLeft(name, "/")
	headers, err := s.tell(ctx, request{method: http.MethodHead, container: s.place.Container, object: name})
	if err != nil {
		return exporters.Object{}, s.fault(ctx, err, headers, "read")
	}
	o := exporters.Object{Name: name, Size: -1, Version: strings.Trim(headers["Etag"], `"`)}
	if size, err := strconv.ParseInt(headers["Content-Length"], 10, 64); err == nil {
		o.Size = size
	}
	return o, nil
}

// List implements exporters.Source. A page may be shorter than others, so only an empty one is the last.
func (s *source) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	prefix = strings.TrimLeft(prefix, "/")
	for marker := ""; ; {
		page, err := s.page(ctx, prefix, marker)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, item := range page {
			marker = item.Name
			if isFolder(item) || strings.HasPrefix(item.Name, hiddenFolder) && !strings.HasPrefix(prefix, hiddenFolder) {
				continue
			}
			o, err := s.listed(ctx, item)
			if engine.CodeOf(err) == engine.NotFound && err != nil {
				continue // a listing may be late
			}
			if err != nil {
				return err
			}
			if err := yield(o); err != nil {
				return err
			}
		}
	}
}

func (s *source) page(ctx context.Context, prefix, marker string) (page []swift.Object, err error) {
	resp, headers, err := s.call(ctx, request{method: http.MethodGet, container: s.place.Container,
		query: url.Values{"format": {"json"}, "prefix": {prefix}, "marker": {marker}}})
	if err != nil {
		return nil, s.fault(ctx, err, headers, "list")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return nil, exporters.Fault(ctx, err, "The object store")
	}
	return page, nil
}

func isFolder(item swift.Object) bool {
	return item.Name == "" || strings.HasSuffix(item.Name, "/") || strings.HasPrefix(item.ContentType, "application/directory")
}

// nothing is the MD5 of no bytes.
const nothing = "d41d8cd98f00b204e9800998ecf8427e"

// listed is an object of a listing. A dynamic large object is listed as what it is not, an empty one, so that is looked up.
func (s *source) listed(ctx context.Context, item swift.Object) (exporters.Object, error) {
	if item.Bytes == 0 && item.Hash == nothing {
		return s.Stat(ctx, item.Name)
	}
	o := exporters.Object{Name: item.Name, Size: item.Bytes, Version: item.Hash}
	if item.SLOHash != "" {
		o.Version = strings.Trim(item.SLOHash, `"`)
	}
	return o, nil
}

// Open implements exporters.Source. The ETag of what is not made of segments is its MD5.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	r := request{method: http.MethodGet, container: s.place.Container, object: o.Name, headers: swift.Headers{}}
	if o.Version != "" {
		r.headers["If-Match"] = `"` + o.Version + `"`
	}
	if offset > 0 {
		r.headers["Range"] = fmt.Sprintf("bytes=%d-", offset)
	}
	resp, headers, err := s.call(ctx, r)
	if err != nil {
		return exporters.Content{}, s.fault(ctx, err, headers, "read")
	}
	if offset > 0 && !strings.HasPrefix(headers["Content-Range"], fmt.Sprintf("bytes %d-", offset)) {
		resp.Body.Close()
		return exporters.Content{}, engine.Errorf(engine.Unavailable, "The object store does not send the object from where the download broke off.")
	}
	content := exporters.Content{ReadCloser: resp.Body}
	if headers["X-Static-Large-Object"] == "" && headers["X-Object-Manifest"] == "" {
		content.MD5 = strings.Trim(headers["Etag"], `"`)
	}
	return content, nil
}

// Close implements exporters.Source.
func (s *source) Close() error { return nil }
