package gcs_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

// TestAssertion holds EXP-GCS-09: the smallest scope, and times that a clock which is a little wrong does not spoil.
func TestAssertion(t *testing.T) {
	l := newLab(t)
	var asked []map[string]any
	l.always("token", func(req *http.Request) (*http.Response, error) {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		form := &http.Request{Method: http.MethodPost, Body: body, Header: req.Header}
		claims := map[string]any{}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(form.PostFormValue("assertion"), ".")[1])
		if err == nil {
			err = json.Unmarshal(raw, &claims)
		}
		asked = append(asked, claims)
		return nil, err
	})
	l.exported(t, small, l.With(t, "assertion", nil))
	if task, _ := l.Imported(t, "import/google-cloud-storage", l.With(t, "assertion", nil)); task.Status != engine.StatusFinished {
		t.Fatalf("the import ended %s: %s", task.Code, task.Message)
	}
	scopes := []string{"https://www.googleapis.com/auth/devstorage.read_write", "https://www.googleapis.com/auth/devstorage.read_only"}
	if len(asked) != len(scopes) {
		t.Fatalf("%d tokens were asked for, want one for each task", len(asked))
	}
	for i, claims := range asked {
		issued, expires := claims["iat"].(float64), claims["exp"].(float64)
		if claims["scope"] != scopes[i] || claims["iss"] != "pipeline@"+l.accounts || claims["aud"] != "http://"+l.address+"/token" {
			t.Errorf("the assertion is %v, want the scope %s", claims, scopes[i])
		}
		if now := float64(time.Now().Unix()); issued > now-30 || expires-issued > 3600 || expires < now+1800 {
			t.Errorf("it is good from %v to %v, and now is %v", issued, expires, now)
		}
	}
}

// TestTokenEnds has tokens that are not taken any more, in the middle of a task.
func TestTokenEnds(t *testing.T) {
	l := newLab(t)
	for of, f := range map[string]file{"insert": small, "open": large} {
		t.Run(of, func(t *testing.T) {
			l.set(func(kind string, req *http.Request) (*http.Response, error) {
				switch {
				case kind == "look" && of == "open", kind == of && of == "insert" && len(l.calls(of)) == 1:
					return nil, nil // the token is not new any more after it
				case kind == of && len(l.calls("token")) == 1:
					return answer(req, http.StatusUnauthorized, "authError", "Invalid Credentials"), nil
				}
				return nil, nil
			})
			name := "token/ends-" + of
			if of == "insert" {
				l.put(t, name, "old") // which takes a second request
			}
			l.exported(t, f, l.With(t, name, nil))
			if n := len(l.calls("token")); n != 2 {
				t.Errorf("%d tokens were asked for, want 2", n)
			}
		})
	}
	l.always("insert", func(req *http.Request) (*http.Response, error) {
		return answer(req, http.StatusUnauthorized, "authError", "Invalid Credentials"), nil
	})
	if task := l.export(t, small, l.With(t, "token/never", nil)); task.Code != engine.Unauthorized || len(l.calls("insert")) != 1 {
		t.Errorf("ended %s (%s) after %q", task.Code, task.Message, l.story())
	}
}

// TestRefusedKeys holds the texts for what a token endpoint says, and what it does not say.
func TestRefusedKeys(t *testing.T) {
	slow := time.Now().Add(-20 * time.Minute).UTC().Format(http.TimeFormat)
	said := func(code, description string) string {
		return fmt.Sprintf(`{"error": %q, "error_description": %q}`, code, description)
	}
	frame := "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
	for name, test := range map[string]struct {
		status int
		body   string
		header []string
		want   engine.Code
		text   string
	}{
		"signature": {400, said("invalid_grant", "Invalid JWT Signature."), nil, engine.Unauthorized, "The private_key is not one of the client_email"},
		"account":   {400, said("invalid_grant", "Invalid grant: account not found"), nil, engine.Unauthorized, "Google knows no service account"},
		"clock":     {400, said("invalid_grant", frame), []string{"Date", slow}, engine.Unauthorized, "This server's clock differs from Google's by 120"},
		"scope":     {400, said("invalid_scope", "no"), nil, engine.Unauthorized, "Google refuses the service account: invalid_scope no."},
		"disabled":  {401, said("disabled_client", ""), nil, engine.Unauthorized, "Google refuses the service account: disabled_client."},
		"busy":      {503, "", []string{"Retry-After", "7"}, engine.Unavailable, "answered 503"},
		"too many":  {429, said("rate_limited", ""), nil, engine.RateLimited, "answered 429"},
		"elsewhere": {404, "<html>", nil, engine.Invalid, "it is not a token endpoint"},
		"redirect":  {307, "", []string{"Location", "http://127.0.0.1:1"}, engine.Invalid, "answered 307 without a token"},
		"no token":  {200, `{"id_token": "x"}`, nil, engine.Invalid, "answered 200 without a token"},
		"no answer": {200, `[`, nil, engine.Invalid, "answered 200 without a token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &exportertest.Wire{}
			w.Always(byKind(func(_ string, req *http.Request) (*http.Response, error) {
				resp := answer(req, test.status, "", test.body, append(test.header, "Content-Type", "text/plain")...)
				return resp, nil
			}))
			source, err := gcs.Definition().Reading.Open(t.Context(), w.Env(), reader(""))
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Stat(t.Context(), "x")
			if engine.CodeOf(err) != test.want || !strings.Contains(engine.MessageOf(err), test.text) || len(w.Heads()) != 1 {
				t.Errorf("got %s: %s after %d requests; want %s: %s", engine.CodeOf(err), engine.MessageOf(err), len(w.Heads()), test.want, test.text)
			}
			if got := w.Heads()[0].URL.String(); got != "https://oauth2.googleapis.com/token" {
				t.Errorf("the request went to %s", got)
			}
		})
	}
}

