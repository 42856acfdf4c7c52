package engine_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

// TestModel drives an engine at random and compares it, after every step, with a small model of what jobs and tasks are.
func TestModel(t *testing.T) {
	model(t, func(string) string { return "" }, rapid.IntRange(1, 4))
}

// TestModelOnPostgres has a slot for every task: what takes the last one is not decided in one place there.
func TestModelOnPostgres(t *testing.T) {
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	model(t, func(dir string) string { return enginetest.DatabaseOf(t, server, dir) }, rapid.Just(200))
}

func model(t *testing.T, database func(dir string) string, slots *rapid.Generator[int]) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "model-")
		if err != nil {
			rt.Fatal(err)
		}
		w := &world{T: rt, dir: dir, database: database(dir), slots: slots.Draw(rt, "slots")}
		w.open()
		defer w.end()
		rt.Repeat(map[string]func(*rapid.T){
			"submit": w.submit, "submit more": w.submit, "finish": w.finish, "finish more": w.finish, "fail": w.fail,
			"cancel": w.cancel, "delete task": w.deleteTask, "delete job": w.deleteJob, "retry": w.retry,
			"wake": w.wake, "expire": w.expire, "drain": w.drain, "die": w.die, "": w.compare,
		})
		w.finishAll()
	})
}

// The states of a task in the model. A ready one is claimable, a running one has a slot.
const (
	waiting   = "waiting"
	ready     = "ready"
	running   = "running"
	postponed = "postponed"
	finished  = "finished"
	failed    = "failed"
)

type modelTask struct {
	id      engine.ID
	name    string
	job     *modelJob
	inputs  []*modelTask
	ignore  bool // asked for
	ignored bool // its failure does not count
	state   string
	code    engine.Code
	started bool
	gone    bool
	tries   int
	losses  int
	endedAt time.Time
	call    *enginetest.Call
}

func (t *modelTask) ended() bool { return t.state == finished || t.state == failed }

type modelJob struct {
	id       engine.ID
	hidden   bool
	tasks    []*modelTask
	failures int
	touched  bool // something started or ended
}

type world struct {
	*rapid.T
	*enginetest.Server
	gate     *enginetest.Gate
	told     chan error // what the store answered the worker
	dir      string
	database string
	slots    int
	died     bool
	jobs     []*modelJob
}

func (w *world) open() {
	var before time.Time
	if w.Server != nil {
		before = w.Clock.Now()
	}
	w.gate = enginetest.NewGate()
	step := w.gate.Operation("step", engine.LaneCPU)
	step.Source = false
	s, err := enginetest.Assemble(w.Context(), enginetest.Config{Dir: w.dir, Database: w.database, Slots: w.slots, Drain: time.Millisecond, Log: io.Discard,
		Operations: []engine.Operation{w.gate.Operation("source", engine.LaneCPU), step}})
	if err != nil {
		w.Fatal(err)
	}
	w.Server = s
	if !before.IsZero() {
		s.Clock.Advance(before.Sub(s.Clock.Now()))
	}
	w.told = make(chan error, 1000)
	s.Engine.Store.Graph = telling{Graph: s.Engine.Store.Graph, told: w.told}
	s.Start(w.T)
}

// telling tells the test when an end of the worker was taken.
type telling struct {
	engine.Graph
	told chan error
}

func (g telling) Settle(ctx context.Context, end engine.Settlement) error {
	err := g.Graph.Settle(ctx, end)
	g.told <- err
	return err
}

func (g telling) Postpone(ctx context.Context, back engine.Postponement) error {
	err := g.Graph.Postpone(ctx, back)
	g.told <- err
	return err
}

func (w *world) end() {
	w.gate.Open()
	w.Close(w.T)
}

// tasks are those the model knows and f accepts, oldest job first.
func (w *world) tasks(f func(*modelTask) bool) (found []*modelTask) {
	for _, j := range w.jobs {
		for _, t := range j.tasks {
			if !t.gone && f(t) {
				found = append(found, t)
			}
		}
	}
	return found
}

