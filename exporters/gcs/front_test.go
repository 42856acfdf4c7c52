package gcs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/storage"

	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

// TestFront holds EXP-GCS-03 and EXP-GCS-04 for our own front, which must answer as Google does: what these tests show hangs
// on it.
func TestFront(t *testing.T) {
	l := newLab(t)
	address := l.session(t, "front/object", 1<<20)
	type step struct{ sent, want string }
	for i, s := range []step{
		{"bytes */1048576", "308 "}, // nothing stored
		{"bytes 0-262143/1048576", "308 bytes=0-262143"},
		{"bytes 0-262143/1048576", "308 bytes=0-262143"}, // once more changes nothing
		{"bytes 524288-786431/1048576", "503 "},          // a gap
		{"bytes 262144-262145/1048576", "400 "},          // no multiple of 256 KiB
		{"bytes 0-524287/*", "308 bytes=0-524287"},       // more of it, from the beginning
		{"bytes */1048576", "308 bytes=0-524287"},
		{"bytes 524288-1048575/1048576", "200 "},
		{"bytes */1048576", "200 "}, // ended
		{"bytes 0-1048575/1048576", "200 "},
	} {
		if got := l.tell(t, address, s.sent, ""); got != s.want {
			t.Errorf("step %d: %s is answered %q, want %q", i, s.sent, got, s.want)
		}
	}
	if got := l.attributes(t, "front/object")["size"]; got != fmt.Sprint(1<<20) {
		t.Errorf("the object has %v bytes", got)
	}
	address = l.session(t, "front/other", 1<<20)
	if got, want := l.tell(t, address, "bytes 0-262143/*", "yes"), "200 bytes=0-262143 308"; got != want {
		t.Errorf("who cannot hear 308 is answered %q, want %q", got, want)
	}
	l.cancel(t, address, 499)
	l.cancel(t, address, 404)
	if got, want := l.tell(t, address, "bytes */1048576", ""), "404 "; got != want {
		t.Errorf("a cancelled session is answered %q, want %q", got, want)
	}
}

// session opens a session by hand.
func (l *lab) session(t *testing.T, name string, size int64) string {
	t.Helper()
	l.exported(t, small, l.With(t, "front/token", nil)) // for its token
	token := l.calls("insert")[0].Header.Get("Authorization")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.address+"/upload/storage/v1/b/"+l.bucket+"/o?uploadType=resumable",
		strings.NewReader(fmt.Sprintf(`{"name": %q, "contentType": "x/y"}`, name)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}

// tell makes a request to a session, and returns its status, its range, and what it says in place of its status.
func (l *lab) tell(t *testing.T, address, contentRange, no308 string) string {
	t.Helper()
	var first, last int64
	body := ""
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/", &first, &last); err == nil {
		body = strings.Repeat("x", int(last+1-first))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Range", contentRange)
	if no308 != "" {
		req.Header.Set("X-GUploader-No-308", no308)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Range"))
	if override := resp.Header.Get("X-Http-Status-Code-Override"); override != "" {
		got += " " + override
	}
	return got
}

func (l *lab) cancel(t *testing.T, address string, want int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("cancelling is answered %d, want %d", resp.StatusCode, want)
	}
}

// TestVendor has Google's own library look at what was written, and write what is read.
func TestVendor(t *testing.T) {
	l := newLab(t)
	t.Setenv("STORAGE_EMULATOR_HOST", l.open) // which has it ask without a token
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	bucket := client.Bucket(l.bucket)
	for _, f := range []file{small, large} {
		name := fmt.Sprint("vendor/ö +", f.Size)
		task := l.exported(t, f, l.With(t, name, nil))
		r, err := bucket.Object(name).NewReader(t.Context()) // it compares the CRC32C
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil || n != f.Size {
			t.Errorf("it reads %d bytes, %v; want %d", n, err, f.Size)
		}
		about, err := bucket.Object(name).Attrs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if facts := task.Result.Files[0].Facts; fmt.Sprint(about.Generation) != facts["generation"] || about.Etag != facts["etag"] {
			t.Errorf("it sees %+v, and the receipt says %v", about, facts)
		}
	}
	w := bucket.Object("vendor/theirs").NewWriter(t.Context())
	if _, err := io.WriteString(w, "theirs"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got := l.Imported(t, "import/google-cloud-storage", l.With(t, "vendor/theirs", nil)); got["theirs"] != "theirs" {
		t.Errorf("imported %q", got)
	}
}

// FuzzAnswers has Google answer anything to a question for an object.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"name": "a", "size": "1", "generation": "2"}`)
	f.Add(403, `{"error": {"message": "no", "errors": [{"reason": "forbidden"}]}}`)
	f.Add(404, "Not Found")
	f.Add(200, `{"size": -1}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		w := &exportertest.Wire{}
		w.Always(byKind(func(kind string, req *http.Request) (*http.Response, error) {
			if kind == "token" {
				return answer(req, 200, "", `{"access_token": "the-token", "expires_in": 3600}`, "Content-Type", "text/plain"), nil
			}
			return answer(req, status, "", body, "Content-Type", "text/plain"), nil
		}))
		source, err := gcs.Definition().Reading.Open(t.Context(), w.Env(), reader(""))
		if err != nil {
			t.Fatal(err)
		}
		o, err := source.Stat(t.Context(), "a")
		if err == nil && !json.Valid([]byte(body)) {
			t.Errorf("%q is taken for %+v", body, o)
		}
	})
}
