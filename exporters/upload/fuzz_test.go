package upload_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/upload"
)

// FuzzURL holds that a URL, whatever is in it, is refused or can be checked, and that a check shows no part of its query.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"/a b", "/a\r\nX: y", "//x", "/{a}?b c#d", "?\t", "/%zz", "/ü", "/a?\x00", "@b/c", ":80", "?se=2024-09-02&sig=x"} {
		f.Add(seed)
	}
	def := upload.Definition()
	client := &http.Client{Transport: refuser{}}
	f.Fuzz(func(t *testing.T, rest string) {
		params := upload.Params{URL: "http://host.test" + rest + "?sig=canary"}
		if len(def.Validate(params)) > 0 {
			return
		}
		for _, finding := range def.Check(context.Background(), exporters.Env{HTTP: client}, params) {
			if strings.Contains(finding.Text, "canary") && !strings.Contains(rest, "canary") {
				t.Errorf("a check of %q shows %q", params.URL, finding.Text)
			}
		}
	})
}

type refuser struct{}

// RoundTrip implements http.RoundTripper.
func (refuser) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("not in a fuzz test")
}
