package cmd_test

import (
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

var killSeeds = flag.Int("kill-seeds", 20, "how many random runs TestKill makes")

// TestKill kills a serving process at random moments while clients submit jobs, and starts another on its data. What was
// acknowledged must end, once, with whole files.
func TestKill(t *testing.T) {
	embedded(t)
	for seed := range *killSeeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { killRun(t, uint64(seed)) })
	}
}

func killRun(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	data := t.TempDir()
	var acked acknowledged
	for range 1 + r.IntN(2) { // a third death over one task would rightly end it
		s := serve(t, data)
		life := time.Duration(r.IntN(250)) * time.Millisecond
		dead := make(chan struct{})
		time.AfterFunc(life, func() { s.kill(); close(dead) })
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() { acked.submitUntil(s, dead) })
		}
		clients.Wait()
		<-dead
	}
	s := serve(t, data)
	for _, id := range acked.ids {
		job := s.must(200, "GET", "/v2/jobs/"+id+"/wait", "")
		if job.Data.Status != "finished" {
			t.Errorf("job %s: %+v", id, job.Data)
		}
		for _, task := range job.Data.Tasks {
			for _, f := range task.Result.Files {
				checkFile(t, f.URL, f.Size, f.MD5)
			}
		}
	}
	for _, id := range unacknowledged(t, s) {
		s.must(200, "GET", "/v2/tasks/"+id+"/wait", "")
	}
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d after SIGTERM:\n%s", code, s.log)
	}
	checkTables(t, data, len(acked.ids))
}

// unacknowledged returns the tasks that end without anybody's doing: stored jobs whose answers were cut off go on too, but
// those without their upload.
func unacknowledged(t testing.TB, s *server) (ids []string) {
	t.Helper()
	_, text, err := s.ask("GET", "/v2/jobs?per_page=1000&include=tasks", "")
	var list struct {
		Data []struct{ Tasks []task }
	}
	if err != nil || json.Unmarshal(text, &list) != nil {
		t.Fatalf("list: %v, %s", err, text)
	}
	for _, job := range list.Data {
		uploaded := false
		for _, task := range job.Tasks {
			if task.Name == "b" {
				uploaded = task.Message != "Waiting for file upload"
			}
		}
		for _, task := range job.Tasks {
			if uploaded || task.Name == "a" || task.Name == "html" {
				ids = append(ids, task.ID)
			}
		}
	}
	return ids
}

// acknowledged are the jobs that were answered with 201, with their uploads done.
type acknowledged struct {
	mu  sync.Mutex
	ids []string
}

const killJob = `{"tasks": {
	"a": {"operation": "import/raw", "file": "# One\n\nText.", "filename": "one.md"},
	"b": {"operation": "import/upload"},
	"html": {"operation": "convert", "input": "a", "output_format": "html"},
	"zip": {"operation": "archive", "input": ["html", "b"], "output_format": "zip"},
	"out": {"operation": "export/url", "input": ["zip", "b"], "archive_multiple_files": true}}}`

// submitUntil submits jobs until the server is dead. A request that fails then was not acknowledged.
func (a *acknowledged) submitUntil(s *server, dead <-chan struct{}) {
	for {
		select {
		case <-dead:
			return
		default:
			a.submit(s)
		}
	}
}

// submit submits a job and its upload.
func (a *acknowledged) submit(s *server) {
	status, text, err := s.ask("POST", "/v2/jobs", killJob)
	if err != nil || status != 201 {
		return
	}
	var job struct {
		Data struct {
			ID    string
			Tasks []struct {
				Name   string
				Result struct {
					Form struct {
						URL        string
						Parameters map[string]string
					}
				}
			}
		}
	}
	if json.Unmarshal(text, &job) != nil {
		return
	}
	form := job.Data.Tasks[1].Result.Form
	if upload(form.URL, form.Parameters) == http.StatusCreated {
		a.mu.Lock()
		a.ids = append(a.ids, job.Data.ID)
		a.mu.Unlock()
	}
}

// upload sends a file to a form and returns the status, or 0.
func upload(url string, parameters map[string]string) int {
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range parameters {
		_ = m.WriteField(name, value)
	}
	part, _ := m.CreateFormFile("file", "noise.bin")
	_, _ = part.Write(bytes.Repeat([]byte{0, 1, 2, 3, 0xff}, 20_000))
	_ = m.Close()
	resp, err := http.Post(url, m.FormDataContentType(), &body)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// checkFile downloads what has a link and compares it with what is said of it.
func checkFile(t testing.TB, url string, size int64, sum string) {
	t.Helper()
	if url == "" {
		return
	}
	status, body := get(t, url)
	got := md5.Sum(body)
	if status != 200 || int64(len(body)) != size || hex.EncodeToString(got[:]) != sum {
		t.Errorf("got %d and %d bytes with MD5 %x, want %d bytes with %s", status, len(body), got, size, sum)
	}
}

// checkTables looks for what must not be in a database at rest.
func checkTables(t *testing.T, data string, acked int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "gantry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkRows(t, db, data, acked)
	if left, _ := filepath.Glob(filepath.Join(data, "work", "*")); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
}

// checkRows looks at the tables and at the files they name.
func checkRows(t testing.TB, db *sql.DB, data string, acked int) {
	t.Helper()
	for what, query := range map[string]string{
		"tasks that are neither over nor waiting for an upload": `SELECT count(*) FROM tasks WHERE ended_at IS NULL
			AND awaits = 0 AND deps_left = 0`,
		"tasks that ended twice":     `SELECT count(*) FROM (SELECT 1 FROM events WHERE kind IN ('task.finished', 'task.failed') GROUP BY task_id HAVING count(*) > 1) AS t`,
		"jobs with a wrong count":    `SELECT count(*) FROM jobs WHERE tasks_left <> (SELECT count(*) FROM tasks WHERE job_id = jobs.id AND ended_at IS NULL)`,
		"gaps in a job's events":     `SELECT count(*) FROM jobs WHERE events <> (SELECT count(*) FROM events WHERE job_id = jobs.id)`,
		"files that refer to nobody": `SELECT count(*) FROM files WHERE blob_id IS NOT NULL AND blob_id NOT IN (SELECT id FROM blobs WHERE dying = 0)`,
	} {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n > 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	rows, err := db.Query(`SELECT DISTINCT blob_id, md5 FROM files WHERE blob_id IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	blobs := 0
	for rows.Next() {
		var blob, want string
		if err := rows.Scan(&blob, &want); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(data, "files", blob[len(blob)-2:], blob))
		got := md5.Sum(text)
		if err != nil || hex.EncodeToString(got[:]) != want {
			t.Errorf("blob %s is not whole: %v", blob, err)
		}
		blobs++
	}
	if acked > 0 && blobs == 0 {
		t.Error("no file was looked at")
	}
}
