package cmd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// sent is a file that is exported, and found by another client.
type sent struct {
	name, mime string
	content    []byte
}

// TestPeer has rclone, another client of every storage system, look at what was written: names, bytes, media types and metadata
// must be those that were sent.
func TestPeer(t *testing.T) {
	large := make([]byte, 20<<20) // several parts everywhere
	_, _ = rand.NewChaCha8([32]byte{2}).Read(large)
	files := []sent{
		{"100%41%2F.txt", "text/plain", []byte("percent")},
		{"what? #1+2 & co.html", "text/html", []byte("<p>marks</p>")},
		{"ë 日本 🎉.json", "application/json", []byte(`{"emoji": true}`)},
		{" lead and trail ~'\"!.bin", "application/octet-stream", []byte{0, 1, 2, 0xff}},
		{"empty.txt", "text/plain", nil},
		{"large.bin", "application/octet-stream", large},
	}
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
			_, _ = w.Write(files[i].content)
		}
	}))
	defer source.Close()
	api := serve(t, t.TempDir(), "--egress-allow", "127.0.0.0/8")
	for _, known := range testserver.Stores {
		t.Run(known.Kind, func(t *testing.T) {
			s, folder := openStore(t, known), fmt.Sprintf("peer%x/", rand.Uint64())
			s.send(t, api, source.URL, folder, files)
			s.compare(t, folder, files)
		})
	}
}

// keepsMetadata are the kinds with a parameter for metadata.
var keepsMetadata = map[string]bool{"s3": true, "azure/blob": true}

// keepsTypes are the kinds whose objects have a media type.
var keepsTypes = map[string]bool{"s3": true, "azure/blob": true, "google-cloud-storage": true, "openstack": true}

// send exports the files in one job.
func (s store) send(t *testing.T, api *server, source, folder string, files []sent) {
	t.Helper()
	tasks := map[string]json.RawMessage{}
	for i, f := range files {
		in, more := fmt.Sprint("in", i), map[string]any{"input": fmt.Sprint("in", i)}
		if keepsMetadata[s.Kind] {
			more["metadata"] = map[string]string{"made_by": "a test"}
		}
		tasks[in] = object(t, map[string]string{"operation": "import/url", "filename": "own" + filepath.Ext(f.name), "url": source + "/" + strconv.Itoa(i)})
		tasks[fmt.Sprint("out", i)] = json.RawMessage(s.task(t, "export/", s.at, folder+f.name, more))
	}
	job := api.must(201, "POST", "/v2/jobs", string(object(t, map[string]any{"tasks": tasks})))
	if ended := api.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", ""); ended.Data.Status != "finished" {
		t.Fatalf("the job ended %+v", ended.Data)
	}
}

// compare has rclone say what there is.
func (s store) compare(t *testing.T, folder string, files []sent) {
	t.Helper()
	var names, sums strings.Builder
	for _, f := range files {
		fmt.Fprintln(&names, f.name)
		sum := sha256.Sum256(f.content)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.name)
	}
	list := write(t, filepath.Join(t.TempDir(), "names"), names.String())
	if out := s.peer(t, "checksum", "sha256", write(t, list+".sums", sums.String()), s.there(folder), "--download", "--files-from-raw", list); out != "" {
		t.Errorf("rclone says %s", out)
	}
	var found []struct {
		Path, MimeType string
		Size           int64
		Metadata       map[string]string
	}
	if err := json.Unmarshal([]byte(s.peer(t, "lsjson", "-R", "--metadata", "--files-from-raw", list, s.there(folder))), &found); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		seen := false
		for _, o := range found {
			if o.Path != f.name {
				continue
			}
			seen = true
			if keepsTypes[s.Kind] && o.MimeType != f.mime || keepsMetadata[s.Kind] && o.Metadata["made_by"] != "a test" || o.Size != int64(len(f.content)) {
				t.Errorf("rclone says %+v of %q", o, f.name)
			}
		}
		if !seen {
			t.Errorf("rclone does not find %q", f.name)
		}
	}
}

func object(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
