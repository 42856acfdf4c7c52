package cmd_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/all"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// TestKilledExport kills a server in the middle of a large upload to each storage system, and starts another on its data: the
// object must be whole, and the destination must know of nothing else.
func TestKilledExport(t *testing.T) {
	source, sum := largeFile(t)
	for _, s := range testserver.Stores {
		t.Run(s.Kind, func(t *testing.T) { killExport(t, openStore(t, s), source, large, sum) })
	}
}

const large = 64 << 20

// largeFile serves a file of several parts and returns its URL and SHA-256.
func largeFile(t *testing.T) (at, sum string) {
	content := make([]byte, large)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // it cannot fail
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	t.Cleanup(source.Close)
	digest := sha256.Sum256(content)
	return source.URL + "/large.bin", hex.EncodeToString(digest[:])
}

// TestFrozenExport stops a worker in the middle of an upload for longer than its lease. Another one ends the upload; when the
// first goes on, the object stays as it is, also to the moment at which it was written.
func TestFrozenExport(t *testing.T) {
	t.Setenv("GANTRY_EGRESS_ALLOW", "127.0.0.0/8")
	postgres := servers.Start(t, "postgres")["POSTGRES_URL"]
	source, sum := largeFile(t)
	for _, s := range testserver.Stores {
		if s.Kind != "google-cloud-storage" && s.Kind != "s3" {
			continue
		}
		t.Run(s.Kind, func(t *testing.T) {
			s, c, name := openStore(t, s), newCluster(t, postgres), fmt.Sprintf("frozen/%x.bin", rand.Uint64())
			if code := c.workers[1].end(syscall.SIGTERM); code != 0 {
				t.Fatalf("exit %d after SIGTERM", code)
			}
			gate := exportertest.NewGate(t, s.at[s.Address], large*3/4)
			job := c.api(0).must(201, "POST", "/v2/jobs", exportOf(t, s, gate, source, name, nil))
			wait := "/v2/jobs/" + job.Data.ID + "/wait"
			beforeEnd(t, gate, c.api(0), wait)
			frozen := c.workers[0]
			if err := frozen.proc.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			gate.Open()
			c.workers[1] = c.work()
			if end := c.api(0).must(200, "GET", wait, ""); end.Data.Status != "finished" {
				t.Fatalf("the job ended %+v", end.Data)
			}
			written := s.peer(t, "lsjson", s.there(name))
			if err := frozen.proc.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			c.end() // which waits for what the first one still does
			if got := s.sum(t, name); got != sum {
				t.Errorf("the object has the SHA-256 %s, want %s", got, sum)
			}
			if now := s.peer(t, "lsjson", s.there(name)); now != written {
				t.Errorf("the object is %s, was %s", now, written)
			}
			if left := unfinished[s.Kind](t, s, name, large); len(left) > 0 {
				t.Errorf("left unfinished: %q", left)
			}
		})
	}
}

// exportOf is a job that exports the file of a URL through a gate.
func exportOf(t *testing.T, s store, gate *exportertest.Gate, source, name string, more map[string]any) string {
	t.Helper()
	params := map[string]any{"input": "in"}
	maps.Copy(params, more)
	return fmt.Sprintf(`{"tasks": {"in": {"operation": "import/url", "url": %q, "filename": "large.bin"}, "out": %s}}`, source,
		s.task(t, "export/", s.through(t, gate.Address()), name, params))
}

// beforeEnd waits until the gate is shut, and fails if the job ends before.
func beforeEnd(t *testing.T, gate *exportertest.Gate, s *server, wait string) {
	t.Helper()
	ended := make(chan string, 1)
	go func() {
		_, text, err := s.ask("GET", wait, "")
		ended <- fmt.Sprintf("%s, %v", text, err)
	}()
	select {
	case <-gate.Shut():
	case text := <-ended:
		t.Fatalf("the job ended before its middle: %s", text)
	}
}

func killExport(t *testing.T, s store, source string, size int64, sum string) {
	data, name, more := t.TempDir(), fmt.Sprintf("killed-%x/large.bin", rand.Uint64()), map[string]any{}
	if s.Kind == "openstack" { // where nobody else has segments
		container := fmt.Sprintf("killed%x", rand.Uint64())
		s.peer(t, "mkdir", "there:"+container)
		s.Folder, more["container"] = func(testserver.Values) string { return container }, container
	}
	gate := exportertest.NewGate(t, s.at[s.Address], size*3/4)
	first := serve(t, data, "--egress-allow", "127.0.0.0/8")
	job := first.must(201, "POST", "/v2/jobs", exportOf(t, s, gate, source, name, more))
	beforeEnd(t, gate, first, "/v2/jobs/"+job.Data.ID+"/wait")
	if left := unfinished[s.Kind](t, s, name, size); len(left) == 0 {
		t.Error("the destination knows of no upload when the server is killed")
	}
	first.kill()
	gate.Open()
	second := serve(t, data, "--egress-allow", "127.0.0.0/8")
	if got := second.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", ""); got.Data.Status != "finished" {
		t.Fatalf("the job ended %+v", got.Data)
	}
	if got := s.sum(t, name); got != sum {
		t.Errorf("the object has the SHA-256 %s, want %s", got, sum)
	}
	if sent := gate.Sent(); sent >= size && resumes(t, s.Kind) {
		t.Errorf("%d bytes of %d were sent once more: the upload was begun anew", sent, size)
	}
	if left := unfinished[s.Kind](t, s, name, size); len(left) > 0 {
		t.Errorf("left unfinished: %q", left)
	}
}

