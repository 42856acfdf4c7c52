package exportertest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
)

// Reads checks that a source finds, lists and opens the object, from its beginning and from offsets, and returns what the
// source says of it.
func Reads(t testing.TB, source exporters.Source, name, content string) exporters.Object {
	t.Helper()
	stat, err := source.Stat(t.Context(), name)
	if err != nil || stat.Size != int64(len(content)) || stat.Version == "" || stat.Version == "0" {
		t.Fatalf("got %+v, %v", stat, err)
	}
	err = source.List(t.Context(), name, func(o exporters.Object) error {
		if o != stat {
			t.Errorf("listed as %+v, want %+v", o, stat)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, offset := range []int{0, len(content) / 2, len(content) - 1} {
		body, err := source.Open(t.Context(), stat, int64(offset))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != content[offset:] || err != nil {
			t.Errorf("from %d on it is %q, %v; want %q", offset, got, err, content[offset:])
		}
		body.Close()
	}
	return stat
}

// Get asks for a URL with a plain HTTP client, and returns whether there is something.
func Get(t testing.TB, address string) (header http.Header, body []byte, there bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.ReplaceAll(address, "+", "%2B"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		t.Fatalf("get %q: %s, %v", address, resp.Status, err)
	}
	return resp.Header, body, resp.StatusCode == http.StatusOK
}
