package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers itself with database/sql

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

var chaosSeeds = flag.Int("chaos-seeds", 20, "how many random runs TestChaos makes")

// cluster is two servers and two workers, processes all, over one database and one folder of files.
type cluster struct {
	testing.TB
	data, url string
	files     string // --files; empty: in the data folder
	log       string // what the operation test/slow says

	mu      sync.Mutex
	servers []*server
	workers []*server
}

func newCluster(t testing.TB, postgres string) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{TB: t, data: dir, url: enginetest.DatabaseOf(t, postgres, dir), log: filepath.Join(dir, "slow.log")}
	for range 2 {
		c.servers = append(c.servers, c.serve())
		c.workers = append(c.workers, c.work())
	}
	return c
}

func (c *cluster) serve() *server {
	return serve(c, c.data, "--database", c.url, "--workers", "0", "--drain", "10s")
}

// work starts a worker.
func (c *cluster) work() *server {
	c.Helper()
	s := &server{t: c, log: &bytes.Buffer{},
		proc: gantry(c, "work", "--database", c.url, "--data", c.data, "--workers", "4", "--drain", "10s", "--files", c.files)}
	s.proc.Env = append(s.proc.Env, slowLog+"="+c.log)
	s.proc.Stderr = s.log
	out, err := s.proc.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := s.proc.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(s.kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "working as") {
		_ = s.proc.Wait()
		c.Fatalf("the worker printed %q and logged:\n%s", line, s.log)
	}
	return s
}

// api is one of the servers that live.
func (c *cluster) api(n int) *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[n%len(c.servers)]
}

// shoot kills one process and starts another in its place after a while.
func (c *cluster) shoot(of []*server, n int, pause time.Duration, start func() *server) {
	of[n].kill()
	<-time.After(pause)
	fresh := start()
	c.mu.Lock()
	defer c.mu.Unlock()
	of[n] = fresh
}

// submitUntil submits jobs to both servers until done is closed. What was not answered with success is not acknowledged.
func (c *cluster) submitUntil(acked *acknowledged, done <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
			acked.submit(c.api(n))
		}
	}
}

// end stops all processes, which takes none of them a complaint.
func (c *cluster) end() {
	c.Helper()
	for _, s := range append(c.servers[:len(c.servers):len(c.servers)], c.workers...) {
		if code := s.end(syscall.SIGTERM); code != 0 {
			c.Errorf("exit %d after SIGTERM:\n%s", code, s.log)
		}
	}
}

// check waits for the end of what was acknowledged and of what was not, and looks at files and tables.
func (c *cluster) check(acked *acknowledged) {
	c.Helper()
	for n, id := range acked.ids {
		job := c.api(n).must(200, "GET", "/v2/jobs/"+id+"/wait", "")
		if job.Data.Status != "finished" {
			c.Errorf("job %s: %+v", id, job.Data)
		}
		for _, task := range job.Data.Tasks {
			for _, f := range task.Result.Files {
				checkFile(c, f.URL, f.Size, f.MD5)
			}
		}
	}
	for n, id := range unacknowledged(c, c.api(0)) {
		c.api(n).must(200, "GET", "/v2/tasks/"+id+"/wait", "")
	}
	c.end()
	db, err := sql.Open("pgx", c.url)
	if err != nil {
		c.Fatal(err)
	}
	defer db.Close()
	checkRows(c, db, c.data, len(acked.ids))
}

// TestChaos kills any of two servers and two workers at random moments while clients submit jobs.
func TestChaos(t *testing.T) {
	postgres := servers.Start(t, "postgres")["POSTGRES_URL"]
	for seed := range *chaosSeeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			c := newCluster(t, postgres)
			var acked acknowledged
			var clients sync.WaitGroup
			done := make(chan struct{})
			for range 2 {
				clients.Go(func() { c.submitUntil(&acked, done) })
			}
			for kills := 2 + r.IntN(3); kills > 0; kills-- {
				<-time.After(time.Duration(r.IntN(400)) * time.Millisecond)
				pause := time.Duration(r.IntN(300)) * time.Millisecond
				if n := r.IntN(4); n < 2 || kills > 2 { // a third death over one task would rightly end it
					c.shoot(c.servers, n%2, pause, c.serve)
				} else {
					c.shoot(c.workers, n%2, pause, c.work)
				}
			}
			close(done)
			clients.Wait()
			c.check(&acked)
		})
	}
}

// slowLog names the file in which test/slow tells of its attempts.
const slowLog = "GANTRY_TEST_SLOW"

type slow struct {
	Seconds float64 `json:"seconds"`
}

// slowOperation takes its time and makes a file that names its attempt.
func slowOperation() engine.Operation {
	op := engine.Define("test/slow", "Takes its time.", engine.LaneCPU, slow{}, engine.HandlerFunc[slow](
		func(ctx context.Context, run *engine.Run, p slow) (engine.Result, error) {
			tell(os.Getenv(slowLog), "begin %s %d\n", run.Task, run.Attempt)
			select {
			case <-time.After(time.Duration(p.Seconds * float64(time.Second))):
			case <-ctx.Done():
				tell(os.Getenv(slowLog), "lost %s %d\n", run.Task, run.Attempt)
				return engine.Result{}, context.Cause(ctx)
			}
			f, err := run.Create(context.WithoutCancel(ctx), "a.txt", strings.NewReader(fmt.Sprintf("attempt %d", run.Attempt)))
			f.Link = true
			return engine.Result{Files: []engine.File{f}}, err
		}))
	op.Source = true
	return op
}

func tell(path, format string, args ...any) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, format, args...)
}

// await waits until the log of test/slow has the line.
func (c *cluster) await(line string) {
	c.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if text, err := os.ReadFile(c.log); err == nil && strings.Contains("\n"+string(text), "\n"+line+"\n") {
			return
		}
	}
	c.Fatalf("%q does not come", line)
}

// TestFrozenWorker stops a worker for longer than its lease. Another one takes its task; what the first has to say when it
// goes on changes nothing.
func TestFrozenWorker(t *testing.T) {
	c := newCluster(t, servers.Start(t, "postgres")["POSTGRES_URL"])
	spare := c.workers[1]
	if code := spare.end(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit %d after SIGTERM", code)
	}
	job := c.api(0).must(201, "POST", "/v2/jobs", `{"tasks": {"a": {"operation": "test/slow", "seconds": 8}}}`)
	task := job.Data.Tasks[0].ID
	c.await("begin " + task + " 1")
	frozen := c.workers[0]
	if err := frozen.proc.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.workers[1] = c.work()
	c.await("begin " + task + " 2")
	if err := frozen.proc.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.await("lost " + task + " 1")
	end := c.api(1).must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", "")
	if end.Data.Status != "finished" {
		t.Fatalf("the job ended as %+v", end.Data)
	}
	if _, text := get(t, end.Data.Tasks[0].Result.Files[0].URL); string(text) != "attempt 2" {
		t.Errorf("the result is %q", text)
	}
	c.end()
}

// database runs the script of PostgreSQL with a command on a server of the test's own.
func database(t testing.TB, command, dir string) string {
	t.Helper()
	c := exec.Command("../testdata/servers/postgres.sh", command, dir)
	c.Env = append(os.Environ(), fmt.Sprint("OWNER_PID=", os.Getpid()))
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s the database: %v\n%s", command, err, &complaint)
	}
	return string(out)
}
