package openstack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/openstack"
)

// application makes an application credential of the user for its project.
func (c *cloud) application(t testing.TB) (id, secret string) {
	t.Helper()
	var made struct {
		Token                 struct{ User struct{ ID string } }
		ApplicationCredential struct{ ID, Secret string } `json:"application_credential"`
	}
	call := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, c.keystone+"/v3/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"X-Auth-Token": {c.token}, "X-Subject-Token": {c.token}, "Content-Type": {"application/json"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
		}
	}
	call(http.MethodGet, "auth/tokens", "")
	call(http.MethodPost, "users/"+made.Token.User.ID+"/application_credentials", fmt.Sprintf(`{"application_credential": {"name": "gantry-%d"}}`, time.Now().UnixNano()))
	return made.ApplicationCredential.ID, made.ApplicationCredential.Secret
}

// TestWhoLogsIn exports and imports as a user of another domain, and by an application credential.
func TestWhoLogsIn(t *testing.T) {
	l := newLab(t)
	id, secret := l.application(t)
	applied := map[string]any{"username": nil, "password": nil, "tenant_name": nil, "application_credential_id": id, "application_credential_secret": secret}
	params := l.With(t, "who/applied.bin", applied)
	l.Exported(t, large, params)
	if task, got := l.Imported(t, "import/openstack", params); len(got["applied.bin"]) != int(large.Size) {
		t.Errorf("the import ended %s: %s", task.Code, task.Message)
	}
	if strings.Contains(l.Log(), secret) {
		t.Error("the log shows the secret")
	}
	for name, test := range map[string]struct {
		changes map[string]any
		says    string
	}{
		"another domain": {map[string]any{"domain_name": "Customers", "tenant_name": "files"}, `There is no container "pipeline ü" in the project "files"`},
		"by its project": {map[string]any{"domain_name": "Customers", "tenant_name": nil}, `There is no container "pipeline ü" in the project "files"`},
		"wrong domain":   {map[string]any{"domain_name": "Nowhere"}, "does not know the username in the domain Nowhere"},
		"wrong secret":   {changed(applied, "application_credential_secret", "canary-canary"), "the application_credential_secret is not its own"},
		"wrong id":       {changed(applied, "application_credential_id", "canary-canary"), "does not know the application_credential_id"},
		"wrong project":  {changed(applied, "tenant_name", "second"), `The application credential is for the project "files".`},
	} {
		t.Run(name, func(t *testing.T) {
			task := l.Export(t, small, l.With(t, "who/other.bin", test.changes))
			if !strings.Contains(task.Message, test.says) || strings.Contains(task.Message, "canary") {
				t.Errorf("ended %s: %s, want %q", task.Code, task.Message, test.says)
			}
		})
	}
}

// changed is the map with one value changed.
func changed(m map[string]any, key string, value any) map[string]any {
	m = maps.Clone(m)
	m[key] = value
	return m
}

// checked tries a destination over the wire.
func checked(t testing.TB, env exporters.Env, params map[string]any) []exporters.Finding {
	t.Helper()
	def := openstack.Definition()
	decoded, problems := def.Params.Decode([]byte(exportertest.JSON(t, params)))
	if problems != nil {
		t.Fatal(problems)
	}
	return def.Check(t.Context(), env, decoded)
}