// pick draws a task that f accepts; without one the step is skipped.
func (w *world) pick(rt *rapid.T, f func(*modelTask) bool) *modelTask {
	found := w.tasks(f)
	if len(found) == 0 {
		rt.Skip("there is none")
	}
	return rapid.SampledFrom(found).Draw(rt, "task")
}

func is(state string) func(*modelTask) bool {
	return func(t *modelTask) bool { return t.state == state }
}

func (w *world) submit(rt *rapid.T) {
	others := w.tasks(func(*modelTask) bool { return true })
	job := &modelJob{}
	var specs []engine.TaskSpec
	for i := range rapid.IntRange(1, 5).Draw(rt, "tasks") {
		task := &modelTask{name: fmt.Sprintf("t%d", i), job: job, state: waiting, ignore: rapid.IntRange(0, 3).Draw(rt, "ignore") == 0}
		spec := enginetest.Task(task.name, "source", "")
		spec.IgnoreError = task.ignore
		for _, in := range job.tasks {
			if rapid.IntRange(0, 2).Draw(rt, "input") == 0 {
				task.inputs, spec.Input = append(task.inputs, in), append(spec.Input, in.name)
			}
		}
		if len(others) > 0 && rapid.IntRange(0, 5).Draw(rt, "foreign") == 0 {
			in := rapid.SampledFrom(others).Draw(rt, "from")
			task.inputs, spec.Input = append(task.inputs, in), append(spec.Input, string(in.id))
		}
		if len(spec.Input) > 0 {
			spec.Operation = "step"
		}
		job.tasks, specs = append(job.tasks, task), append(specs, spec)
	}
	stored, err := w.Submit(w.Context(), w.User, engine.Submission{Tasks: specs})
	if err != nil {
		rt.Fatal(err)
	}
	w.add(job, stored)
}

func (w *world) add(job *modelJob, stored engine.Job) {
	job.id = stored.ID
	for i, t := range job.tasks {
		t.id = stored.Tasks[i].ID
	}
	w.jobs = append(w.jobs, job)
	w.settle()
}

func (w *world) retry(rt *rapid.T) {
	old := w.pick(rt, (*modelTask).ended)
	stored, err := w.Retry(w.Context(), w.User, old.id)
	if slices.ContainsFunc(old.inputs, func(in *modelTask) bool { return in.gone }) {
		if engine.CodeOf(err) != engine.Conflict {
			rt.Fatalf("retry without its inputs: %v, want a conflict", err)
		}
		return
	}
	if err != nil {
		rt.Fatal(err)
	}
	job := &modelJob{hidden: true}
	job.tasks = []*modelTask{{job: job, inputs: old.inputs, state: waiting}}
	w.add(job, engine.Job{ID: stored.Job, Tasks: []engine.Task{stored}})
}

func (w *world) finish(rt *rapid.T) {
	t := w.pick(rt, is(running))
	t.call.Finish()
	w.answered(nil)
	w.ends(t, finished, "", false)
	w.settle()
}

func (w *world) fail(rt *rapid.T) {
	t := w.pick(rt, is(running))
	code := rapid.SampledFrom([]engine.Code{engine.Denied, engine.Unavailable, engine.Internal}).Draw(rt, "code")
	t.call.Fail(engine.Errorf(code, "It failed."))
	w.answered(nil)
	allowed := map[engine.Code]int{engine.Denied: 1, engine.Unavailable: 5, engine.Internal: 2}
	if t.tries+1 < allowed[code] {
		t.tries++
		t.state, t.call = postponed, nil
	} else {
		w.ends(t, failed, code, false)
	}
	w.settle()
}

// answered awaits what the store says to the worker's word.
func (w *world) answered(want error) {
	select {
	case err := <-w.told:
		if err != want { //nolint:errorlint // the store returns it bare
			w.Fatalf("the store answered %v, want %v", err, want)
		}
	case <-time.After(time.Minute):
		w.Fatal("the worker says nothing")
	}
}

