package openstack_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/openstack"
)

const mib = 1 << 20

var (
	small = file{Name: "own.bin", Size: 70_001}
	large = file{Name: "own.bin", Size: 14*mib + 3} // three segments of the test server
)

func TestParameters(t *testing.T) {
	for field, want := range map[string]string{"auth_url": "is required", "region": "is required", "container": "is required", "tenant_name": "", "file": "", "file_prefix": ""} {
		t.Run(field, func(t *testing.T) {
			params := map[string]any{"auth_url": "some-url", "username": "some-user", "password": "some-password", "region": "some-region",
				"container": "some-container"}
			delete(params, field)
			_, problems := openstack.Definition().Params.Decode([]byte(exportertest.JSON(t, params)))
			if want == "" && len(problems) > 0 || want != "" && (len(problems) != 1 || problems[0].Field != field) {
				t.Errorf("without it: got %v", problems)
			}
			if _, problems = openstack.Definition().Reading.Params.Decode([]byte(exportertest.JSON(t, params))); (want == "") != (len(problems) == 0) {
				t.Errorf("an import without it: got %v", problems)
			}
		})
	}
}

// TestCredentials looks at which of them have to be there, and which cannot be there together.
func TestCredentials(t *testing.T) {
	for _, test := range []struct{ given, complaints string }{
		{"username password", ""}, {"application_credential_id application_credential_secret", ""},
		{"", "username password"}, {"username", "password"}, {"application_credential_id", "application_credential_secret"},
		{"application_credential_secret", "application_credential_id"},
		{"username password application_credential_id application_credential_secret", "username"},
	} {
		params := map[string]any{"auth_url": "some-url", "region": "some-region", "container": "some-container"}
		for field := range strings.FieldsSeq(test.given) {
			params[field] = "canary"
		}
		def := openstack.Definition()
		written, problems := def.Params.Decode([]byte(exportertest.JSON(t, params)))
		read, others := def.Reading.Params.Decode([]byte(exportertest.JSON(t, params)))
		if len(problems)+len(others) > 0 {
			t.Fatal(problems, others)
		}
		for _, problems := range [][]param.Problem{def.Validate(written), def.Reading.Validate(read)} {
			var complaints []string
			for _, p := range problems {
				complaints = append(complaints, p.Field)
			}
			if got := strings.Join(complaints, " "); got != test.complaints {
				t.Errorf("with %q: complaints about %q, want %q", test.given, got, test.complaints)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "/a": "a", "//a//b": "a//b", ".hidden": ".hidden", "a..b": "a..b", "a.": "a.", `a\b`: `a\b`, "a\nb": "a\nb",
		"..": "", "a/../b": "", ".": "", "a/": "", "": "", "/": "", "a\x00b": "", "a\xff": "",
		strings.Repeat("a", 1024): strings.Repeat("a", 1024), strings.Repeat("a", 1025): "", strings.Repeat("ä", 513): "",
	} {
		got, err := openstack.Definition().Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q becomes %.40q, %v; want %.40q", name, got, err, want)
		}
	}
	l := newLab(t)
	for i, name := range []string{"n/a//b", "n/ lead and trail ", "n/%41%2F", "n/a=b&c+d;e", "n/#?:\"[]", "n/\u202e\U0001F600", "n/a\nb", strings.Repeat("n", 1024)} {
		l.Exported(t, file{Name: "own.bin", Size: int64(i + 10)}, l.With(t, name, nil))
	}
	l.Exported(t, large, l.With(t, strings.Repeat("ö", 512), nil)) // the names of segments are no longer than this
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a/b.txt", "/a", "a./b", "..", "a\xff", "\u202e"} {
		f.Add(name)
	}
	clean := openstack.Definition().Clean
	f.Fuzz(func(t *testing.T, name string) {
		got, err := clean(name)
		if err != nil {
			return
		}
		if again, err := clean(got); again != got || err != nil {
			t.Errorf("%q becomes %q, and that %q, %v", name, got, again, err)
		}
	})
}

