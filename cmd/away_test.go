package cmd_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// probe is one request of a class of them, and how it is answered while all is well.
type probe struct {
	method, path, body string
	want               int
}

// probes are a request to the first server for each class of routes that need the database, about a job, files, an
// organisation and a computer that there are; and those that can be answered well only once.
func (c *cluster) probes() (often, once []probe) {
	c.Helper()
	home := c.TempDir()
	write(c, filepath.Join(home, "a.txt"), "x")
	where := []string{"--database", c.url, "--data", c.data}
	organisation := lastWord(c, append([]string{"orgs", "create", "Acme"}, where...)...)
	lastWord(c, append([]string{"workspaces", "add", "desk", "--home", home}, where...)...)
	s := c.servers[0]
	job := s.must(201, "POST", "/sync/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "x", "filename": "a.txt"},
		"out": {"operation": "export/url", "input": "a"}}}`).Data
	files := "/api/v1/organizations/" + organisation + "/files"
	stored := found(c, s, "POST", files+":upload?filename=a.md", "# x", `files/([0-9a-f-]{36})`)
	nobody := "/01a2002c-9254-75ea-9e44-af93e2645940"
	s.must(202, "POST", "/prototype/platform/files/"+stored+"/export", "")
	operation := found(c, s, "GET", "/v2/jobs", "", `"id":"([0-9a-f-]{36})"`)
	s.must(200, "GET", "/v2/jobs/"+operation+"/wait", "")
	operation = "/prototype/platform/operations/" + operation
	task := "/v2/tasks/" + job.Tasks[0].ID
	raw := `{"file": "x", "filename": "a.txt"}`
	once = []probe{
		{"PUT", pathOf(c, s, formURL(c, s, s.must(201, "POST", "/v2/import/upload", "{}").Data.ID)), "x", 201},
		{"PUT", pathOf(c, s, found(c, s, "POST", files+":generateUploadUrl", "", `"(http[^"]+)"`)), "x", 200},
		// while one of the same kind runs, another is a conflict
		{"POST", "/prototype/platform/files/" + stored + "/export", "", 202},
		{"POST", "/prototype/platform/files/" + stored + "/export", `{"kind": "Document", "documentOptions": {"format": "html"}}`, 202},
	}
	return []probe{
		{"GET", "/readyz", "", 200}, {"GET", "/v2/users/me", "", 200},
		{"POST", "/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "x", "filename": "a.txt"}}}`, 201},
		{"POST", "/v2/jobs", `{"tasks": {"a": {"operation": "test/engine", "engine": "none"}}}`, 422},
		{"POST", "/sync/v2/import/raw", raw, 201}, {"POST", "/v2/import/raw", raw, 201},
		{"GET", "/v2/jobs", "", 200}, {"GET", "/v2/jobs/" + job.ID, "", 200}, {"GET", "/v2/jobs/" + job.ID + "/wait", "", 200},
		{"GET", "/sync/v2/jobs/" + job.ID, "", 200}, {"DELETE", "/v2/jobs" + nobody, "", 404},
		{"GET", "/v2/tasks", "", 200}, {"GET", task, "", 200}, {"GET", task + "/wait", "", 200},
		{"POST", task + "/cancel", "", 422}, {"POST", task + "/retry", "", 201}, {"DELETE", "/v2/tasks" + nobody, "", 404},
		{"GET", pathOf(c, s, job.Tasks[1].Result.Files[0].URL), "", 200},
		{"POST", files + ":upload", "x", 200}, {"GET", files + "/" + stored + "/metadata", "", 200},
		{"GET", files + "/" + stored + ":download", "", 200}, {"DELETE", files + nobody, "", 404},
		{"POST", files + ":generateUploadUrl", "", 200}, {"POST", files + "/" + stored + ":generateDownloadUrl", "", 200},
		{"GET", pathOf(c, s, found(c, s, "POST", files+"/"+stored+":generateDownloadUrl", "", `"(http[^"]+)"`)), "", 200},
		{"GET", operation, "", 200}, {"GET", operation + "/resource", "", 200},
		{"POST", "/api/files/export", `{"desktopId": "desk", "path": "a.txt"}`, 200},
	}, once
}

// found is what the expression finds in an answer.
func found(t testing.TB, s *server, method, path, body, expression string) string {
	t.Helper()
	_, text, err := s.ask(method, path, body)
	m := regexp.MustCompile(expression).FindSubmatch(text)
	if err != nil || m == nil {
		t.Fatalf("%s %s: %v %s", method, path, err, text)
	}
	return string(m[1])
}

// pathOf is that of a link to the server.
func pathOf(t testing.TB, s *server, link string) string {
	t.Helper()
	p, ok := strings.CutPrefix(link, s.url)
	if !ok {
		t.Fatalf("%q is no link to %s", link, s.url)
	}
	return p
}

// answers sends the request and returns what is wrong with the answer, which has to be the one that is wanted or, as far as
// the database may be away, 503 with a time to wait.
func (s *server) answers(p probe, here, away bool) string {
	req, err := http.NewRequest(p.method, s.url+p.path, strings.NewReader(p.body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Sprintf("%s %s: %v", p.method, p.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if here && resp.StatusCode == p.want && err == nil || away && resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "" {
		return ""
	}
	return fmt.Sprintf("%s %s: %d %v %s (%v)", p.method, p.path, resp.StatusCode, resp.Header, text, err)
}

// TestDatabaseAway restarts the database at once, then takes it away for ten seconds, under load: from jobs with uploads, and
// from requests of every class.
func TestDatabaseAway(t *testing.T) {
	servers.Start(t, "postgres") // or skip
	dir := t.TempDir()
	said, _, _ := strings.Cut(strings.TrimPrefix(database(t, "start", dir), "POSTGRES_URL="), "\n")
	t.Cleanup(func() { database(t, "stop", dir) })
	c := newCluster(t, said)
	s := c.servers[0]
	often, once := c.probes()
	check := func(what string, probes []probe, here, away bool) {
		t.Helper()
		for _, p := range probes {
			if wrong := s.answers(p, here, away); wrong != "" {
				t.Errorf("%s: %s", what, wrong)
			}
		}
	}
	check("before", often, true, false)
	var acked acknowledged
	var clients sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		clients.Go(func() { c.submitUntil(&acked, done) })
	}
	clients.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				check("under load", often, true, true)
			}
		}
	})
	<-time.After(500 * time.Millisecond)
	database(t, "down", dir)
	database(t, "up", dir)
	<-time.After(500 * time.Millisecond)
	database(t, "down", dir)
	away := time.After(10 * time.Second)
	check("away", slices.Concat(often, once), false, true)
	<-away
	database(t, "up", dir)
	<-time.After(500 * time.Millisecond)
	close(done)
	clients.Wait()
	if len(acked.ids) == 0 {
		t.Error("nothing was submitted")
	}
	for _, s := range append(c.servers[:2:2], c.workers...) {
		if s.proc.ProcessState != nil {
			t.Errorf("a process died:\n%s", s.log)
		}
	}
	check("after", slices.Concat(often, once), true, false)
	c.check(&acked)
}