// TestCheck tries the ways to log in, and everything else that a check looks at.
func TestCheck(t *testing.T) {
	l := newLab(t)
	l.must(t, http.MethodPut, "no-segments-yet", nil)
	for name, test := range map[string]struct {
		changes map[string]any
		want    []string // how the findings begin
	}{
		"right":          {nil, []string{`true The identity service takes the user and the password; the project is "files"`, "true The region", "true The container", "true Files above 6291456 bytes"}},
		"bare":           {map[string]any{"auth_url": l.keystone}, []string{"true", "true", "true", "true"}},
		"slash":          {map[string]any{"auth_url": " " + l.keystone + "/ "}, []string{"true", "true", "true", "true"}},
		"version":        {map[string]any{"auth_url": l.keystone + "/v3"}, []string{"true", "true", "true", "true"}},
		"version, slash": {map[string]any{"auth_url": l.keystone + "/v3/"}, []string{"true", "true", "true", "true"}},
		"old version":    {map[string]any{"auth_url": l.keystone + "/v2.0"}, []string{"true", "true", "true", "true"}},
		"tokens":         {map[string]any{"auth_url": l.keystone + "/v3/auth/tokens"}, []string{"true", "true", "true", "true"}},
		"region's case":  {map[string]any{"region": "regionone"}, []string{"true", "true", "true", "true"}},
		"own project":    {map[string]any{"username": "homed", "tenant_name": nil, "container": "nowhere"}, []string{`true The identity service takes the user and the password; the project is "second"`, "true", `false There is no container "nowhere" in the project "second"`}},
		"only project":   {map[string]any{"username": "solo", "tenant_name": nil, "container": "nowhere"}, []string{`true The identity service takes the user and the password; the project is "second"`, "true", "false There is no container"}},
		"project's id":   {map[string]any{"tenant_name": l.storage[strings.LastIndexByte(l.storage, '_')+1:]}, []string{`true The identity service takes the user and the password; the project is "files"`, "true", "true", "true"}},
		"new container":  {map[string]any{"container": "no-segments-yet"}, []string{"true", "true", "true", `true Files above 6291456 bytes go in segments; the first makes the container "no-segments-yet_segments"`}},

		"several":       {map[string]any{"tenant_name": nil}, []string{"false The user has several projects, and none by default. Set tenant_name to one of: files, second."}},
		"no project":    {map[string]any{"username": "homeless", "tenant_name": nil}, []string{"false The user has no project."}},
		"wrong project": {map[string]any{"tenant_name": "third"}, []string{`false The user has no project called "third". Set tenant_name to one of: files, second.`}},
		"password":      {map[string]any{"password": "canary-canary"}, []string{"false The identity service does not know the username in the domain Default, or the password"}},
		"user":          {map[string]any{"username": "nobody"}, []string{"false The identity service does not know the username"}},
		"region":        {map[string]any{"region": "DE"}, []string{`false There is no object store in the region "DE". Set region to one of: RegionOne, RegionTwo.`}},
		"other region":  {map[string]any{"region": "RegionTwo"}, []string{"true", "true", `false There is no container`}},
		"outsider":      {map[string]any{"username": "outsider"}, []string{"true", "true", "false The user may not write in the container"}},
		"folder":        {map[string]any{"container": "a/b"}, []string{"false The container is not the name of one: it has a slash."}},
		"no service":    {map[string]any{"auth_url": "http://" + l.swift}, []string{"false There is no identity service (Keystone v3) at auth_url."}},
		"no address":    {map[string]any{"auth_url": "ftp://x"}, []string{"false The auth_url is not an http or https URL with a host."}},
		"no host":       {map[string]any{"auth_url": "http://127.0.0.1:1"}, []string{"false The identity service at auth_url could not be reached"}},
	} {
		t.Run(name, func(t *testing.T) {
			params := l.With(t, "", map[string]any{"auth_url": l.keystone, "file_prefix": "checked/"})
			for k, v := range test.changes {
				params[k] = v
			}
			found := checked(t, l.Env(), params)
			for i, f := range found {
				if i >= len(test.want) || !strings.HasPrefix(fmt.Sprint(f.OK, " ", f.Text), test.want[i]) {
					t.Errorf("finding %d is %v %s, want %q", i, f.OK, f.Text, test.want)
				}
				if strings.Contains(f.Text, "canary") || strings.Contains(f.Text, l.password) {
					t.Errorf("finding %d shows the password", i)
				}
			}
			if len(found) != len(test.want) {
				t.Errorf("%d findings, want %d", len(found), len(test.want))
			}
		})
	}
	for _, o := range append(l.list(t, container), l.list(t, "no-segments-yet")...) {
		if strings.Contains(o.Name, "check") {
			t.Errorf("%q is left behind", o.Name)
		}
	}
	if l.list(t, "no-segments-yet_segments") != nil {
		t.Error("a container is left behind")
	}
}