func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.Int64Range(mib, 6<<30).Draw(t, "object")
		segments := rapid.Int64Range(1, 10_000).Draw(t, "segments")
		size := rapid.Int64Range(0, 1<<44).Draw(t, "size")
		got, err := openstack.Plan(object, segments, 1, size)
		switch fits := size <= object || (size+segments-1)/segments <= object; {
		case fits != (err == nil):
			t.Errorf("segments of %d, %v", got, err)
		case err == nil && got == 0 && size > object:
			t.Errorf("as one object")
		case err == nil && got > 0 && (got > object || (size+got-1)/got > segments):
			t.Errorf("in segments of %d", got)
		}
	})
	for _, test := range []struct{ object, segments, least, size, want int64 }{
		{5 << 30, 1000, 1, 0, 0}, {5 << 30, 1000, 1, 256 * mib, 0}, {5 << 30, 1000, 1, 256*mib + 1, 64 * mib}, {5 << 30, 1000, 100 * mib, 300 * mib, 100 * mib},
		{6 * mib, 1000, 1, 6 * mib, 0}, {6 * mib, 1000, 1, 6*mib + 1, 6 * mib}, {5 << 30, 1000, 1, 1 << 40, 1049 * mib}, {5 << 30, 0, 1, 5 << 30, 0},
		{5 << 30, 0, 1, 5<<30 + 1, -1}, {6 * mib, 10, 1, 60*mib + 1, -1},
	} {
		got, err := openstack.Plan(test.object, test.segments, test.least, test.size)
		if err == nil && got != test.want || err != nil && (test.want != -1 || engine.CodeOf(err) != engine.TooLarge) {
			t.Errorf("%+v: got %d, %v", test, got, err)
		}
	}
}