// reader are parameters of an import with a key that works with no server.
func reader(endpoint string) gcs.ReadParams {
	return gcs.ReadParams{Place: gcs.Place{Project: "p", Bucket: "b", Email: "a@b", PrivateKey: secretKey(), Endpoint: endpoint}}
}

// TestAnswers holds the texts for what a server in a test does not say.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		status          int
		reason, message string
		header          []string
		want            engine.Code
		text            string
	}{
		{403, "forbidden", "a@b does not have storage.objects.get access", nil, engine.Denied, "it needs storage.objects.get"},
		{403, "rateLimitExceeded", "", nil, engine.RateLimited, "Google answered 403 rateLimitExceeded"},
		{429, "rateLimitExceeded", "slow down", []string{"Retry-After", "7"}, engine.RateLimited, "slow down"},
		{403, "accountDisabled", "", nil, engine.Denied, "The project's account is disabled"},
		{400, "userProjectMissing", "", nil, engine.Denied, "whose readers pay"},
		{404, "notFound", "No such object: b/x", nil, engine.NotFound, "There is no such object."},
		{404, "notFound", "The specified bucket does not exist.", nil, engine.NotFound, "There is no bucket of that name."},
		{412, "conditionNotMet", "", nil, engine.Conflict, "was changed while it was read"},
		{500, "backendError", "", nil, engine.Unavailable, "Google answered 500 backendError."},
		{408, "", "", nil, engine.Unavailable, "Google answered 408."},
		{504, "", "", nil, engine.Timeout, "Google answered 504."},
		{400, "invalid", "Invalid argument.\nand more", nil, engine.Invalid, "Google answered 400 invalid: Invalid argument."},
		{400, "", "the-token is odd", nil, engine.Invalid, "[redacted] is odd"},
		{404, "", "Not Found", []string{"Content-Type", "text/plain"}, engine.NotFound, "There is no such object."},
		{400, "", "plain words", []string{"Content-Type", "text/plain"}, engine.Invalid, "plain words"},
		{302, "", "", []string{"Location", "http://127.0.0.1:1/"}, engine.Invalid, "which is not followed"},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.reason, " ", test.want), func(t *testing.T) {
			w := &exportertest.Wire{}
			w.Always(byKind(func(kind string, req *http.Request) (*http.Response, error) {
				if kind == "token" {
					return answer(req, 200, "", `{"access_token": "the-token", "expires_in": 3600}`, "Content-Type", "text/plain"), nil
				}
				return answer(req, test.status, test.reason, test.message, test.header...), nil
			}))
			source, err := gcs.Definition().Reading.Open(t.Context(), w.Env(), reader(""))
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Open(t.Context(), exporters.Object{Name: "x/y"}, 0)
			if engine.CodeOf(err) != test.want || !strings.Contains(engine.MessageOf(err), test.text) {
				t.Errorf("got %s: %s; want %s: %s", engine.CodeOf(err), engine.MessageOf(err), test.want, test.text)
			}
			if err != nil && strings.Contains(err.Error(), "the-token") {
				t.Errorf("the error shows the token: %v", err)
			}
			if got, want := w.Calls(of("media"))[0].URL.String(), "https://storage.googleapis.com/storage/v1/b/b/o/x%2Fy?alt=media"; got != want {
				t.Errorf("the request went to %s, want %s", got, want)
			}
		})
	}
}

// TestAddresses holds what may be written for endpoint and token_url.
func TestAddresses(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                                    "https://storage.googleapis.com/storage/v1/b/b/o/",
		"http://127.0.0.1:4443":               "http://127.0.0.1:4443/storage/v1/b/b/o/",
		"http://127.0.0.1:4443/storage/v1/":   "http://127.0.0.1:4443/storage/v1/b/b/o/",
		"https://user:secret@h/gcs/?x=y#z":    "https://h/gcs/storage/v1/b/b/o/",
		"storage.example.com":                 "https://storage.example.com/storage/v1/b/b/o/",
		" https://storage.europe-west3.rep/ ": "https://storage.europe-west3.rep/storage/v1/b/b/o/",
		"ftp://h":                             "",
		"http://":                             "",
		"http://a b/":                         "",
	} {
		t.Run(endpoint, func(t *testing.T) {
			w := &exportertest.Wire{}
			w.Always(byKind(func(kind string, req *http.Request) (*http.Response, error) {
				return answer(req, 200, "", `{"access_token": "the-token", "expires_in": 3600}`, "Content-Type", "text/plain"), nil
			}))
			source, err := gcs.Definition().Reading.Open(t.Context(), w.Env(), reader(endpoint))
			if want == "" {
				if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), "endpoint") {
					t.Errorf("got %v, want it to be invalid", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.Stat(t.Context(), "x"); err != nil {
				t.Error(err)
			}
			if got := w.Calls(of("look"))[0].URL.String(); !strings.HasPrefix(got, want+"x?") {
				t.Errorf("the request went to %s, want %s", got, want)
			}
		})
	}
}
