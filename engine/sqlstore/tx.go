package sqlstore

import (
	"context"
	"slices"

	"github.com/gantry-engine/gantry/engine"
)

// tx is one transaction: the session it runs on, and what has happened in it so far. It is the engine.Tx of queue and bus.
type tx struct {
	store   *Store
	session session
	name    string // by which its outcome can be asked for; empty where that is always known
	at      int64  // the time of everything that happens in it, in microseconds

	ready   []engine.Ready
	settled []engine.Ref
	ended   []ended              // tasks whose dependants have not been told yet
	deltas  map[engine.ID]*delta // what jobs have to be told
	order   []engine.ID          // of deltas, oldest first
	hints   []engine.Hint

	commits, rollbacks []func()
}

// ended is a task that has just ended, as its dependants see it.
type ended struct {
	id      engine.ID
	ok      bool
	ignored bool // its failure does not count
}

// delta gathers what happened to one job.
type delta struct {
	ended, failures int
	events          []engine.Event
	started         int // place in events of the first start of a task; -1 without one
}

// apply does the whole batch. The order matters only where noted.
func (t *tx) apply(ctx context.Context, b *batch) error {
	steps := []func(context.Context, *batch) error{
		t.lock, t.submit, t.arrive, t.cancel, t.settle, t.postpone, t.rest,
		t.delete, // after what may still have settled
		t.spread, // after everything that ends tasks
		t.notes, t.claimRefs,
		t.enqueue, // after everything that makes tasks ready; may claim
		t.jobs,    // after everything that changes tasks
	}
	for _, step := range steps {
		if err := step(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the jobs that the batch is about, oldest first, so that two batches wait for each other rather than lock
// each other out, and see what the other one did. Jobs that it touches besides are taken as they come.
func (t *tx) lock(ctx context.Context, b *batch) error {
	query := t.store.dialect.lockJobs()
	if query == "" {
		return nil
	}
	tasks, jobs := b.touches()
	return t.each(ctx, query, func(r rows) error { return r.Scan(&t.name) }, tasks, jobs)
}

// touches lists the tasks and jobs that the batch changes.
func (b *batch) touches() (tasks, jobs records) {
	add := func(to *records, id engine.ID) {
		if id != "" {
			*to = append(*to, []any{id})
		}
	}
	for _, a := range b.arrivals {
		add(&tasks, a.task)
	}
	for _, d := range b.deletes {
		add(&tasks, d.task)
		add(&jobs, d.job)
	}
	for _, c := range b.cancels {
		add(&tasks, c.task)
	}
	for _, s := range b.settles {
		add(&tasks, s.Ref.Task)
	}
	for _, p := range b.postpones {
		add(&tasks, p.Ref.Task)
	}
	for _, c := range b.claims {
		add(&tasks, c.ref.Task)
	}
	for ref := range b.progress {
		add(&tasks, ref.Task)
	}
	return tasks, jobs
}

func (t *tx) enqueue(ctx context.Context, _ *batch) error {
	return t.store.queue.Enqueue(ctx, t, t.ready)
}

// Settled implements engine.Tx.
func (t *tx) Settled() []engine.Ref { return t.settled }

// After implements engine.Tx.
func (t *tx) After(commit, rollback func()) {
	t.commits = append(t.commits, commit)
	t.rollbacks = append(t.rollbacks, rollback)
}

// each runs a query and calls scan for every row.
func (t *tx) each(ctx context.Context, query string, scan func(rows) error, args ...any) error {
	found, err := t.session.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(found, scan)
}

// expires is when what ends now goes.
func (t *tx) expires() int64 { return t.at + t.store.options.Expiry.Microseconds() }

// job returns the delta of a job.
func (t *tx) job(id engine.ID) *delta {
	d, ok := t.deltas[id]
	if !ok {
		d = &delta{started: -1}
		t.deltas[id] = d
		t.order = append(t.order, id)
	}
	return d
}

func (d *delta) event(task engine.ID, kind engine.EventKind) {
	d.events = append(d.events, engine.Event{Task: task, Kind: kind})
}

// end notes that a task has ended.
func (t *tx) end(job engine.ID, e ended) {
	t.ended = append(t.ended, e)
	d := t.job(job)
	d.ended++
	kind := engine.TaskFinished
	if !e.ok {
		kind = engine.TaskFailed
		if !e.ignored {
			d.failures++
		}
	}
	d.event(e.id, kind)
}

const jobsSQL = `UPDATE jobs SET
	tasks_left = tasks_left - r.over,
	failures   = failures + r.failed,
	started_at = CASE WHEN started_at IS NULL AND r.start = 1 THEN r.at ELSE started_at END,
	ended_at   = CASE WHEN r.over > 0 AND tasks_left = r.over THEN r.at ELSE ended_at END,
	state      = CASE WHEN r.over = 0 AND r.start = 0 THEN state
	                  WHEN r.over > 0 AND tasks_left = r.over AND failures + r.failed > 0 THEN 'error'
	                  WHEN r.over > 0 AND tasks_left = r.over THEN 'finished'
	                  ELSE 'processing' END,
	events     = events + r.fresh
	           + CASE WHEN started_at IS NULL AND r.start = 1 THEN 1 ELSE 0 END
	           + CASE WHEN r.over > 0 AND tasks_left = r.over THEN 1 ELSE 0 END
FROM {id id, over int, failed int, start int, fresh int, at int} AS r
WHERE jobs.id = r.id
RETURNING jobs.id, jobs.events, jobs.state, (SELECT coalesce(max(n), 0) FROM events WHERE job_id = jobs.id)`

// jobs tells every job what happened to its tasks, numbers and keeps the events, and hints at the changes.
func (t *tx) jobs(ctx context.Context, _ *batch) error {
	if len(t.order) == 0 {
		return t.publish(ctx)
	}
	var changed, events records
	for _, id := range t.order {
		d := t.deltas[id]
		changed = append(changed, []any{id, d.ended, d.failures, bit(d.started >= 0), len(d.events), t.at})
	}
	err := t.each(ctx, jobsSQL, func(r rows) error {
		var id engine.ID
		var last, before int64
		var state engine.Status
		if err := r.Scan(&id, &last, &state, &before); err != nil {
			return err
		}
		for i, e := range t.deltas[id].all(state, int(last-before)) {
			events = append(events, []any{id, before + 1 + int64(i), e.Task, e.Kind, t.at})
		}
		t.hints = append(t.hints, engine.Hint{Job: id})
		return nil
	}, changed)
	if err != nil {
		return err
	}
	const insert = `INSERT INTO events (job_id, n, task_id, kind, at)
		SELECT job, n, task, kind, at FROM {job id, n int, task text, kind text, at int} AS r WHERE true`
	if err := t.session.exec(ctx, insert, events); err != nil {
		return err
	}
	return t.publish(ctx)
}

func (t *tx) publish(ctx context.Context) error { return t.store.bus.Publish(ctx, t, t.hints) }

// all is the job's n events in their order: its own start goes before that of its first task, its end after all. A job
// in which a task has ended is over when it shows an end; whether it also started just now is told by the number, not by
// the time, which can stand still.
func (d *delta) all(state engine.Status, n int) []engine.Event {
	list, ended := slices.Clone(d.events), d.ended > 0 && state.Ended()
	if n > len(list)+bit(ended) {
		list = slices.Insert(list, d.started, engine.Event{Kind: engine.JobUpdated})
	}
	if ended {
		kind := engine.JobFinished
		if state == engine.StatusFailed {
			kind = engine.JobFailed
		}
		list = append(list, engine.Event{Kind: kind})
	}
	return list
}

// notes writes the progress that rides along.
func (t *tx) notes(ctx context.Context, b *batch) error {
	if len(b.progress) == 0 {
		return nil
	}
	var r records
	for ref, n := range b.progress {
		r = append(r, []any{ref.Task, ref.Attempt, n.percent, text(n.message), processing})
	}
	const query = `UPDATE tasks SET percent = r.percent, message = coalesce(r.message, tasks.message)
		FROM {id id, attempt int, percent int, message text, was text} AS r
		WHERE tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = r.was
			AND (tasks.percent <> r.percent OR coalesce(tasks.message, '') <> coalesce(r.message, tasks.message, ''))
		RETURNING tasks.id, tasks.job_id`
	return t.each(ctx, query, func(r rows) error {
		var id, job engine.ID
		if err := r.Scan(&id, &job); err != nil {
			return err
		}
		t.job(job).event(id, engine.TaskUpdated)
		return nil
	}, r)
}

// rest does what is not made often enough to be gathered.
func (t *tx) rest(ctx context.Context, b *batch) error {
	for _, o := range b.others {
		if err := o.do(ctx, t); err != nil {
			return err
		}
	}
	return nil
}