func TestOurs(t *testing.T) {
	own := openstack.Owner("c", "n")
	for name, test := range map[string]struct {
		paths []string
		want  bool
	}{
		"ours":          {[]string{"/c_segments/" + own + "u/00000000", "/c_segments/" + own + "u/00000001"}, true},
		"hidden":        {[]string{"/c/.file-segments/" + own + "u/00000000"}, true},
		"none":          {nil, false},
		"another name":  {[]string{"/c_segments/" + openstack.Owner("c", "m") + "u/00000000"}, false},
		"another place": {[]string{"/c_segments/" + openstack.Owner("d", "n") + "u/00000000"}, false},
		"foreign":       {[]string{"/c_segments/n/1700000000.0/14680067/00000000"}, false},
		"mixed":         {[]string{"/c_segments/" + own + "u/00000000", "/c_segments/" + own + "v/00000001"}, false},
		"two places":    {[]string{"/c_segments/" + own + "u/00000000", "/d/" + own + "u/00000001"}, false},
		"part":          {[]string{"/c_segments/" + own + "u/00000001"}, false},
		"odd":           {[]string{"", "/", "x"}, false},
	} {
		if got := openstack.Ours(test.paths, "c", "n"); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestWire looks at what is sent: every body with its length, tokens to Swift alone, and nothing of the environment.
func TestWire(t *testing.T) {
	for name, value := range map[string]string{"OS_AUTH_URL": "http://127.0.0.1:1/v3", "OS_USERNAME": "env-canary", "OS_PASSWORD": "env-canary",
		"OS_REGION_NAME": "env-canary", "OS_PROJECT_NAME": "env-canary", "OS_STORAGE_URL": "http://127.0.0.1:1/v1/x", "OS_AUTH_TOKEN": "env-canary",
		"ST_AUTH": "http://127.0.0.1:1/v1", "GOSWIFT_RETRIES": "9"} {
		t.Setenv(name, value)
	}
	l := newLab(t)
	l.Exported(t, small, l.With(t, "wire/small", nil))
	if n := len(l.Calls(call(http.MethodGet, "/info"))); n > 0 {
		t.Errorf("the limits are asked for %d times for a small file, want never", n)
	}
	task := l.Exported(t, large, l.With(t, "wire/large", nil))
	puts, manifests, logins := l.Calls(call(http.MethodPut, "_segments/gantry/")), l.Calls(call(http.MethodPut, "multipart-manifest=put")), l.Calls(call(http.MethodPost, "/auth/tokens"))
	if len(puts) != 3 || len(manifests) != 1 || len(logins) != 2 {
		t.Errorf("%d segments, %d manifests, %d logins; want 3, 1, 2", len(puts), len(manifests), len(logins))
	}
	for _, r := range l.Heads() {
		if r.Body != nil && len(r.TransferEncoding) > 0 || r.Method == http.MethodPut && r.ContentLength < 0 {
			t.Errorf("%s %s is sent without its length", r.Method, r.URL.Path)
		}
		if has := r.Header.Get("X-Auth-Token") != ""; has != strings.Contains(r.URL.Path, "/v1/") {
			t.Errorf("%s %s has a token: %v", r.Method, r.URL.Path, has)
		}
		if strings.Contains(fmt.Sprint(r.Header, r.URL), "canary") {
			t.Errorf("%s has something of the environment", r.URL)
		}
	}
	facts := task.Result.Files[0].Facts
	_, header, _ := l.ask(t, http.MethodHead, container+"/wire/large", nil, nil)
	if facts["segments"] != "3" || `"`+facts["etag"]+`"` != header.Get("Etag") || header.Get("X-Static-Large-Object") != "True" {
		t.Errorf("the facts are %v, the object's headers %v", facts, header)
	}
	if shown := exportertest.JSON(t, task) + l.Log(); strings.Contains(shown, l.password) {
		t.Error("the password is shown")
	}
}

// TestExpiredToken has tokens expire in the middle of an upload: 401 as Swift says it, 403 as Ceph does, before or after the
// body was read. No body may be sent that is used up.
func TestExpiredToken(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		for name, half := range map[string]int64{"before": 0, "half": 100_000, "after": 1 << 40} {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				l, target := newLab(t), fmt.Sprint("expired/", status, name)
				l.Once(call(http.MethodPut, "/00000001"), with(func(req *http.Request) *http.Response {
					if _, err := io.CopyN(io.Discard, req.Body, half); err != nil && err != io.EOF {
						t.Error(err)
					}
					return answer(req, status, "")
				}))
				l.Exported(t, large, l.With(t, target, nil))
				if n := len(l.Calls(call(http.MethodPost, "/auth/tokens"))); n != 2 {
					t.Errorf("logged in %d times, want 2", n)
				}
				if left := l.Unfinished(t); len(left) > 0 {
					t.Errorf("left %q", left)
				}
			})
		}
	}
}

// TestNeverAccepted has no token be taken: that ends after one more.
func TestNeverAccepted(t *testing.T) {
	l := newLab(t)
	l.Always(with(func(req *http.Request) *http.Response {
		if strings.Contains(req.URL.Path, "/v1/") {
			return answer(req, http.StatusUnauthorized, "canary "+req.Header.Get("X-Auth-Token"))
		}
		return nil
	}))
	task := l.Export(t, large, l.With(t, "never", nil))
	if task.Code != engine.Unauthorized || !strings.Contains(task.Message, "does not take the token") {
		t.Errorf("ended %s: %s", task.Code, task.Message)
	}
	if n := len(l.Calls(call(http.MethodPost, "/auth/tokens"))); n > 2 {
		t.Errorf("logged in %d times", n)
	}
}

// TestDamage has bytes change on their way, or vanish with a success: the sums must tell.
func TestDamage(t *testing.T) {
	for part, f := range map[string]file{"damage/small": small, "/00000001": large} {
		for name, tamper := range map[string]func(req *http.Request) *http.Response{
			"changed": func(req *http.Request) *http.Response {
				whole, err := io.ReadAll(req.Body)
				if err != nil {
					t.Error(err)
				}
				whole[len(whole)/2] ^= 1
				req.Body = io.NopCloser(bytes.NewReader(whole))
				return nil
			},
			"vanished": func(req *http.Request) *http.Response {
				_, _ = io.Copy(io.Discard, req.Body)
				return answer(req, http.StatusCreated, "", "Etag", "d41d8cd98f00b204e9800998ecf8427e")
			},
		} {
			t.Run(part+" "+name, func(t *testing.T) {
				l := newLab(t)
				l.Once(call(http.MethodPut, part), with(tamper))
				l.Exported(t, f, l.With(t, map[string]string{"damage/small": part, "/00000001": "damage/large"}[part], nil))
				l.Stop(t)
				if !strings.Contains(l.Log(), "The file was damaged on its way to Swift.") {
					t.Error("damaged bytes were taken for right")
				}
			})
		}
	}
}

