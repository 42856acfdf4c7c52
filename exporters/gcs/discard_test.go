package gcs_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

// TestDiscard cancels a session with a key that was withdrawn.
func TestDiscard(t *testing.T) {
	l, name := newLab(t), "discard/new"
	def := gcs.Definition()
	var session string
	l.set(func(kind string, req *http.Request) (*http.Response, error) {
		switch kind {
		case "send":
			session = req.URL.String()
			return answer(req, http.StatusForbidden, "forbidden", "no"), nil
		case "cancel":
			if session != "" && len(l.calls("cancel")) == 1 {
				return answer(req, http.StatusServiceUnavailable, "backendError", ""), nil
			}
		}
		return nil, nil
	})
	if task := l.export(t, large, l.With(t, name, nil)); task.Code != engine.Denied {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	if len(l.Unfinished(t)) == 0 {
		t.Fatal("the session should be left, since its cancellation was refused")
	}
	params, problems := def.Params.Decode([]byte(exportertest.JSON(t, l.With(t, "", map[string]any{"private_key": otherKey()}))))
	if problems != nil {
		t.Fatal(problems)
	}
	for range 2 { // it bears repeating
		if err := def.Discard(t.Context(), l.Env(), params, []byte(exportertest.JSON(t, map[string]any{"session": session}))); err != nil {
			t.Error(err)
		}
	}
	l.leavesNothing(t, name)
	if err := def.Discard(t.Context(), l.Env(), params, []byte(`{}`)); err != nil {
		t.Errorf("nothing opened: %v", err)
	}
	l.always("none", nil)
	l.exported(t, large, l.With(t, name, nil))
	session = l.calls("send")[0].URL.String()
	if err := def.Discard(t.Context(), l.Env(), params, []byte(exportertest.JSON(t, map[string]any{"session": session}))); err != nil {
		t.Errorf("a session that has become an object: %v", err)
	}
	l.holds(t, name, large)
	l.always("cancel", func(req *http.Request) (*http.Response, error) {
		return answer(req, http.StatusForbidden, "forbidden", "no"), nil
	})
	err := def.Discard(t.Context(), l.Env(), params, []byte(exportertest.JSON(t, map[string]any{"session": session})))
	if engine.CodeOf(err) != engine.Denied || strings.Contains(err.Error(), "upload_id") {
		t.Errorf("a refused cancellation: got %v", err)
	}
}

func TestCheck(t *testing.T) {
	l := newLab(t)
	def := gcs.Definition()
	for name, test := range map[string]struct {
		changes map[string]any
		tamper  string
		want    []string
	}{
		"all":      {nil, "", []string{"true Google knows", "true It may create", "true It may replace objects."}},
		"creator":  {map[string]any{"client_email": "creator@" + l.accounts}, "", []string{"true Google knows", "true It may create", "false It may not replace"}},
		"reader":   {map[string]any{"client_email": "reader@" + l.accounts}, "", []string{"true Google knows", "false The service account may not create"}},
		"unknown":  {map[string]any{"client_email": "nobody@" + l.accounts}, "", []string{"false Google knows no service account"}},
		"key":      {map[string]any{"private_key": otherKey()}, "", []string{"false The private_key is not one of the client_email"}},
		"no key":   {map[string]any{"private_key": "x"}, "", []string{"false The private_key is not one in PEM"}},
		"bucket":   {map[string]any{"bucket": "nowhere"}, "", []string{"true Google knows", "false There is no bucket"}},
		"address":  {map[string]any{"endpoint": "ftp://x"}, "", []string{"false The endpoint is not"}},
		"prefix":   {map[string]any{"file_prefix": "/check/in/"}, "", []string{"true Google knows", "true It may create", "true It may replace objects."}},
		"untold":   {nil, "permissions", []string{"true Google knows", "true It may create", "true Whether it may replace"}},
		"uncancel": {nil, "cancel", []string{"true Google knows", "true It may create", "false The upload that was opened", "true It may replace"}},
	} {
		t.Run(name, func(t *testing.T) {
			params, problems := def.Params.Decode([]byte(exportertest.JSON(t, l.With(t, "", test.changes))))
			if problems != nil {
				t.Fatal(problems)
			}
			l.always(test.tamper, func(req *http.Request) (*http.Response, error) {
				if test.tamper == "cancel" {
					if _, err := http.DefaultTransport.RoundTrip(req); err != nil {
						return nil, err
					}
				}
				return answer(req, http.StatusForbidden, "forbidden", "no"), nil
			})
			found := def.Check(t.Context(), l.Env(), params)
			for i, f := range found {
				if i >= len(test.want) || !strings.HasPrefix(fmt.Sprint(f.OK, " ", f.Text), test.want[i]) {
					t.Errorf("finding %d is %v %s, want %q", i, f.OK, f.Text, test.want)
				}
			}
			if len(found) != len(test.want) {
				t.Errorf("%d findings, want %d", len(found), len(test.want))
			}
			for _, left := range l.Unfinished(t) {
				if strings.Contains(left, "gantry-check") {
					t.Errorf("a session is left: %s", left)
				}
			}
		})
	}
}
