package sqlstore

import (
	"context"

	"github.com/gantry-engine/gantry/engine"
)

// Delete implements engine.Graph.
func (s *Store) Delete(ctx context.Context, job, task engine.ID) error {
	e := &deletion{job: job, task: task}
	return s.do(ctx, func(b *batch) {
		b.deletes = append(b.deletes, e)
		b.expect(&e.err, 100)
	})
}

// delete removes jobs and single tasks. What runs is told to stop, what waits for it fails, what refers to it is cut.
func (t *tx) delete(ctx context.Context, b *batch) error {
	if len(b.deletes) == 0 {
		return nil
	}
	jobs, tasks := records{}, records{}
	for _, d := range b.deletes {
		if d.task != "" {
			tasks = append(tasks, []any{d.task})
		} else {
			jobs = append(jobs, []any{d.job})
		}
	}
	const query = `SELECT id, job_id, ended_at IS NULL FROM tasks WHERE id IN (SELECT id FROM {id id} AS r)
		UNION SELECT id, job_id, ended_at IS NULL FROM tasks WHERE job_id IN (SELECT id FROM {id id} AS r)`
	return t.remove(ctx, query, engine.ErrCanceled, tasks, jobs)
}

// doomed are tasks that are to be removed.
type doomed struct {
	ids  records
	live []failure
}

// remove deletes the tasks that the query selects (id, job, whether it is live) with all they have, and jobs with their
// last task. With a reason it is somebody's wish: what is at work on them is told to stop. Without one their time has
// come, and what is being sent may be sent to its end.
func (t *tx) remove(ctx context.Context, query string, reason *engine.Error, args ...any) error {
	var d doomed
	err := t.each(ctx, query, func(r rows) error {
		var id, job engine.ID
		var live bool
		if err := r.Scan(&id, &job, &live); err != nil {
			return err
		}
		d.ids = append(d.ids, []any{id, job})
		if reason != nil {
			t.hints = append(t.hints, engine.Hint{Job: job, Task: id})
		}
		if live && reason != nil {
			d.live = append(d.live, failure{task: id, code: reason.Code, message: reason.Message})
		}
		return nil
	}, args...)
	if err != nil || len(d.ids) == 0 {
		return err
	}
	if err := t.fail(ctx, d.live); err != nil {
		return err
	}
	if err := t.failReaders(ctx, d.ids); err != nil {
		return err
	}
	if err := t.spread(ctx, nil); err != nil {
		return err
	}
	return t.erase(ctx, d.ids)
}

// failReaders ends what has not started and was to read from tasks that go, finished ones included.
func (t *tx) failReaders(ctx context.Context, gone records) error {
	const query = `SELECT DISTINCT tasks.id FROM {id id, job id} AS r JOIN deps ON deps.parent = r.id
		JOIN tasks ON tasks.id = deps.child WHERE tasks.state IN ('waiting', 'ready', 'postponed')`
	var failures []failure
	err := t.each(ctx, query, func(r rows) error {
		var id engine.ID
		err := r.Scan(&id)
		failures = append(failures, inputFailed(id, false))
		return err
	}, gone)
	if err != nil {
		return err
	}
	return t.fail(ctx, failures)
}

// erase deletes rows. Blobs to which nothing refers any more are marked: their bytes go first, their rows then.
func (t *tx) erase(ctx context.Context, tasks records) error {
	t.After(t.store.links.forget, func() {})
	var blobs records
	err := t.each(ctx, `DELETE FROM files WHERE task_id IN (SELECT id FROM {id id, job id} AS r) RETURNING blob_id`,
		func(r rows) error {
			var blob *string
			err := r.Scan(&blob)
			if blob != nil {
				blobs = append(blobs, []any{*blob})
			}
			return err
		}, tasks)
	if err != nil {
		return err
	}
	if err := t.release(ctx, blobs); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM deps WHERE child IN (SELECT id FROM {id id, job id} AS r)`,
		`DELETE FROM tasks WHERE id IN (SELECT id FROM {id id, job id} AS r)`,
		`DELETE FROM jobs WHERE id IN (SELECT job FROM {id id, job id} AS r)
			AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job_id = jobs.id)`,
		`DELETE FROM events WHERE job_id IN (SELECT job FROM {id id, job id} AS r)
			AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = events.job_id)`,
	} {
		if err := t.session.exec(ctx, query, tasks); err != nil {
			return err
		}
	}
	return nil
}

// release marks those of the blobs to which nothing refers any more.
func (t *tx) release(ctx context.Context, blobs records) error {
	if len(blobs) == 0 {
		return nil
	}
	// Whoever refers to one of them at this moment is waited for, or sees that it dies.
	const take = `SELECT id FROM blobs WHERE id IN (SELECT id FROM {id id} AS r) ORDER BY id {for update}`
	if t.store.dialect.lanes() > 1 {
		if err := t.each(ctx, take, func(rows) error { return nil }, blobs); err != nil {
			return err
		}
	}
	const mark = `UPDATE blobs SET dying = 1 WHERE id IN (SELECT id FROM {id id} AS r)
		AND NOT EXISTS (SELECT 1 FROM files WHERE files.blob_id = blobs.id)
		AND NOT EXISTS (SELECT 1 FROM stored_files WHERE stored_files.blob_id = blobs.id)`
	return t.session.exec(ctx, mark, blobs)
}
