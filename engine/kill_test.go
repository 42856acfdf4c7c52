package engine_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var killSeeds = flag.Int("kill-seeds", 20, "random runs in which a process is killed")

// The folder and the database of the process that is to be killed, in its environment.
const (
	victimDir      = "GANTRY_TEST_VICTIM"
	victimDatabase = "GANTRY_TEST_VICTIM_DATABASE"
)

var servers testserver.Servers

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		fmt.Fprintln(os.Stderr, victim(context.Background(), dir, os.Getenv(victimDatabase)))
		os.Exit(1) // it runs until it is killed
	}
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("25") // each is a few dozen commits to a disk
	}
	os.Exit(testserver.Main(m, &servers))
}

// TestKill kills a process at random moments of random jobs, several times over, and looks at what is left.
func TestKill(t *testing.T) {
	killAll(t, func(testing.TB, string) string { return "" })
}

func TestKillOnPostgres(t *testing.T) {
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	killAll(t, func(t testing.TB, dir string) string { return enginetest.DatabaseOf(t, server, dir) })
}

func killAll(t *testing.T, database func(t testing.TB, dir string) string) {
	for seed := range *killSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			k := &killing{T: t, dir: dir, database: database(t, dir), random: rand.New(rand.NewPCG(uint64(seed), 0)), deleted: map[engine.ID]bool{}}
			for range 2 + k.random.IntN(3) {
				k.round()
			}
			k.inspect()
		})
	}
}

type killing struct {
	*testing.T
	dir      string
	database string
	random   *rand.Rand
	stored   []engine.ID // jobs whose submission was acknowledged
	deleted  map[engine.ID]bool
}

// round starts a process and kills it after a random number of the lines with which it tells what it is at.
func (k *killing) round() {
	k.Helper()
	victim := exec.CommandContext(k.Context(), os.Args[0])
	victim.Env = append(os.Environ(), victimDir+"="+k.dir, victimDatabase+"="+k.database)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		k.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for left := 1 + k.random.IntN(400); left > 0 && lines.Scan(); left-- {
		k.note(lines.Text())
	}
	if err := victim.Process.Kill(); err != nil {
		k.Fatal(err)
	}
	for lines.Scan() { // what it had still said
		k.note(lines.Text())
	}
	if err := victim.Wait(); err == nil || victim.ProcessState.Exited() {
		k.Fatalf("the process ended by itself: %v", err)
	}
}

func (k *killing) note(line string) {
	switch word, id, _ := strings.Cut(line, " "); word {
	case "stored":
		k.stored = append(k.stored, engine.ID(id))
	case "deleting":
		k.deleted[engine.ID(id)] = true
	}
}

// inspect lets what is left run to its end and checks it.
func (k *killing) inspect() {
	s := enginetest.New(k.T, killConfig(k.dir, k.database, io.Discard))
	s.Start(k.T)
	jobs, err := s.Jobs(k.Context(), engine.JobQuery{User: s.User})
	if err != nil {
		k.Fatal(err)
	}
	for _, job := range jobs { // the unacknowledged too
		k.hasEnded(s, k.woken(s, job.ID))
	}
	for _, id := range k.stored {
		if _, err := s.Job(k.Context(), s.User, id); err != nil && !k.deleted[id] {
			k.Errorf("the acknowledged job %s: %v", id, err)
		}
	}
	s.Stop(k.T)
	k.wantFiles(s)
}

// woken waits for the end of the job, while time flies for what is postponed.
func (k *killing) woken(s *enginetest.Server, id engine.ID) engine.Job {
	k.Helper()
	hints, stop := s.Bus.Subscribe(id)
	defer stop()
	patience := time.After(time.Minute)
	for {
		job, err := s.Job(k.Context(), s.User, id)
		if err != nil {
			k.Fatal(err)
		}
		if job.Status.Ended() {
			return job
		}
		select {
		case <-hints:
		case <-time.After(20 * time.Millisecond):
			s.Clock.Advance(time.Minute)
			if _, err := s.Engine.Store.Keeper.Wake(k.Context(), s.Clock.Now()); err != nil {
				k.Fatal(err)
			}
		case <-patience:
			k.Fatalf("job %s does not end: %s", id, enginetest.Summary(job))
		}
	}
}

// hasEnded checks that everything of the job ended exactly once.
func (k *killing) hasEnded(s *enginetest.Server, job engine.Job) {
	events, err := s.Events(k.Context(), s.User, job.ID, 0)
	if err != nil {
		k.Fatal(err)
	}
	ends := map[engine.ID]int{}
	for i, e := range events {
		if e.N != int64(i+1) {
			k.Fatalf("event %d of job %s has the number %d", i+1, job.ID, e.N)
		}
		switch e.Kind {
		case engine.TaskFinished, engine.TaskFailed, engine.JobFinished, engine.JobFailed:
			ends[e.Task]++
		}
	}
	if ends[""] != 1 {
		k.Errorf("job %s ended %d times", job.ID, ends[""])
	}
	for _, task := range job.Tasks {
		if !task.Status.Ended() || ends[task.ID] != 1 {
			k.Errorf("task %s of an ended job is %s and ended %d times", task.ID, task.Status, ends[task.ID])
		}
	}
}

