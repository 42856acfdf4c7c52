package openstack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	defaultDomain = "Default"
	mostAnswer    = 8 << 20 // bytes of an answer that is read
)

// domain is that of the user, as Keystone wants it. The id of the default one is the same everywhere, its name nearly so.
func (p Place) domain() map[string]string {
	if p.Domain == "" || strings.EqualFold(p.Domain, defaultDomain) {
		return map[string]string{"id": "default"}
	}
	return map[string]string{"name": p.Domain}
}

// keystone logs in. It is the SDK's Authenticator, which keeps its token and calls it for another a minute before that one
// expires; calls come one at a time.
type keystone struct {
	http  http.RoundTripper
	place Place

	mu      sync.Mutex
	token   token
	storage string
	issued  int // tokens so far
}

var _ interface {
	swift.Authenticator
	swift.Expireser
} = (*keystone)(nil)

// Request implements swift.Authenticator. It does everything itself and leaves no request to be sent.
func (k *keystone) Request(ctx context.Context, _ *swift.Connection) (*http.Request, error) {
	address, err := k.discover(ctx)
	if err != nil {
		return nil, err
	}
	t, err := k.login(ctx, address)
	if err != nil {
		return nil, err
	}
	storage, err := t.endpoint(k.place.Region)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.token, k.storage, k.issued = t, storage, k.issued+1
	return nil, nil
}

// current returns the token that is in use, and how many there were.
func (k *keystone) current() (token, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.token, k.issued
}

// Response implements swift.Authenticator.
func (*keystone) Response(context.Context, *http.Response) error { return nil }

// StorageUrl implements swift.Authenticator.
func (k *keystone) StorageUrl(bool) string { //nolint:revive // its name is the SDK's
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.storage
}

// CdnUrl implements swift.Authenticator.
func (*keystone) CdnUrl() string { return "" } //nolint:revive // its name is the SDK's

// Token implements swift.Authenticator.
func (k *keystone) Token() string {
	t, _ := k.current()
	return t.id
}

// Expires implements swift.Expireser.
func (k *keystone) Expires() time.Time {
	t, _ := k.current()
	return t.ExpiresAt
}

var version = regexp.MustCompile(`^v[0-9]+(\.[0-9]+)?$`)

// discover returns the address of version 3. The path is the service's word, the host is not: many say one that only they
// can reach, and the password goes there.
func (k *keystone) discover(ctx context.Context) (*url.URL, error) {
	base, err := authURL(k.place.AuthURL)
	if err != nil {
		return nil, err
	}
	if last := path.Base(base.Path); strings.HasPrefix(last, "v3") && version.MatchString(last) {
		return base, nil
	} else if version.MatchString(last) {
		base.Path = strings.TrimSuffix(base.Path, "/"+last)
	}
	var answer struct{ Versions struct{ Values []identity } }
	status, _, err := k.call(ctx, http.MethodGet, base.String()+"/", "", nil, &answer)
	if err != nil {
		return nil, err
	}
	if known := answer.Versions.Values; status < 400 && len(known) > 0 {
		return third(base, known)
	}
	return base.JoinPath("v3"), nil // a gateway may hide the list; the login tells
}

// identity is one version of the service in its list.
type identity struct {
	ID, Status string
	Links      []struct{ Rel, Href string }
}

// third picks version 3 out of the list.
func third(base *url.URL, known []identity) (*url.URL, error) {
	var names []string
	for _, v := range known {
		if v.ID != "v3" && !strings.HasPrefix(v.ID, "v3.") {
			names = append(names, v.ID)
			continue
		}
		for _, link := range v.Links {
			href, err := url.Parse(link.Href)
			if err == nil && link.Rel == "self" && len(href.Path) > len(base.Path) && strings.HasPrefix(href.Path, base.Path+"/") {
				return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimRight(href.Path, "/")}, nil
			}
		}
		return base.JoinPath("v3"), nil
	}
	return nil, engine.Errorf(engine.Invalid, "The identity service at auth_url offers %s; version 3 is needed.", strings.Join(names, ", "))
}

