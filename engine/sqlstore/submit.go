package sqlstore

import (
	"context"
	"encoding/base64"

	"github.com/gantry-engine/gantry/engine"
)

// Submit implements engine.Graph.
func (s *Store) Submit(ctx context.Context, job engine.NewJob) (engine.ID, error) {
	e := &submit{job: job, id: job.ID}
	err := s.do(ctx, func(b *batch) {
		b.submits = append(b.submits, e)
		b.expect(&e.err, len(job.Tasks))
	})
	return e.id, err
}

// parent is a task of another job that a new task depends on.
type parent struct{ ended, ok, ignored bool }

func (t *tx) submit(ctx context.Context, b *batch) error {
	if len(b.submits) == 0 {
		return nil
	}
	fresh, err := t.unknown(ctx, b.submits)
	if err != nil {
		return err
	}
	if fresh, err = t.withContent(ctx, fresh); err != nil {
		return err
	}
	if fresh, err = t.exporting(ctx, fresh); err != nil {
		return err
	}
	parents, err := t.parents(ctx, fresh)
	if err != nil {
		return err
	}
	var w inserts
	for _, s := range fresh {
		w.job(t, s.job, parents)
	}
	if err := w.write(ctx, t); err != nil {
		return err
	}
	return t.fail(ctx, w.failed)
}

// unknown returns the submissions that make a new job, and gives the others the job they made before.
func (t *tx) unknown(ctx context.Context, all []*submit) (fresh []*submit, err error) {
	type key struct {
		user engine.UserID
		text string
	}
	here := map[key]*submit{} // made in this batch, and not in the tables yet
	for _, s := range all {
		s.id = s.job.ID
		k := key{s.job.User, plain(s.job.Submission.IdempotencyKey)}
		known := false
		switch first := here[k]; {
		case k.text == "":
		case first != nil:
			s.repeats(first.id, first.job.Submission.Digest)
			known = true
		default:
			if known, err = t.remembered(ctx, s); err != nil {
				return nil, err
			}
			if !known {
				here[k] = s
			}
		}
		if !known {
			fresh = append(fresh, s)
		}
	}
	return fresh, nil
}

// repeats gives the submission the job that was made before under its key, if that was for the same request.
func (s *submit) repeats(job engine.ID, digest string) {
	s.id = job
	if digest != s.job.Submission.Digest {
		s.err = engine.Errorf(engine.Conflict, "This Idempotency-Key was used with another request. Use a fresh key for each request.")
	}
}

// remembered reports whether the submission's key is known, and remembers it if not. The key's row is taken first, made if
// need be: of two at the same time the second then sees what the first has done.
func (t *tx) remembered(ctx context.Context, s *submit) (known bool, err error) {
	sub := s.job.Submission
	key, expires := plain(sub.IdempotencyKey), t.at+t.store.options.Idempotency.Microseconds()
	const remember = `INSERT INTO idempotency (user_id, key, digest, job_id, expires_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (user_id, key) DO NOTHING RETURNING key`
	fresh := false
	err = t.each(ctx, remember, func(rows) error { fresh = true; return nil }, s.job.User, key, sub.Digest, s.job.ID, expires)
	if err != nil || fresh {
		return false, err
	}
	const take = `SELECT key FROM idempotency WHERE user_id = ? AND key = ? {for update}`
	if err := t.each(ctx, take, func(rows) error { return nil }, s.job.User, key); err != nil {
		return false, err
	}
	const query = `SELECT i.digest, i.job_id FROM idempotency AS i JOIN jobs ON jobs.id = i.job_id
		WHERE i.user_id = ? AND i.key = ? AND i.expires_at > ?`
	err = t.each(ctx, query, func(r rows) error {
		var digest string
		var job engine.ID
		if err := r.Scan(&digest, &job); err != nil {
			return err
		}
		known = true
		s.repeats(job, digest)
		return nil
	}, s.job.User, key, t.at)
	if err != nil || known {
		return known, err
	}
	const replace = `UPDATE idempotency SET digest = ?, job_id = ?, expires_at = ? WHERE user_id = ? AND key = ?`
	return false, t.session.exec(ctx, replace, sub.Digest, s.job.ID, expires, s.job.User, key)
}

// withContent refuses the submissions that refer to content of an older task which is gone, and returns the others. A
// file that was just stored has no ID yet.
func (t *tx) withContent(ctx context.Context, all []*submit) (kept []*submit, err error) {
	var wanted []engine.BlobID
	for _, s := range all {
		for _, task := range s.job.Tasks {
			if task.Arrived != nil && task.Arrived.ID != "" {
				wanted = append(wanted, task.Arrived.Blob)
			}
		}
	}
	if len(wanted) == 0 {
		return all, nil
	}
	live, err := t.live(ctx, wanted)
	for _, s := range all {
		for _, task := range s.job.Tasks {
			if task.Arrived != nil && task.Arrived.ID != "" && !live[task.Arrived.Blob] {
				s.err = engine.Errorf(engine.Conflict, "The content of the task was deleted or has expired. Submit the job again.")
			}
		}
		if s.err == nil {
			kept = append(kept, s)
		}
	}
	return kept, err
}