// wantFiles checks that what results name is whole, and that the store holds nothing else.
func (k *killing) wantFiles(s *enginetest.Server) {
	s.Clock.Advance(48 * time.Hour) // nothing expires in this time, but orphans go
	if err := s.Sweep(k.Context()); err != nil {
		k.Fatal(err)
	}
	tasks, err := s.Tasks(k.Context(), engine.TaskQuery{User: s.User})
	if err != nil {
		k.Fatal(err)
	}
	named := map[engine.BlobID]bool{}
	for _, task := range tasks {
		if task.Result == nil {
			continue
		}
		for _, f := range task.Result.Files {
			named[f.Blob] = true
			if got := k.sum(s, f); got != f.SHA256 {
				k.Errorf("file %s of task %s has the hash %s, want %s", f.Name, task.ID, got, f.SHA256)
			}
		}
	}
	k.wantBlobs(s, named)
	s.Clock.Advance(20 * killExpiry)
	if err := s.Sweep(k.Context()); err != nil {
		k.Fatal(err)
	}
	k.wantBlobs(s, nil)
	if left, err := s.Jobs(k.Context(), engine.JobQuery{User: s.User}); err != nil || len(left) > 0 {
		k.Errorf("%d jobs are left after their time (%v)", len(left), err)
	}
}

func (k *killing) sum(s *enginetest.Server, f engine.File) string {
	src, err := s.Files.Open(k.Context(), f.Blob)
	if err != nil {
		return err.Error()
	}
	defer src.Close()
	h := sha256.New()
	if _, err := io.Copy(h, src); err != nil {
		return err.Error()
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (k *killing) wantBlobs(s *enginetest.Server, want map[engine.BlobID]bool) {
	k.Helper()
	got := 0
	err := s.Files.Walk(k.Context(), func(b engine.BlobID, _ time.Time) error {
		got++
		if !want[b] {
			k.Errorf("no row refers to blob %s", b)
		}
		return nil
	})
	if err != nil || got != len(want) {
		k.Errorf("%d blobs are stored, want %d (%v)", got, len(want), err)
	}
}

const killExpiry = 1000 * time.Hour

// killConfig is the same for the process that is killed and the one that looks after it.
func killConfig(dir, database string, say io.Writer) enginetest.Config {
	limits := engine.DefaultLimits()
	limits.FreeSpace, limits.Expiry = 0, killExpiry
	source := engine.Define("source", "Makes files.", engine.LaneCPU, struct{}{}, engine.HandlerFunc[struct{}](
		func(ctx context.Context, run *engine.Run, _ struct{}) (engine.Result, error) {
			return work(ctx, run, say)
		}))
	source.Source = true
	step := source
	step.Name, step.Source, step.Lane = "step", false, engine.LaneNet
	return enginetest.Config{Dir: dir, Database: database, Limits: limits, Operations: []engine.Operation{source, step}}
}

// work passes some input on and makes some files, says where it is, and fails now and then.
func work(ctx context.Context, run *engine.Run, say io.Writer) (engine.Result, error) {
	fmt.Fprintln(say, "working", run.Task)
	inputs, err := run.Inputs(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	for _, in := range inputs {
		result.Files = append(result.Files, in.Files[:min(1, len(in.Files))]...)
	}
	for range rand.IntN(3) {
		f, err := run.Create(ctx, "x", io.LimitReader(noise{}, rand.Int64N(100_000)))
		if err != nil {
			return result, err
		}
		result.Files = append(result.Files, f)
		fmt.Fprintln(say, "made", f.Blob)
	}
	run.Progress(rand.IntN(100), "working")
	switch rand.IntN(30) {
	case 0:
		return result, engine.Errorf(engine.Denied, "No.")
	case 1:
		return result, &engine.Error{Code: engine.Unavailable, Message: "Later.", RetryAfter: time.Millisecond}
	}
	return result, nil
}

// noise is endless random bytes.
type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return len(p), nil
}

// victim runs an engine with random jobs and tells on its standard output what it is at, until it is killed.
func victim(ctx context.Context, dir, database string) error {
	c := killConfig(dir, database, os.Stdout)
	c.Now = time.Now
	s, err := enginetest.Assemble(ctx, c)
	if err != nil {
		return err
	}
	fmt.Println("open")
	failed := make(chan error)
	go func() { failed <- s.Run(ctx) }()
	for range 4 {
		go func() {
			for {
				if err := pester(ctx, s); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// pester submits a random job, and sometimes cancels a task of it or deletes it.
func pester(ctx context.Context, s *enginetest.Server) error {
	var tasks []engine.TaskSpec
	for i := range 1 + rand.IntN(8) {
		spec := enginetest.Task(fmt.Sprintf("t%d", i), "source", "")
		for from := range i {
			if rand.IntN(3) == 0 {
				spec.Operation, spec.Input = "step", append(spec.Input, fmt.Sprintf("t%d", from))
			}
		}
		spec.IgnoreError = rand.IntN(4) == 0
		tasks = append(tasks, spec)
	}
	job, err := s.Submit(ctx, s.User, engine.Submission{Tasks: tasks})
	if err != nil {
		return err
	}
	fmt.Println("stored", job.ID)
	switch rand.IntN(6) {
	case 0:
		if _, err := s.Cancel(ctx, s.User, job.Tasks[rand.IntN(len(job.Tasks))].ID); err != nil && engine.CodeOf(err) != engine.Conflict {
			return err
		}
	case 1:
		fmt.Println("deleting", job.ID)
		return s.DeleteJob(ctx, s.User, job.ID)
	case 2:
		return s.Sweep(ctx)
	}
	_, err = s.WaitJob(ctx, s.User, job.ID)
	return err
}
