package gcs

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
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
	query := url.Values{"prefix": {strings.TrimLeft(prefix, "/")}, "maxResults": {pageSize},
		"fields": {"nextPageToken,items(" + wanted + ")"}}
	for {
		var page struct {
			Next  string     `json:"nextPageToken"`
			Items []resource `json:"items"`
		}
		if err := s.get(ctx, "list", s.objects(query), &page); err != nil {
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

func (r resource) object() exporters.Object {
	return exporters.Object{Name: r.Name, Size: r.Size, Version: strconv.FormatInt(r.Generation, 10)}
}

// Open implements exporters.Source. Who reads the whole of an object learns at its end whether it is what Google has. An object that lies there compressed is taken as it lies: unpacked by Google on its way, it
// would have another size, and could not be gone on with.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (io.ReadCloser, error) {
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
		return nil, err
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
		return nil, err
	}
	if want := sumIn(resp.Header); offset == 0 && want != "" {
		return &compared{ReadCloser: resp.Body, sum: crc32.New(castagnoli), want: want}, nil
	}
	return resp.Body, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumIn returns the CRC32C of the whole object as the answer says it; empty if it does not.
func sumIn(header http.Header) string {
	for part := range strings.SplitSeq(strings.Join(header.Values("X-Goog-Hash"), ","), ",") {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(part), "crc32c="); ok {
			return sum
		}
	}
	return ""
}

// compared is an object from its beginning, whose end is an error when its CRC32C is another than Google has. The error is not
// one that the download could go on after.
type compared struct {
	io.ReadCloser
	sum  hash.Hash32
	want string
}

// Read implements io.Reader.
func (c *compared) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if err != io.EOF { //nolint:errorlint // only the bare EOF is an end
		return n, err
	}
	if got := base64.StdEncoding.EncodeToString(c.sum.Sum(nil)); got != c.want {
		return n, engine.Errorf(engine.Invalid, "The object arrived damaged: its CRC32C is %s, and at Google it is %s. Import it once more.", got, c.want)
	}
	return n, io.EOF
}

// Close implements exporters.Source.
func (s *source) Close() error { return nil }