// authURL reads the address, which many write without a scheme or with what follows it.
func authURL(address string) (*url.URL, error) {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, engine.Errorf(engine.Invalid, "The auth_url is not an http or https URL with a host.")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host,
		Path: strings.TrimRight(strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/auth/tokens"), "/")}, nil
}

// token is what Keystone gives to who has logged in.
type token struct {
	id        string
	ExpiresAt time.Time `json:"expires_at"`
	Project   *project  `json:"project"` // nil: the token is good for no project
	Catalog   []struct {
		Type      string `json:"type"`
		Endpoints []struct {
			Region    string `json:"region"`
			RegionID  string `json:"region_id"`
			Interface string `json:"interface"`
			URL       string `json:"url"`
		} `json:"endpoints"`
	} `json:"catalog"`
}

// project is what older versions call a tenant.
type project struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// login returns a token for the project that is asked for, or else for the one that can be meant.
func (k *keystone) login(ctx context.Context, address *url.URL) (token, error) {
	switch {
	case k.place.AppID != "":
		return k.applied(ctx, address)
	case k.place.Tenant == "":
		t, err := k.password(ctx, address, nil)
		if err != nil || t.Project != nil {
			return t, err
		}
		return k.choose(ctx, address, t)
	}
	t, err := k.password(ctx, address, map[string]any{"name": k.place.Tenant, "domain": k.place.domain()})
	if engine.CodeOf(err) != engine.Unauthorized {
		return t, err
	}
	// Keystone does not say whether it is the password or the project that is wrong.
	t, err = k.password(ctx, address, nil)
	if err != nil {
		return t, err
	}
	return k.choose(ctx, address, t)
}

// applied logs in with the application credential, which knows its project by itself.
func (k *keystone) applied(ctx context.Context, address *url.URL) (token, error) {
	t, err := k.identify(ctx, address, map[string]any{"identity": map[string]any{"methods": []string{"application_credential"},
		"application_credential": map[string]string{"id": strings.TrimSpace(k.place.AppID), "secret": k.place.AppSecret.Reveal()}}})
	if asked := k.place.Tenant; err == nil && asked != "" && t.Project != nil && asked != t.Project.Name && asked != t.Project.ID {
		return t, engine.Errorf(engine.Invalid, "The application credential is for the project %q. Set tenant_name to that, or leave it out.", t.Project.Name)
	}
	return t, err
}

// choose takes the project out of those that the user has.
func (k *keystone) choose(ctx context.Context, address *url.URL, known token) (token, error) {
	var answer struct{ Projects []project }
	status, _, err := k.call(ctx, http.MethodGet, address.JoinPath("auth", "projects").String(), known.id, nil, &answer)
	if err != nil {
		return token{}, err
	}
	if status != http.StatusOK {
		return token{}, k.refused(status, "list the user's projects")
	}
	var names []string
	var meant []project
	for _, p := range answer.Projects {
		names = append(names, p.Name)
		if k.place.Tenant == "" || p.Name == k.place.Tenant || p.ID == k.place.Tenant {
			meant = append(meant, p)
		}
	}
	slices.Sort(names)
	there := strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		return token{}, engine.Errorf(engine.Denied, "The user has no project.")
	case len(meant) == 0:
		return token{}, engine.Errorf(engine.Invalid, "The user has no project called %q. Set tenant_name to one of: %s.", k.place.Tenant, there)
	case len(meant) > 1:
		return token{}, engine.Errorf(engine.Invalid, "The user has several projects, and none by default. Set tenant_name to one of: %s.", there)
	}
	return k.password(ctx, address, map[string]any{"id": meant[0].ID})
}

// password logs in with the password. Without a project Keystone takes the user's default one, if there is any.
func (k *keystone) password(ctx context.Context, address *url.URL, project map[string]any) (token, error) {
	auth := map[string]any{"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
		"user": map[string]any{"name": k.place.Username, "password": k.place.Password.Reveal(), "domain": k.place.domain()}}}}
	if project != nil {
		auth["scope"] = map[string]any{"project": project}
	}
	return k.identify(ctx, address, auth)
}