// resumes reports whether a kind's uploads are gone on with by the next worker.
func resumes(t *testing.T, kind string) bool {
	t.Helper()
	at := slices.IndexFunc(all.Definitions(), func(def exporters.Definition) bool { return def.Kind == kind })
	if at < 0 {
		t.Fatalf("there is no exporter %q", kind)
	}
	return all.Definitions()[at].Promises.NoResume == ""
}

// through is what the server says of itself to those who reach it at another host:port.
func (s store) through(t *testing.T, address string) testserver.Values {
	t.Helper()
	at, own := maps.Clone(s.at), s.at[s.Address]
	for key, value := range at {
		at[key] = strings.ReplaceAll(value, own, address)
	}
	switch s.Server {
	case "sftp":
		_, at["SFTP_PORT"], _ = net.SplitHostPort(address)
	case "openstack":
		at["KEYSTONE_URL"] = catalogOf(t, s.at["KEYSTONE_URL"], own, address)
	}
	return at
}

// catalogOf stands before Keystone and has its catalog name another host:port of Swift.
func catalogOf(t *testing.T, keystone, own, address string) string {
	t.Helper()
	target, err := url.Parse(keystone)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			body = bytes.ReplaceAll(body, []byte(own), []byte(address))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	})
	t.Cleanup(front.Close)
	return front.URL
}

// unfinished lists for each kind what the destination has of an upload that is not, or not yet, the object.
var unfinished = map[string]func(t *testing.T, s store, name string, size int64) []string{
	"s3": func(t *testing.T, s store, _ string, _ int64) []string { return filesIn(t, s.at["S3_UNFINISHED"]) },
	"azure/blob": func(t *testing.T, s store, name string, _ int64) (ids []string) {
		list, err := s.blob(t, name).GetBlockList(t.Context(), blockblob.BlockListTypeUncommitted, nil)
		if err != nil && !bloberror.HasCode(err, bloberror.BlobNotFound) {
			t.Fatal(err)
		}
		for _, block := range list.UncommittedBlocks {
			ids = append(ids, *block.Name)
		}
		return ids
	},
	"google-cloud-storage": func(t *testing.T, s store, _ string, _ int64) (sessions []string) {
		if status, text := get(t, "http://"+s.at["GCS_ADDRESS"]+"/sessions"); status != 200 || json.Unmarshal(text, &sessions) != nil {
			t.Fatalf("list the sessions: %d %s", status, text)
		}
		return sessions
	},
	"openstack": func(t *testing.T, s store, name string, size int64) []string {
		var object, segments struct{ Bytes int64 }
		folder := "there:" + s.Folder(s.at)
		if json.Unmarshal([]byte(s.peer(t, "size", "--json", folder)), &object) != nil ||
			json.Unmarshal([]byte(s.peer(t, "size", "--json", folder+"_segments")), &segments) != nil {
			t.Fatal("rclone does not say how much there is")
		}
		if object.Bytes == size && segments.Bytes <= size { // a busy Swift lists what is new late
			return nil
		}
		return strings.Fields(s.peer(t, "lsf", "-R", "--files-only", folder+"_segments"))
	},
	"sftp": func(t *testing.T, s store, name string, _ int64) []string {
		return filesIn(t, filepath.Join(s.at["SFTP_ROOT_DIR"], s.Named(s.at, filepath.Dir(name))), filepath.Base(name))
	},
	"upload": func(t *testing.T, s store, name string, _ int64) []string {
		return append(filesIn(t, s.at["HTTP_TEMP_DIR"]), filesIn(t, filepath.Join(s.at["HTTP_FILES_DIR"], filepath.Dir(name)), filepath.Base(name))...)
	},
}

// blob is the vendor's client of a blob.
func (s store) blob(t *testing.T, name string) *blockblob.Client {
	t.Helper()
	key, err := blob.NewSharedKeyCredential(s.at["AZURE_ACCOUNT"], s.at["AZURE_KEY"])
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + s.at["AZURE_ADDRESS"] + "/" + s.at["AZURE_ACCOUNT"] + "/" + s.Folder(s.at) + "/" + name
	api, err := blockblob.NewClientWithSharedKeyCredential(address, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// filesIn lists the files in a folder of a server, but for those of the other names.
func filesIn(t *testing.T, dir string, but ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !slices.Contains(but, filepath.Base(path)) {
			found = append(found, path)
		}
		return nil // what is being removed may be gone already
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
