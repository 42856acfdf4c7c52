package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/gantry-engine/gantry/engine"
)

// emptyDatabase makes a database without any table, and returns its URL.
func emptyDatabase(t testing.TB) string {
	t.Helper()
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	db := openDatabase(t, server)
	name := "empty" + strings.ReplaceAll(string(engine.NewID()), "-", "")
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func openDatabase(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// begin starts a process and returns the first line that it prints, which is empty if it ends before.
func begin(t testing.TB, c *exec.Cmd) (s *server, line string) {
	s = &server{t: t, proc: c, log: &bytes.Buffer{}}
	c.Stderr = s.log
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Errorf("start a process: %v", err)
		return s, ""
	}
	t.Cleanup(s.kill)
	line, _ = bufio.NewReader(out).ReadString('\n')
	s.url = strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	return s, line
}

// TestStartTogether starts servers and workers at the same moment on a database that has no table yet. Whoever made the
// tables, all do their part, and links are those of the public address.
func TestStartTogether(t *testing.T) {
	database, data := emptyDatabase(t), t.TempDir()
	const public = "http://gantry.test:8080"
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--public-url", public, "--workers"}
	work := []string{"work", "--workers", "2", "--egress-allow", "127.0.0.0/8", "--drain", "10s"}
	var all, apis []*server
	var mu sync.Mutex
	var starting sync.WaitGroup
	for _, args := range [][]string{append(serve[:len(serve):len(serve)], "0"), work,
		append(serve[:len(serve):len(serve)], "1", "--egress-allow", "127.0.0.0/8"), work, work} {
		c := gantry(t, append(args, "--data", data, "--database", database)...)
		starting.Go(func() {
			s, line := begin(t, c)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, s)
			switch {
			case strings.HasPrefix(line, "listening on"):
				apis = append(apis, s)
			case !strings.HasPrefix(line, "working as"):
				t.Errorf("%s printed %q, exit %d, and logged:\n%s", args[0], line, s.end(syscall.SIGKILL), s.log)
			}
		})
	}
	starting.Wait()
	if t.Failed() || len(apis) != 2 {
		t.Fatalf("%d servers", len(apis))
	}
	for _, s := range apis {
		job := s.must(201, "POST", "/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "content", "filename": "a.txt"},
			"there": {"operation": "import/url", "url": "`+apis[0].url+`/healthz"},
			"out": {"operation": "export/url", "input": ["a", "there"]}}}`)
		for _, other := range apis { // any of them knows the job, and opens the link
			end := other.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", "")
			if end.Data.Status != "finished" {
				t.Fatalf("the job ended as %+v", end.Data)
			}
			path, ok := strings.CutPrefix(end.Data.Tasks[2].Result.Files[0].URL, public)
			if !ok {
				t.Errorf("a link is %q", end.Data.Tasks[2].Result.Files[0].URL)
			}
			if status, text := s.getAs(public, path); status != 200 || text != "content" {
				t.Errorf("the link gives %d %q", status, text)
			}
		}
	}
	stdout, stderr, code := output(t, "nodes", "list", "--database", database)
	if code != 0 || strings.Count(stdout, "\n") != 6 || strings.Count(stdout, "none: API only") != 1 {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
	for _, s := range all {
		if code := s.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d after SIGTERM:\n%s", code, s.log)
		}
	}
}

// getAs fetches a path as a proxy does that answers under the address.
func (s *server) getAs(address, path string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_, req.Host, _ = strings.Cut(address, "://")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestSharedKeys starts processes with and without the key that seals those in the database.
func TestSharedKeys(t *testing.T) {
	database := emptyDatabase(t)
	const right, wrong = "the-right-key-of-32-characters--", "another-key-of-32-characters----"
	for _, step := range []struct {
		what, secret string
		starts       bool
		want         string
	}{
		{"without any", "", true, "--secret-key seals them"},
		{"with the first one, which seals what is there", right, true, ""},
		{"with the same", right, true, ""},
		{"with another", wrong, false, "sealed with another --secret-key"},
		{"without one", "", false, "start this process with the --secret-key of the others"},
	} {
		c := gantry(t, "work", "--data", t.TempDir(), "--database", database, "--workers", "1")
		c.Env = append(c.Env, "GANTRY_SECRET_KEY="+step.secret)
		s, line := begin(t, c)
		s.end(syscall.SIGTERM)
		if starts := strings.HasPrefix(line, "working as"); starts != step.starts || !strings.Contains(s.log.String(), step.want) ||
			step.want == "" && strings.Contains(s.log.String(), "secret-key") {
			t.Errorf("%s: it printed %q and logged:\n%s", step.what, line, s.log)
		}
	}
	var kept string
	err := openDatabase(t, database).QueryRowContext(t.Context(), `SELECT value FROM settings WHERE name = 'keys'`).Scan(&kept)
	if err != nil || !strings.HasPrefix(kept, "sealed:") {
		t.Errorf("kept as %.8q… (%v)", kept, err)
	}
}

// TestUpgrade has processes of this version meet the tables of an earlier one, and of one to come.
func TestUpgrade(t *testing.T) {
	database, data := emptyDatabase(t), t.TempDir()
	work := []string{"work", "--data", data, "--database", database, "--workers", "1"}
	db := openDatabase(t, database)
	old, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("../engine/sqlstore/migrations/postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data, "--database", database, "--workers", "1")
	const job = `{"tasks": {"a": {"operation": "import/raw", "file": "x", "filename": "a.txt"}}}`
	if end := s.must(201, "POST", "/sync/v2/jobs", job); end.Data.Status != "finished" {
		t.Errorf("after the migration: %+v", end.Data)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)`); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := output(t, work...)
	if code != 1 || !strings.Contains(stderr, "the database has schema 4711, this version of gantry reads up to") {
		t.Errorf("an older program: exit %d, %s", code, stderr)
	}
	if end := s.must(201, "POST", "/sync/v2/jobs", job); end.Data.Status != "finished" {
		t.Errorf("an older one that was there before: %+v", end.Data)
	}
}