// parents reads the tasks of other jobs that the new tasks depend on. One that is gone is not in the result.
func (t *tx) parents(ctx context.Context, submits []*submit) (map[engine.ID]parent, error) {
	parents := map[engine.ID]parent{}
	var ids records
	for _, s := range submits {
		own := map[engine.ID]bool{}
		for _, task := range s.job.Tasks {
			own[task.ID] = true
		}
		for _, task := range s.job.Tasks {
			for _, id := range append(task.Inputs[:len(task.Inputs):len(task.Inputs)], task.Needs...) {
				if !own[id] {
					ids = append(ids, []any{id})
				}
			}
		}
	}
	if len(ids) == 0 {
		return parents, nil
	}
	const query = `SELECT id, state, ignored FROM tasks WHERE id IN (SELECT id FROM {id id} AS r) ORDER BY id {for share}`
	err := t.each(ctx, query, func(r rows) error {
		var id engine.ID
		var state string
		var ignored int
		if err := r.Scan(&id, &state, &ignored); err != nil {
			return err
		}
		parents[id] = parent{ended: state == "finished" || state == "error", ok: state == "finished", ignored: ignored == 1}
		return nil
	}, ids)
	return parents, err
}

// inserts gathers the rows of new jobs.
type inserts struct {
	jobs, tasks, deps, blobs, files records
	failed                          []failure // tasks that end at once since an input has failed
}

func (w *inserts) job(t *tx, j engine.NewJob, parents map[engine.ID]parent) {
	at := j.CreatedAt.UnixMicro()
	w.jobs = append(w.jobs, []any{j.ID, j.User, plain(j.Submission.Tag), bit(j.Submission.Hidden), len(j.Tasks), at,
		text(string(j.Submission.File))})
	d := t.job(j.ID)
	d.event("", engine.JobCreated)
	own := map[engine.ID]bool{}
	for _, task := range j.Tasks {
		own[task.ID] = true
		d.event(task.ID, engine.TaskCreated)
	}
	for pos, task := range j.Tasks {
		s := w.stand(task, own, parents)
		state := "waiting"
		if s.left == 0 && !s.failed {
			state = "ready"
			t.ready = append(t.ready, engine.Ready{Ref: engine.Ref{Task: task.ID}, Job: j.ID, Operation: task.Operation,
				Tool: task.Tool, Lane: task.Lane, Priority: task.Priority})
		}
		if s.failed {
			w.failed = append(w.failed, inputFailed(task.ID, s.ignored))
		}
		w.tasks = append(w.tasks, []any{task.ID, j.ID, j.User, pos, plain(task.Name), task.Operation, plain(task.Spelling),
			plain(task.Tool), task.Lane, task.Priority, state, s.left, s.ok, bit(task.IgnoreError), bit(task.Awaits), micros(task.UploadUntil),
			base64.StdEncoding.EncodeToString(task.Payload), string(task.Redacted), text(string(task.RetryOf)), at})
		if task.Arrived != nil {
			w.blobs = append(w.blobs, []any{task.Arrived.Blob, 0})
			w.files = append(w.files, fileRecord(task.ID, *task.Arrived, 1, 0))
		}
	}
}

// standing is how far the dependencies of a new task are.
type standing struct {
	left, ok        int
	failed, ignored bool
}

func (w *inserts) stand(task engine.NewTask, own map[engine.ID]bool, parents map[engine.ID]parent) standing {
	s := standing{left: bit(task.Awaits)}
	add := func(pos int, id engine.ID, need bool) {
		w.deps = append(w.deps, []any{id, task.ID, pos, bit(need)})
		p, known := parents[id]
		switch {
		case own[id], known && !p.ended:
			s.left++
		case known && p.ok:
			s.ok += 1 - bit(need)
		case known && p.ignored && !need:
			s.ignored = true
		default:
			s.failed = true
		}
	}
	for i, id := range task.Inputs {
		add(i, id, false)
	}
	for i, id := range task.Needs {
		add(len(task.Inputs)+i, id, true)
	}
	if s.failed {
		s.ignored = false
	} else if s.ignored && s.left == 0 && s.ok == 0 {
		s.failed = true
	}
	return s
}

func (w *inserts) write(ctx context.Context, t *tx) error {
	for _, insert := range []struct {
		query string
		rows  records
	}{
		{`INSERT INTO jobs (id, user_id, tag, hidden, state, tasks_left, failures, events, created_at, file_id)
			SELECT id, usr, tag, hidden, 'waiting', tasks, 0, 0, at, file
			FROM {id id, usr int, tag text, hidden int, tasks int, at int, file id} AS r WHERE true`, w.jobs},
		{`INSERT INTO tasks (id, job_id, user_id, pos, name, operation, spelling, tool, lane, priority, state, deps_left, ok_inputs,
				attempt, tries, losses, ignore_error, ignored, awaits, upload_until, percent, payload, redacted, retry_of, created_at)
			SELECT id, job, usr, pos, name, operation, spelling, tool, lane, priority, state, deps, ok,
				0, 0, 0, ignore_error, 0, awaits, until, 0, payload, redacted, retry_of, at
			FROM {id id, job id, usr int, pos int, name text, operation text, spelling text, tool text, lane text, priority int, state text,
				deps int, ok int, ignore_error int, awaits int, until int, payload text, redacted text, retry_of id, at int} AS r
			WHERE true`, w.tasks},
		{`INSERT INTO deps (parent, child, pos, need)
			SELECT parent, child, pos, need FROM {parent id, child id, pos int, need int} AS r WHERE true`, w.deps},
		{blobsSQL, w.blobs},
		{filesSQL, w.files},
	} {
		if len(insert.rows) == 0 {
			continue
		}
		if err := t.session.exec(ctx, insert.query, insert.rows); err != nil {
			return err
		}
	}
	return nil
}
