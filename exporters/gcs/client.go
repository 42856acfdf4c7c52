package gcs

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const defaultEndpoint = "https://storage.googleapis.com"

// client makes calls about one bucket. It has nothing from the process: no environment, no files, no instance's identity.
type client struct {
	http     *http.Client
	place    Place
	root     string // of all addresses
	tokenURL string
	scope    string
	key      *rsa.PrivateKey

	mu    sync.Mutex
	token bearer
}

func newClient(env exporters.Env, p Place, scope string) (*client, error) {
	c := &client{http: caller(env), place: p, scope: scope, tokenURL: defaultTokenURL}
	var err error
	if c.root, err = addressOf("endpoint", p.Endpoint, defaultEndpoint); err != nil {
		return nil, err
	}
	c.root = strings.TrimSuffix(strings.TrimSuffix(c.root, "/"), "/storage/v1") // which the vendor's libraries want with it
	if c.tokenURL, err = addressOf("token_url", p.TokenURL, defaultTokenURL); err != nil {
		return nil, err
	}
	c.key, err = keyOf(p.PrivateKey.Reveal())
	return c, err
}

// caller is the HTTP client that is lent. It follows no redirects: a token is for one host, and Google says 308 for something else.
func caller(env exporters.Env) *http.Client {
	c := *env.HTTP
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// addressOf reads the address in a parameter, which many write without a scheme.
func addressOf(name, address, otherwise string) (string, error) {
	address = strings.TrimSpace(address)
	if address == "" {
		return otherwise, nil
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", engine.Errorf(engine.Invalid, "The %s is not an http or https URL with a host.", name)
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath(), nil
}

// escape makes one segment of a path of a name. A plus would be a space to some.
func escape(name string) string { return strings.ReplaceAll(url.QueryEscape(name), "+", "%20") }

// objects is the address of what is asked about all objects of the bucket.
func (c *client) objects(query url.Values) string {
	return c.root + "/storage/v1/b/" + escape(c.place.Bucket) + "/o?" + query.Encode()
}

// object is the address of what is asked about one.
func (c *client) object(name string, query url.Values) string {
	return c.root + "/storage/v1/b/" + escape(c.place.Bucket) + "/o/" + escape(name) + "?" + query.Encode()
}

// uploads is where objects are made of what is sent.
func (c *client) uploads(query url.Values) string {
	return c.root + "/upload/storage/v1/b/" + escape(c.place.Bucket) + "/o?" + query.Encode()
}

// location is the address of an object, without anything that would give access to it.
func (c *client) location(name string) string {
	return c.root + "/" + escape(c.place.Bucket) + "/" + strings.ReplaceAll(escape(name), "%2F", "/")
}

// resource is an object as the API describes it.
type resource struct {
	Name        string            `json:"name"`
	Generation  int64             `json:"generation,string"`
	Size        int64             `json:"size,string"`
	CRC32C      string            `json:"crc32c"`
	MD5         string            `json:"md5Hash"`
	ETag        string            `json:"etag"`
	ContentType string            `json:"contentType"`
	Metadata    map[string]string `json:"metadata"`
}

// do makes a call with a token, and once more with a new one when the token has ended before its time. An answer that is none
// of the statuses is the error, with what the call was to do: one of the rights.
func (c *client) do(ctx context.Context, verb string, statuses []int, call func() (*http.Request, error)) (*http.Response, error) {
	for {
		token, fresh, err := c.bearer(ctx)
		if err != nil {
			return nil, err
		}
		req, err := call()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := c.send(ctx, req, verb, statuses)
		if err == nil || fresh || statusOf(err) != http.StatusUnauthorized {
			return resp, err
		}
		c.revoked(token)
	}
}

// send makes a call that says by itself who asks.
func (c *client) send(ctx context.Context, req *http.Request, verb string, statuses []int) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, exporters.Fault(ctx, err, "Google Cloud Storage")
	}
	for _, status := range statuses {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	return nil, c.refused(resp, verb)
}

// get asks for a JSON document.
func (c *client) get(ctx context.Context, verb, address string, into any) error {
	resp, err := c.do(ctx, verb, []int{http.StatusOK}, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	})
	if err != nil {
		return err
	}
	return read(ctx, resp, into)
}

// read reads the JSON document of an answer, and closes it.
func read(ctx context.Context, resp *http.Response, into any) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return exporters.Fault(ctx, err, "Google Cloud Storage")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return engine.Wrap(fmt.Errorf("read an answer: %w", err), engine.Unavailable, "Google Cloud Storage answered what is no answer.")
	}
	return nil
}