func (w *world) cancel(rt *rapid.T) {
	t := w.pick(rt, func(*modelTask) bool { return true })
	ended := t.ended()
	_, err := w.Cancel(w.Context(), w.User, t.id)
	if ended != (err != nil && engine.CodeOf(err) == engine.Conflict) {
		rt.Fatalf("cancel of an ended task (%t): %v", ended, err)
	}
	if !ended {
		w.ends(t, failed, engine.Canceled, false)
	}
	w.settle()
}

func (w *world) deleteTask(rt *rapid.T) {
	t := w.pick(rt, func(*modelTask) bool { return true })
	if err := w.DeleteTask(w.Context(), w.User, t.id); err != nil {
		rt.Fatal(err)
	}
	w.remove(t)
	w.settle()
}

func (w *world) deleteJob(rt *rapid.T) {
	job := w.pick(rt, func(t *modelTask) bool { return !t.job.hidden }).job
	if err := w.DeleteJob(w.Context(), w.User, job.id); err != nil {
		rt.Fatal(err)
	}
	w.remove(job.tasks...)
	w.settle()
}

func (w *world) remove(tasks ...*modelTask) {
	for _, t := range tasks {
		if !t.ended() {
			w.ends(t, failed, engine.Canceled, false)
		}
	}
	for _, reader := range w.tasks(func(t *modelTask) bool { return !t.ended() && t.state != running }) {
		if slices.ContainsFunc(reader.inputs, func(in *modelTask) bool { return slices.Contains(tasks, in) }) {
			w.ends(reader, failed, engine.InputFailed, false)
		}
	}
	w.spread()
	for _, t := range tasks {
		t.gone = true
	}
}

func (w *world) wake(*rapid.T) { w.later(16 * time.Minute) }

func (w *world) expire(*rapid.T) { w.later(25 * time.Hour) }

func (w *world) later(d time.Duration) {
	w.Clock.Advance(d)
	if _, err := w.Engine.Store.Keeper.Wake(w.Context(), w.Clock.Now()); err != nil {
		w.Fatal(err)
	}
	for _, t := range w.tasks(is(postponed)) {
		t.state = ready
	}
	w.settle()
}

func (w *world) drain(*rapid.T) {
	w.Close(w.T)
	w.restart(0)
}

func (w *world) die(rt *rapid.T) {
	if w.died {
		rt.Skip("from the second loss on tasks run alone, which the model does not know")
	}
	w.died = true
	w.Kill(w.T)
	w.restart(1)
}

func (w *world) restart(losses int) {
	for _, t := range w.tasks(is(running)) {
		t.state, t.call = ready, nil
		t.losses += losses
	}
	w.open()
	w.settle()
}

// ends ends a task of the model.
func (w *world) ends(t *modelTask, state string, code engine.Code, ignored bool) {
	t.state, t.code, t.call, t.endedAt = state, code, nil, w.Clock.Now()
	t.ignored = state == failed && (ignored || t.ignore)
	if state == failed && !t.ignored {
		t.job.failures++
	}
	t.job.touched = true
}

// spread lets what waits see how its inputs stand, until nothing more follows.
func (w *world) spread() {
	for again := true; again; {
		again = false
		for _, t := range w.tasks(is(waiting)) {
			again = w.look(t) || again
		}
	}
}

// look ends or readies a waiting task if its inputs say so.
func (w *world) look(t *modelTask) bool {
	open, good := 0, 0
	for _, in := range t.inputs {
		switch {
		case in.state == finished:
			good++
		case in.state == failed && !in.ignored:
			w.ends(t, failed, engine.InputFailed, false)
			return true
		case in.state != failed:
			open++
		}
	}
	switch {
	case open > 0:
		return false
	case good == 0 && len(t.inputs) > 0:
		w.ends(t, failed, engine.InputFailed, true)
	default:
		t.state = ready
	}
	return true
}