// identify asks for a token.
func (k *keystone) identify(ctx context.Context, address *url.URL, auth map[string]any) (token, error) {
	body, err := json.Marshal(map[string]any{"auth": auth})
	if err != nil {
		return token{}, err
	}
	var answer struct {
		Token token
		Error struct{ Code int }
	}
	status, header, err := k.call(ctx, http.MethodPost, address.JoinPath("auth", "tokens").String(), "", body, &answer)
	if answer.Error.Code == http.StatusNotFound && k.place.AppID != "" {
		status = http.StatusUnauthorized // so Keystone says that it does not know the id
	}
	switch answer.Token.id = header.Get("X-Subject-Token"); {
	case err != nil:
		return token{}, err
	case status != http.StatusCreated && status != http.StatusOK:
		return token{}, k.refused(status, "log in")
	case answer.Token.id == "":
		return token{}, engine.Errorf(engine.Unavailable, "The identity service let the user in without giving a token.")
	}
	return answer.Token, nil
}

func (k *keystone) call(ctx context.Context, method, address, token string, body []byte, into any) (int, http.Header, error) {
	return ask(ctx, k.http, question{who: "The identity service at auth_url", method: method, address: address, token: token, body: body}, into)
}

// question is a call whose answer is JSON.
type question struct {
	who             string // is asked, for the person
	method, address string
	token           string // empty: none is needed
	body            []byte
}

// ask makes a call, and decodes its answer where that is JSON. A refusal that passes by itself is an error, any other a status.
func ask(ctx context.Context, by http.RoundTripper, q question, into any) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, q.address, bytes.NewReader(q.body))
	if err != nil {
		return 0, nil, errors.New("make a request to OpenStack")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", agent)
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		req.Header.Set("X-Auth-Token", q.token)
	}
	resp, err := by.RoundTrip(req)
	if err != nil {
		return 0, nil, exporters.Fault(ctx, err, q.who)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	switch {
	case isRetryable(resp.StatusCode):
		return 0, nil, exporters.Refusal(resp.StatusCode, resp.Header, fmt.Sprintf("%s answered %d.", q.who, resp.StatusCode))
	case err != nil:
		return 0, nil, exporters.Fault(ctx, err, q.who)
	}
	_ = json.Unmarshal(text, into) // what is no JSON is not OpenStack's, and lacks what is asked for
	return resp.StatusCode, resp.Header, nil
}

func isRetryable(status int) bool {
	return status >= 400 && engine.Retryable(engine.Errorf(exporters.Classify(status), ""))
}

// refused is the error for a status that is no success and does not pass by itself. What Keystone says with it is not shown:
// it may repeat what it was sent.
func (k *keystone) refused(status int, verb string) error {
	switch {
	case status == http.StatusUnauthorized && k.place.AppID != "":
		return engine.Errorf(engine.Unauthorized, "The identity service does not know the application_credential_id, or the "+
			"application_credential_secret is not its own, or it has expired.")
	case status == http.StatusUnauthorized:
		return engine.Errorf(engine.Unauthorized, "The identity service does not know the username in the domain %s, or the password "+
			"is not the user's. Set domain_name if the user is of another domain.", cmp.Or(k.place.Domain, defaultDomain))
	case status == http.StatusForbidden:
		return engine.Errorf(engine.Denied, "The identity service does not let the user %s.", verb)
	}
	return engine.Errorf(engine.Invalid, "There is no identity service (Keystone v3) at auth_url.")
}

// endpoint returns the address of the object store in the region.
func (t token) endpoint(region string) (string, error) {
	region = strings.TrimSpace(region)
	var regions []string
	for _, service := range t.Catalog {
		if service.Type != "object-store" {
			continue
		}
		for _, e := range service.Endpoints {
			if e.Interface != "public" {
				continue
			}
			name := e.RegionID
			if name == "" {
				name = e.Region
			}
			if strings.EqualFold(name, region) || strings.EqualFold(e.Region, region) {
				return storage(e.URL)
			}
			regions = append(regions, name)
		}
	}
	if len(regions) == 0 {
		return "", engine.Errorf(engine.NotFound, "The project %s has no object store, or none that the user may see.", t.name())
	}
	return "", engine.Errorf(engine.Invalid, "There is no object store in the region %q. Set region to one of: %s.", region, strings.Join(regions, ", "))
}

// name is that of the project for the person.
func (t token) name() string {
	if t.Project == nil {
		return "of the user"
	}
	return fmt.Sprintf("%q", t.Project.Name)
}

// storage checks an address out of the catalog.
func storage(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", engine.Errorf(engine.Invalid, "The catalog has no usable address for the object store in this region.")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}).String(), nil
}
