package sqlstore

import (
	"context"

	"github.com/gantry-engine/gantry/engine"
)

// Progress implements engine.Graph.
func (s *Store) Progress(ref engine.Ref, percent int, message string) {
	s.progress.put(ref, note{percent: percent, message: message})
}

// Turn implements engine.Graph.
func (s *Store) Turn(ctx context.Context) error { return s.do(ctx, func(*batch) {}) }

// Arrive implements engine.Graph.
func (s *Store) Arrive(ctx context.Context, task engine.ID, file engine.File) error {
	e := &arrival{task: task, file: file}
	return s.do(ctx, func(b *batch) {
		b.arrivals = append(b.arrivals, e)
		b.expect(&e.err, 1)
	})
}

// Cancel implements engine.Graph.
func (s *Store) Cancel(ctx context.Context, task engine.ID, reason *engine.Error) error {
	e := &cancellation{task: task, reason: reason}
	return s.do(ctx, func(b *batch) {
		b.cancels = append(b.cancels, e)
		b.expect(&e.err, 1)
	})
}

const arriveSQL = `UPDATE tasks SET awaits = 0, deps_left = deps_left - 1,
	state = CASE WHEN deps_left = 1 THEN 'ready' ELSE state END
WHERE id = ? AND awaits = 1 AND state = 'waiting' AND upload_until > ?
RETURNING ` + readyColumns + `, tasks.state`

// arrive closes open dependencies on the outside: the first one wins.
func (t *tx) arrive(ctx context.Context, b *batch) error {
	for _, a := range b.arrivals {
		a.err = engine.Errorf(engine.Conflict,
			"The file of this upload has arrived already, or the task has ended. Make a new import/upload task.")
		err := t.each(ctx, arriveSQL, func(r rows) error {
			var state string
			ready, err := scanReady(r, &state)
			if err != nil {
				return err
			}
			a.err = nil
			t.job(ready.Job).event(a.task, engine.TaskUpdated)
			if state == "ready" {
				t.ready = append(t.ready, ready)
			}
			return nil
		}, a.task, t.at)
		if err != nil {
			return err
		}
		if a.err != nil {
			continue
		}
		if err := t.session.exec(ctx, blobsSQL, records{{a.file.Blob, 0}}); err != nil {
			return err
		}
		if err := t.session.exec(ctx, filesSQL, records{fileRecord(a.task, a.file, 1, 0)}); err != nil {
			return err
		}
	}
	return nil
}

// failure is a task that is to end without its worker's word.
type failure struct {
	task    engine.ID
	code    engine.Code
	message string
	ignored bool // as the consequence of an ignored failure
}

func inputFailed(task engine.ID, ignored bool) failure {
	return failure{task: task, code: engine.InputFailed, message: "Input task has failed", ignored: ignored}
}

const failSQL = `UPDATE tasks SET state = 'error', code = r.code, message = r.message, awaits = 0, percent = 100,
	node = NULL, not_before = NULL, ended_at = ?, expires_at = ?,
	ignored = CASE WHEN r.ignored = 1 OR tasks.ignore_error = 1 THEN 1 ELSE 0 END
FROM {id id, code text, message text, ignored int} AS r
WHERE tasks.id = r.id AND tasks.ended_at IS NULL
RETURNING tasks.id, tasks.job_id, tasks.ignored`

// fail ends tasks from outside, whatever they are doing. Those that have ended already stay as they are.
func (t *tx) fail(ctx context.Context, failures []failure) error {
	if len(failures) == 0 {
		return nil
	}
	var r records
	for _, f := range failures {
		r = append(r, []any{f.task, string(f.code), text(f.message), bit(f.ignored)})
	}
	return t.each(ctx, failSQL, func(r rows) error {
		var id, job engine.ID
		var ignored int
		if err := r.Scan(&id, &job, &ignored); err != nil {
			return err
		}
		t.end(job, ended{id: id, ignored: ignored == 1})
		t.hints = append(t.hints, engine.Hint{Job: job, Task: id})
		return nil
	}, t.at, t.expires(), r)
}

