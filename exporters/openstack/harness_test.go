package openstack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/openstack"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestExporter(t *testing.T) { exportertest.Run(t, newCloud(t)) }

func TestToxic(t *testing.T) {
	exportertest.RunToxic(t, newCloud(t), servers.Start(t, "toxiproxy")["TOXIPROXY_URL"])
}

const container = "pipeline ü"

// cloud is the harness: a real Keystone and a real Swift. Its own calls are plain HTTP, so that they are a second opinion.
type cloud struct {
	keystone, user, password, project, region string
	swift, storage, token                     string // Swift's host:port; the project's address there and a token for it
	largest                                   int64  // bytes of one object
	front                                     string

	made map[string]map[string]bool // segments by the hash of the manifest that lists them
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	v := servers.Start(t, "openstack")
	c := &cloud{keystone: v["KEYSTONE_URL"], user: v["KEYSTONE_USER"], password: v["KEYSTONE_PASSWORD"], project: v["KEYSTONE_PROJECT"],
		region: v["KEYSTONE_REGION"], swift: v["SWIFT_ADDRESS"], made: map[string]map[string]bool{}}
	var err error
	if c.largest, err = strconv.ParseInt(v["SWIFT_LARGEST"], 10, 64); err != nil {
		t.Fatal(err)
	}
	c.login(t)
	c.must(t, http.MethodPut, container, nil)
	c.front = front(t, c.keystone, c.swift)
	return c
}

// login gets a token with the user's password.
func (c *cloud) login(t testing.TB) {
	t.Helper()
	body := fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": %q, "password": %q,
		"domain": {"name": "Default"}}}}, "scope": {"project": {"name": %q, "domain": {"name": "Default"}}}}}`, c.user, c.password, c.project)
	resp, err := http.Post(c.keystone+"/v3/auth/tokens", "application/json", strings.NewReader(body)) //nolint:noctx // the client's own
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token struct{ Project struct{ ID string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("log in: %s, %v", resp.Status, err)
	}
	c.token, c.storage = resp.Header.Get("X-Subject-Token"), "http://"+c.swift+"/v1/AUTH_"+answer.Token.Project.ID
}

// frontVariable hands the front on to processes that a test starts and kills: what they leave names it.
const frontVariable = "OPENSTACK_TEST_FRONT"

var fronts sync.Mutex

// front passes calls to /HOST:PORT/v3 on to Keystone, and puts HOST:PORT in the place of Swift's address in what that
// answers: so what goes to Swift goes through the test's faulty network.
func front(t testing.TB, keystone, swift string) string {
	t.Helper()
	fronts.Lock()
	defer fronts.Unlock()
	if address := os.Getenv(frontVariable); address != "" {
		return address
	}
	target, err := url.Parse(keystone)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			address, path, _ := strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/"), "/")
			r.Out.URL = &url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/" + path}
			r.Out.Header.Set("X-Test-Address", address)
		},
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			body = bytes.ReplaceAll(body, []byte(swift), []byte(resp.Request.Header.Get("X-Test-Address")))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	})
	if err := os.Setenv(frontVariable, server.URL); err != nil { // it lives as long as the test binary
		t.Fatal(err)
	}
	return server.URL
}

func (*cloud) Definition() exporters.Definition { return openstack.Definition() }
func (c *cloud) Address() string                { return c.swift }
func (c *cloud) PartSize() int64                { return c.largest }

func (c *cloud) Params(_ testing.TB, address, name string) map[string]any {
	params := map[string]any{"auth_url": c.front + "/" + address, "username": c.user, "password": c.password, "tenant_name": c.project,
		"region": c.region, "container": container}
	if name != "" {
		params["file"] = name
	}
	return params
}

func (c *cloud) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := c.Params(t, c.swift, name)
	switch kind {
	case exportertest.Denied:
		params["password"] = "not-the-password-canary"
	case exportertest.Missing:
		params["container"] = "no-such-container"
	}
	return params
}

func (c *cloud) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	status, header, body := c.ask(t, http.MethodGet, container+"/"+name, nil, nil)
	if status != http.StatusOK && status != http.StatusNotFound {
		t.Fatalf("get %q: %d", name, status)
	}
	return exportertest.Object{Bytes: body, MIME: header.Get("Content-Type")}, status == http.StatusOK
}

// Unfinished implements exportertest.Harness: the segments that no object is made of.
func (c *cloud) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	used := map[string]bool{}
	for _, o := range c.list(t, container) {
		if o.SLO == "" {
			continue
		}
		if c.made[o.Name+o.Hash] == nil {
			c.made[o.Name+o.Hash] = c.manifest(t, container+"/"+o.Name)
		}
		maps.Copy(used, c.made[o.Name+o.Hash])
	}
	for _, o := range c.list(t, container+"_segments") {
		path := container + "_segments/" + o.Name
		if used["/"+path] {
			continue
		}
		if status, _, _ := c.ask(t, http.MethodHead, path, nil, nil); status == http.StatusOK { // listings may be late
			left = append(left, path)
		}
	}
	return left
}

// listed is an object in a container's listing.
type listed struct {
	Name, Hash string
	Bytes      int64
	SLO        string `json:"slo_etag"`
}

func (c *cloud) list(t testing.TB, container string) (objects []listed) {
	t.Helper()
	status, _, body := c.ask(t, http.MethodGet, container+"?format=json", nil, nil)
	if status == http.StatusNotFound || status == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(body, &objects); err != nil {
		t.Fatalf("list %q: %d, %v", container, status, err)
	}
	return objects
}

// manifest returns the segments of an object.
func (c *cloud) manifest(t testing.TB, path string) map[string]bool {
	t.Helper()
	_, _, body := c.ask(t, http.MethodGet, path+"?multipart-manifest=get", nil, nil)
	var entries []struct{ Name string }
	names := map[string]bool{}
	if json.Unmarshal(body, &entries) == nil {
		for _, e := range entries {
			names[e.Name] = true
		}
	}
	return names
}

// ask makes a call to Swift as the user; what follows a question mark in the path is the query, unless it is in a name.
func (c *cloud) ask(t testing.TB, method, path string, header map[string]string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	query := ""
	for _, q := range []string{"?format=", "?multipart-manifest="} {
		if at := strings.LastIndex(path, q); at >= 0 {
			path, query = path[:at], path[at:]
		}
	}
	address := c.storage + strings.ReplaceAll((&url.URL{Path: "/" + path}).EscapedPath(), "+", "%2B") + query
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", c.token)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, got
}

// must is ask for what has to succeed.
func (c *cloud) must(t testing.TB, method, path string, body []byte, header ...string) {
	t.Helper()
	headers := map[string]string{}
	for i := 0; i < len(header); i += 2 {
		headers[header[i]] = header[i+1]
	}
	if status, _, said := c.ask(t, method, path, headers, body); status >= 300 {
		t.Fatalf("%s %q: %d %s", method, path, status, said)
	}
}