// TestManifest has the manifest say another sum than a segment has: Swift refuses it, and the segments are sent again.
func TestManifest(t *testing.T) {
	l := newLab(t)
	l.Once(call(http.MethodPut, "multipart-manifest=put"), with(func(req *http.Request) *http.Response {
		whole, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		var entries []map[string]any
		if err := json.Unmarshal(whole, &entries); err != nil || len(entries) != 3 || entries[1]["size_bytes"] == nil {
			t.Errorf("the manifest is %s", whole)
		}
		sum := md5.Sum([]byte("another"))
		whole = bytes.ReplaceAll(whole, []byte(entries[1]["etag"].(string)), []byte(hex.EncodeToString(sum[:])))
		req.Body = io.NopCloser(bytes.NewReader(whole))
		return nil
	}))
	l.Exported(t, large, l.With(t, "manifest/lie", nil))
	if n := len(l.Calls(call(http.MethodPut, "_segments/gantry/"))); n != 6 {
		t.Errorf("%d segments were sent, want 3 and 3 again", n)
	}
	if left := l.Unfinished(t); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// TestGoesOn has the manifest fail once: the segments that are there must not be sent again.
func TestGoesOn(t *testing.T) {
	l := newLab(t)
	l.Once(call(http.MethodPut, "multipart-manifest=put"), with(func(req *http.Request) *http.Response {
		return answer(req, http.StatusServiceUnavailable, "busy", "Retry-After", "1")
	}))
	l.Exported(t, large, l.With(t, "goes/on", nil))
	if n := len(l.Calls(call(http.MethodPut, "_segments/gantry/"))); n != 3 {
		t.Errorf("%d segments were sent, want 3", n)
	}
}

// TestReplaced looks at what is left of an object that is replaced.
func TestReplaced(t *testing.T) {
	l := newLab(t)
	other := file{Name: "own.bin", Size: large.Size + 7}
	count := func() int { return len(l.list(t, container+"_segments")) }
	l.Exported(t, large, l.With(t, "replaced", nil))
	before := count()
	for name, f := range map[string]file{"large": other, "small": small} {
		l.Exported(t, f, l.With(t, "replaced", nil))
		if left := l.Unfinished(t); len(left) > 0 {
			t.Errorf("by a %s one: left %q", name, left)
		}
	}
	if after := count(); after > before {
		t.Errorf("there are %d segments, %d before", after, before)
	}

	t.Run("foreign segments stay", func(t *testing.T) {
		l.must(t, http.MethodPut, container+"_segments/foreign/1", []byte("foreign"))
		l.must(t, http.MethodPut, container+"/foreign?multipart-manifest=put", []byte(`[{"path": "/`+container+`_segments/foreign/1"}]`))
		for _, f := range []file{large, small} {
			l.Exported(t, f, l.With(t, "foreign", nil))
		}
		if status, _, _ := l.ask(t, http.MethodHead, container+"_segments/foreign/1", nil, nil); status != http.StatusOK {
			t.Errorf("another program's segment is gone: %d", status)
		}
		l.must(t, http.MethodDelete, container+"_segments/foreign/1", nil)
	})
	t.Run("a failure keeps the old", func(t *testing.T) {
		l.Exported(t, large, l.With(t, "kept", nil))
		l.Always(with(func(req *http.Request) *http.Response {
			if strings.Contains(req.URL.RawQuery, "multipart-manifest=put") {
				return answer(req, http.StatusForbidden, "")
			}
			return nil
		}))
		if task := l.Export(t, other, l.With(t, "kept", nil)); task.Code != engine.Denied {
			t.Errorf("ended %s: %s", task.Code, task.Message)
		}
		l.Always(nil)
		l.Holds(t, "kept", large)
		if left := l.Unfinished(t); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
	t.Run("an answer is lost", func(t *testing.T) {
		l.Once(call(http.MethodPut, "multipart-manifest=put"), with(func(req *http.Request) *http.Response {
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return nil
			}
			resp.Body.Close()
			return answer(req, http.StatusServiceUnavailable, "")
		}))
		l.Exported(t, other, l.With(t, "kept", nil))
		if left := l.Unfinished(t); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
}

// TestBesideObjects has there be no container for segments.
func TestBesideObjects(t *testing.T) {
	l := newLab(t)
	l.Always(with(func(req *http.Request) *http.Response {
		if req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, "_segments") {
			return answer(req, http.StatusForbidden, "")
		}
		return nil
	}))
	l.Exported(t, large, l.With(t, "beside", nil))
	hidden := 0
	for _, o := range l.list(t, container) {
		if strings.HasPrefix(o.Name, ".file-segments/gantry/") {
			hidden++
		}
	}
	if hidden != 3 {
		t.Errorf("%d segments are beside the objects, want 3", hidden)
	}
	if _, got := l.Imported(t, "import/openstack", l.With(t, "", map[string]any{"file": "*eside"})); len(got) != 1 {
		t.Errorf("imported are %d files, want that without its segments", len(got))
	}
	l.Exported(t, small, l.With(t, "beside", nil)) // replaces it
	for _, o := range l.list(t, container) {
		if strings.HasPrefix(o.Name, ".file-segments/") {
			t.Errorf("%q is left", o.Name)
		}
	}
}

// TestAnswers holds the texts and codes for what Swift says.
func TestAnswers(t *testing.T) {
	c := newCloud(t)
	for _, test := range []struct {
		status int
		text   string
		header []string
		want   engine.Code
		says   string
		after  string
	}{
		{403, "", nil, engine.Denied, `may not list in the container "` + container + `"`, "0s"},
		{404, "", nil, engine.NotFound, `There is no container "` + container + `" in the project "files"`, "0s"},
		{408, "", nil, engine.Unavailable, "answered 408", "0s"},
		{413, "Upload exceeds quota.", nil, engine.TooLarge, "a quota is used up: Upload exceeds quota.", "0s"},
		{422, "", nil, engine.Unavailable, "damaged", "0s"},
		{429, "", []string{"Retry-After", "7"}, engine.RateLimited, "answered 429", "7s"},
		{498, "Rate Limit", []string{"Retry-After", "9"}, engine.RateLimited, "answered 498: Rate Limit.", "9s"},
		{499, "", nil, engine.Unavailable, "answered 499", "0s"},
		{503, "<html>x</html>", []string{"Retry-After", "3"}, engine.Unavailable, "answered 503.", "3s"},
		{507, "", nil, engine.Unavailable, "answered 507", "0s"},
		{400, "bad pipeline-pass-0123456789 here", nil, engine.Invalid, "bad [redacted] here", "0s"},
		{307, "", []string{"Location", "http://127.0.0.1:1/"}, engine.Invalid, "which is not followed", "0s"},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			w := &exportertest.Wire{}
			w.Always(with(func(req *http.Request) *http.Response {
				if strings.Contains(req.URL.Path, "/v1/") {
					return answer(req, test.status, test.text, test.header...)
				}
				return nil
			}))
			err := c.source(t, w).List(t.Context(), "", func(exporters.Object) error { return nil })
			var e *engine.Error
			if !errors.As(err, &e) || e.Code != test.want || !strings.Contains(e.Message, test.says) || e.RetryAfter.String() != test.after {
				t.Errorf("got %#v, want %s: %s, after %s", e, test.want, test.says, test.after)
			}
			if text := err.Error(); strings.Contains(text, c.password) || strings.Contains(text, w.Calls(call(http.MethodGet, "/v1/"))[0].Header.Get("X-Auth-Token")) {
				t.Errorf("the error shows a secret: %s", text)
			}
		})
	}
}