// settle brings the model to rest: what is ready takes the free slots, oldest job first; what has expired goes.
func (w *world) settle() {
	w.spread()
	free := w.slots - len(w.tasks(is(running)))
	for _, t := range w.tasks(is(ready)) {
		if free--; free < 0 {
			break
		}
		t.state, t.started, t.job.touched = running, true, true
		t.call = w.gate.AwaitTask(w.T, t.id) // that it comes at all shows that no slot was lost
	}
	if err := w.Sweep(w.Context()); err != nil {
		w.Fatal(err)
	}
	for _, t := range w.tasks(func(t *modelTask) bool { return t.ended() && w.Clock.Now().Sub(t.endedAt) > 24*time.Hour }) {
		read := w.tasks(func(c *modelTask) bool { return !c.ended() && slices.Contains(c.inputs, t) })
		t.gone = len(read) == 0
	}
}

// compare holds the engine against the model.
func (w *world) compare(rt *rapid.T) {
	for _, j := range w.jobs {
		live, left := 0, 0
		for _, t := range j.tasks {
			w.compareTask(rt, t)
			if !t.gone {
				left++
			}
			if !t.ended() {
				live++
			}
		}
		if j.hidden {
			continue
		}
		got, err := w.Job(w.Context(), w.User, j.id)
		if left == 0 {
			if engine.CodeOf(err) != engine.NotFound {
				rt.Fatalf("job %s should be gone: %v", j.id, err)
			}
			continue
		}
		if want := j.status(live); err != nil || got.Status != want {
			rt.Fatalf("job is %s (%v), want %s: %s", got.Status, err, want, enginetest.Summary(got))
		}
		w.compareEvents(rt, j)
	}
}

func (j *modelJob) status(live int) engine.Status {
	switch {
	case live == 0 && j.failures > 0:
		return engine.StatusFailed
	case live == 0:
		return engine.StatusFinished
	case j.touched:
		return engine.StatusProcessing
	}
	return engine.StatusWaiting
}

func (w *world) compareTask(rt *rapid.T, t *modelTask) {
	got, err := w.Task(w.Context(), w.User, t.id)
	if t.gone {
		if engine.CodeOf(err) != engine.NotFound {
			rt.Fatalf("task %s should be gone: %v", t.name, err)
		}
		return
	}
	want, code := engine.StatusWaiting, engine.Code("")
	switch {
	case t.state == finished:
		want = engine.StatusFinished
	case t.state == failed:
		want, code = engine.StatusFailed, t.code
	case t.started:
		want = engine.StatusProcessing
	}
	if err != nil || got.Status != want || got.Code != code {
		rt.Fatalf("task %s is %s %s (%v), want %s %s: %s in the model", t.name, got.Status, got.Code, err, want, code, t.state)
	}
}

// compareEvents checks that the events have no gaps and end everything at most once.
func (w *world) compareEvents(rt *rapid.T, j *modelJob) {
	events, err := w.Events(w.Context(), w.User, j.id, 0)
	if err != nil {
		rt.Fatal(err)
	}
	ends := map[engine.ID]int{}
	for i, e := range events {
		if e.N != int64(i+1) {
			rt.Fatalf("event %d has the number %d", i+1, e.N)
		}
		switch e.Kind {
		case engine.TaskFinished, engine.TaskFailed, engine.JobFinished, engine.JobFailed:
			ends[e.Task]++
		}
	}
	for _, t := range j.tasks {
		if want := map[bool]int{true: 1}[t.ended()]; ends[t.id] != want {
			rt.Fatalf("task %s has %d events of its end, want %d", t.name, ends[t.id], want)
		}
	}
	if ends[""] > 1 {
		rt.Fatalf("the job ended %d times", ends[""])
	}
}

// finishAll lets everything run to its end: every job ends.
func (w *world) finishAll() {
	for {
		w.later(16 * time.Minute)
		found := w.tasks(is(running))
		if len(found) == 0 {
			break
		}
		found[0].call.Finish()
		w.answered(nil)
		w.ends(found[0], finished, "", false)
	}
	w.settle()
	if live := w.tasks(func(t *modelTask) bool { return !t.ended() }); len(live) > 0 {
		w.Fatalf("%d tasks do not end", len(live))
	}
	w.compare(w.T)
}
