package enginetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Open returns an engine on the parts under test, not running yet. Two with the same Config.Dir share their data.
type Open func(t testing.TB, c Config) *Server

// TestGraph is the contract of a store together with its queue and bus.
func TestGraph(t *testing.T, open Open) {
	for _, part := range []struct {
		name  string
		cases []graphCase
	}{
		{"flow", flowCases()},
		{"errors", errorCases()},
		{"cancel", cancelCases()},
		{"retry", retryCases()},
		{"fence", fenceCases()},
		{"loss", lossCases()},
		{"outside", outsideCases()},
		{"lanes", laneCases()},
		{"delete", deleteCases()},
		{"expire", expireCases()},
		{"blobs", blobCases()},
		{"idempotency", idempotencyCases()},
		{"events", eventCases()},
		{"text", textCases()},
		{"connections", connectionCases()},
		{"organisations", organisationCases()},
		{"exports", exportCases()},
		{"workspaces", workspaceCases()},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, c := range part.cases {
				t.Run(c.name, func(t *testing.T) { c.test(&lab{T: t, open: open}) })
			}
		})
	}
}

type graphCase struct {
	name string
	test func(*lab)
}

// lab is what a case works with: a running engine with toys and gates, and a look at what its worker tells the store.
type lab struct {
	*testing.T
	*Server
	open Open
	gate *Gate
	spy  *spy
	dir  string
}

// start runs an engine with that many slots in each lane. After a kill it runs another on the same data.
func (l *lab) start(slots int) *lab {
	l.Helper()
	l.prepare(Config{Slots: slots})
	l.Server.Start(l.T)
	return l
}

func (l *lab) prepare(c Config) *lab {
	l.Helper()
	if l.dir == "" {
		l.dir = l.TempDir()
	}
	l.gate = NewGate()
	c.Dir, c.Drain = l.dir, time.Millisecond
	c.Operations = append(Toys(), l.gate.Operation("gate", engine.LaneCPU), l.gate.Operation("netgate", engine.LaneNet),
		l.gate.Deaf("deaf", engine.LaneCPU), l.hold())
	before := l.Server
	l.Server = l.open(l.T, c)
	l.Cleanup(l.gate.Open)
	if before != nil { // time goes on
		l.Clock.Advance(before.Clock.Now().Sub(l.Clock.Now()))
	}
	l.spy = &spy{Graph: l.Engine.Store.Graph, gate: l.gate, ends: make(chan ended, 10_000)}
	l.Engine.Store.Graph = l.spy
	return l
}

// hold is a gate with inputs.
func (l *lab) hold() engine.Operation {
	op := l.gate.Operation("hold", engine.LaneCPU)
	op.Source = false
	return op
}

// spy notes what the worker told the store of attempts at the gate, and what it was answered.
type spy struct {
	engine.Graph
	gate *Gate
	ends chan ended
}

type ended struct {
	engine.Settlement
	back *engine.Postponement // in its place
	err  error
}

func (s *spy) Settle(ctx context.Context, end engine.Settlement) error {
	err := s.Graph.Settle(ctx, end)
	s.note(end.Ref, ended{Settlement: end, err: err})
	return err
}

func (s *spy) Postpone(ctx context.Context, back engine.Postponement) error {
	err := s.Graph.Postpone(ctx, back)
	s.note(back.Ref, ended{back: &back, err: err})
	return err
}

func (s *spy) note(ref engine.Ref, e ended) {
	if _, ok := s.gate.seen.Load(ref.Task); ok {
		s.ends <- e
	}
}

// ended returns what the worker said next of an attempt.
func (l *lab) ended() ended {
	l.Helper()
	select {
	case e := <-l.spy.ends:
		return e
	case <-time.After(patience):
		l.Fatal("no attempt ended")
		return ended{}
	}
}

func (l *lab) submit(tasks ...engine.TaskSpec) engine.Job {
	l.Helper()
	return l.MustSubmit(l.T, tasks...)
}

// want waits for the end of the job and compares its Summary.
func (l *lab) want(job engine.Job, want string) engine.Job {
	l.Helper()
	end := l.MustEnd(l.T, job.ID)
	if got := Summary(end); got != want {
		l.Errorf("job ended as\n\t%s, want\n\t%s", got, want)
	}
	return end
}

// stands compares the Summary of the job as it stands.
func (l *lab) stands(job engine.Job, want string) {
	l.Helper()
	if got := Summary(l.job(job)); got != want {
		l.Errorf("job stands as\n\t%s, want\n\t%s", got, want)
	}
}

func (l *lab) job(job engine.Job) engine.Job {
	l.Helper()
	now, err := l.Job(l.Context(), l.User, job.ID)
	if err != nil {
		l.Fatalf("read the job: %v", err)
	}
	return now
}

func (l *lab) task(id engine.ID) engine.Task {
	l.Helper()
	task, err := l.Task(l.Context(), l.User, id)
	if err != nil {
		l.Fatalf("read the task: %v", err)
	}
	return task
}

// text is the content of the only file of the task.
func (l *lab) text(job engine.Job, name string) string {
	l.Helper()
	task := Named(l.T, l.job(job), name)
	if task.Result == nil || len(task.Result.Files) != 1 {
		l.Fatalf("task %s has the result %+v, want one file", name, task.Result)
	}
	return l.Content(l.T, task.Result.Files[0])
}

// ok ends the test when a step of it failed.
func (l *lab) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// code compares the code of an error; an empty one wants none.
func (l *lab) code(err error, want engine.Code) {
	l.Helper()
	got := engine.Code("")
	if err != nil {
		got = engine.CodeOf(err)
	}
	if got != want {
		l.Errorf("got error %q (%v), want %q", got, err, want)
	}
}

// later moves the clock and lets the keeper wake what is due.
func (l *lab) later(d time.Duration) {
	l.Helper()
	l.Clock.Advance(d)
	_, err := l.Engine.Store.Keeper.Wake(l.Context(), l.Clock.Now())
	l.ok(err)
}

// sweep moves the clock and lets go what has expired.
func (l *lab) sweep(d time.Duration) {
	l.Helper()
	l.Clock.Advance(d)
	l.ok(l.Sweep(l.Context()))
}

// blobs lists the stored blobs.
func (l *lab) blobs() map[engine.BlobID]bool {
	l.Helper()
	found := map[engine.BlobID]bool{}
	l.ok(l.Files.Walk(l.Context(), func(b engine.BlobID, _ time.Time) error { found[b] = true; return nil }))
	return found
}

// idOf is the id of a task of the job.
func (l *lab) idOf(job engine.Job, name string) engine.ID {
	l.Helper()
	return Named(l.T, job, name).ID
}

// gates are tasks of the gate operation with these names.
func gates(names string) (tasks []engine.TaskSpec) {
	for _, name := range strings.Fields(names) {
		tasks = append(tasks, Task(name, "gate", ""))
	}
	return tasks
}