// TestUnlikeClocks has processes whose clocks are an hour off, either way, and one that is right.
func TestUnlikeClocks(t *testing.T) {
	database, data := emptyDatabase(t), t.TempDir()
	start := func(clock string, args ...string) *server {
		c := gantry(t, append(args, "--data", data, "--database", database)...)
		c.Env = append(c.Env, wrongClock+"="+clock)
		s, line := begin(t, c)
		if line == "" {
			s.end(syscall.SIGKILL)
			if strings.Contains(s.log.String(), noClock) {
				t.Skip(noClock)
			}
			t.Fatalf("it logged:\n%s", s.log)
		}
		return s
	}
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--workers", "0"}
	work := []string{"work", "--workers", "2"}
	fast, slow := start("1h", serve...), start("-1h", serve...)
	right := start("0s", work...)
	start("1h", work...)
	start("-1h", work...)
	var acked acknowledged
	for range 5 {
		acked.submit(fast)
		acked.submit(slow)
	}
	right.end(syscall.SIGTERM)
	for range 5 { // for those who are wrong
		acked.submit(fast)
		acked.submit(slow)
	}
	if len(acked.ids) != 20 {
		t.Fatalf("%d jobs were acknowledged\n%s\n%s", len(acked.ids), fast.log, slow.log)
	}
	for i, id := range acked.ids {
		for _, s := range []*server{fast, slow} {
			end := s.must(200, "GET", "/v2/jobs/"+id+"/wait", "")
			if end.Data.Status != "finished" {
				t.Fatalf("job %d ended as %+v", i, end.Data)
			}
			f := end.Data.Tasks[4].Result.Files[0]
			checkFile(t, f.URL, f.Size, f.MD5)
		}
	}
	var spread float64 // of all times, in seconds
	const query = `SELECT (max(greatest(created_at, ended_at)) - min(least(created_at, ended_at))) / 1e6 FROM tasks`
	if err := openDatabase(t, database).QueryRowContext(t.Context(), query).Scan(&spread); err != nil || spread > 30*60 {
		t.Errorf("what happened is dated within %v s (%v)", spread, err)
	}
}