// cancel ends tasks by somebody's wish.
func (t *tx) cancel(ctx context.Context, b *batch) error {
	if len(b.cancels) == 0 {
		return nil
	}
	var failures []failure
	for _, c := range b.cancels {
		failures = append(failures, failure{task: c.task, code: c.reason.Code, message: c.reason.Message})
	}
	before := len(t.ended)
	if err := t.fail(ctx, failures); err != nil {
		return err
	}
	canceled := map[engine.ID]bool{}
	for _, e := range t.ended[before:] {
		canceled[e.id] = true
	}
	for _, c := range b.cancels {
		if !canceled[c.task] {
			c.err = engine.Errorf(engine.Conflict, "Cannot change status: task already completed.")
		}
	}
	return nil
}

// A dependant waits for all its inputs, but one failure that counts ends it at once; when the last one has come, it is
// ready if any came well.
const spreadSQL = `UPDATE tasks SET
	deps_left = deps_left - d.n,
	ok_inputs = ok_inputs + d.ok,
	state = CASE WHEN d.fatal = 0 AND deps_left = d.n AND ok_inputs + d.ok > 0 THEN 'ready' ELSE state END
FROM (SELECT deps.child AS child, 'waiting' AS was, count(*) AS n,
		sum(CASE WHEN deps.need = 0 THEN r.ok ELSE 0 END) AS ok,
		sum(CASE WHEN r.ok = 0 AND (r.ignored = 0 OR deps.need = 1) THEN 1 ELSE 0 END) AS fatal
	FROM deps JOIN {id id, ok int, ignored int} AS r ON r.id = deps.parent
	GROUP BY deps.child) AS d
WHERE tasks.id = d.child AND tasks.state = d.was
RETURNING ` + readyColumns + `, tasks.state, tasks.deps_left, tasks.ok_inputs`

// spread tells the dependants of what has ended, and theirs, until nothing more follows.
func (t *tx) spread(ctx context.Context, _ *batch) error {
	for len(t.ended) > 0 {
		round, fatal := t.ended, false
		t.ended = nil
		var r records
		for _, e := range round {
			r = append(r, []any{e.id, bit(e.ok), bit(e.ignored)})
			fatal = fatal || !e.ok
		}
		told := map[engine.ID]bool{} // those that have nothing to run with, and whether that is ignored
		err := t.each(ctx, spreadSQL, func(r rows) error {
			var state string
			var left, ok int
			ready, err := scanReady(r, &state, &left, &ok)
			switch {
			case err != nil:
			case state == "ready":
				t.ready = append(t.ready, ready)
			case left == 0 && ok == 0:
				told[ready.Ref.Task] = true
			}
			return err
		}, r)
		if err != nil {
			return err
		}
		if !fatal && len(told) == 0 {
			continue
		}
		if err := t.failDependants(ctx, r, told); err != nil {
			return err
		}
	}
	return nil
}

// failDependants ends the waiting dependants of what failed: those for which it counts, and those it leaves with nothing.
func (t *tx) failDependants(ctx context.Context, round records, empty map[engine.ID]bool) error {
	const query = `SELECT DISTINCT deps.child FROM deps JOIN {id id, ok int, ignored int} AS r ON r.id = deps.parent
		JOIN tasks ON tasks.id = deps.child
		WHERE r.ok = 0 AND (r.ignored = 0 OR deps.need = 1) AND tasks.state = 'waiting'`
	var failures []failure
	err := t.each(ctx, query, func(r rows) error {
		var id engine.ID
		err := r.Scan(&id)
		failures = append(failures, inputFailed(id, false))
		delete(empty, id)
		return err
	}, round)
	if err != nil {
		return err
	}
	for id := range empty {
		failures = append(failures, inputFailed(id, true))
	}
	return t.fail(ctx, failures)
}