// identity is a made-up identity service: what it says of its versions, and where its catalog leads.
type identity struct {
	versions, storage string
	asked             []string
}

func (i *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked = append(i.asked, r.Method+" "+r.URL.Path)
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMultipleChoices)
		fmt.Fprint(w, strings.ReplaceAll(i.versions, "HOST", r.Host))
		return
	}
	w.Header().Set("X-Subject-Token", "token-canary")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{"project": map[string]any{"id": "1", "name": "p"},
		"catalog": []any{map[string]any{"type": "object-store", "endpoints": []any{
			map[string]any{"interface": "public", "region": "R", "url": i.storage}}}}}})
}

func TestDiscovery(t *testing.T) {
	list := func(id, href string) string {
		return fmt.Sprintf(`{"versions": {"values": [{"id": "v2.0", "links": []}, {"id": %q, "links": [{"rel": "self", "href": %q}]}]}}`, id, href)
	}
	for name, test := range map[string]struct{ path, versions, want string }{
		"as it says":       {"", list("v3.14", "http://HOST/v3/"), "POST /v3/auth/tokens"},
		"below a folder":   {"/identity", list("v3.14", "http://HOST/identity/v3/"), "POST /identity/v3/auth/tokens"},
		"an inner address": {"/identity", list("v3.14", "http://10.0.0.1:5000/v3/"), "POST /identity/v3/auth/tokens"},
		"another host":     {"", list("v3.14", "http://evil.example/v3/"), "POST /v3/auth/tokens"},
		"no list":          {"", "<html>", "POST /v3/auth/tokens"},
		"too old":          {"", `{"versions": {"values": [{"id": "v2.0"}]}}`, "GET /"},
	} {
		t.Run(name, func(t *testing.T) {
			i := &identity{versions: test.versions, storage: "http://127.0.0.1:1/v1/x"}
			server := httptest.NewServer(i)
			defer server.Close()
			found := checked(t, (&exportertest.Wire{}).Env(), map[string]any{"auth_url": server.URL + test.path, "username": "u", "password": "p", "region": "R", "container": "c"})
			if got := i.asked[len(i.asked)-1]; got != test.want {
				t.Errorf("asked %q, want %q last; found %+v", i.asked, test.want, found)
			}
			if name == "too old" && !strings.Contains(found[0].Text, "offers v2.0; version 3 is needed") {
				t.Errorf("found %+v", found)
			}
		})
	}
}

// TestEgress has the catalog lead to an address that the policy refuses: the token must not get there.
func TestEgress(t *testing.T) {
	for storage, want := range map[string]engine.Code{"http://127.0.0.2:1/v1/x": engine.Denied, "http://169.254.169.254/v1/x": engine.Denied,
		"file:///etc/passwd": engine.Invalid, "": engine.Invalid} {
		t.Run(storage, func(t *testing.T) {
			server := httptest.NewServer(&identity{versions: "{}", storage: storage})
			defer server.Close()
			policy := egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
			env := exporters.Env{HTTP: policy.Client(egress.ClientOptions{}), Dial: policy.DialContext}
			task, log := exportertest.Export(t, openstack.Definition(), env, map[string]any{"auth_url": server.URL, "username": "u",
				"password": "password-canary", "region": "R", "container": "c"}, 100)
			if task.Code != want {
				t.Errorf("ended %s: %s", task.Code, task.Message)
			}
			if strings.Contains(log+exportertest.JSON(t, task), "canary") {
				t.Error("a secret is shown")
			}
		})
	}
}
