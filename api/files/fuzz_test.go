package files_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api/files"
)

// FuzzDuration holds that what is taken is seconds, as Go reads them too where it can.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{"3600s", "3.5s", "-1.000000001s", "315576000000s", "0s", "1e9s", "s", ".s", "1h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := files.ParseDuration(text)
		if !ok {
			return
		}
		if want, err := time.ParseDuration(text); err == nil && got != want && got.Abs() < 1<<62 {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
		if !strings.HasSuffix(text, "s") || strings.ContainsAny(text, " +e_") {
			t.Errorf("%q was taken", text)
		}
	})
}

// FuzzMessage holds that the JSON form has both members, and data that came from base64.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{`{"content_type":"a/b","data":"YQ=="}`, `{"data":"-_8","content_type":""}`, `{"content_type":"a/b","data":1}`,
		`{"content_type":"a/b","data":"YQ==","x":null}`, `{}`, `[]`, `{"content_type":"a/b","data":"Y\nQ=="}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, data, ok := files.Message(body)
		if ok && base64.StdEncoding.EncodedLen(len(data)) > len(body)+4 {
			t.Errorf("%q became %d bytes", body, len(data))
		}
	})
}
