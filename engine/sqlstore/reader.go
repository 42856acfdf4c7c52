package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// view is the tables at one moment, however many queries look at them.
type view struct{ asker }

// look calls see with a view, which ends with it.
func (s *Store) look(ctx context.Context, see func(view) error) error {
	v, end, err := s.dialect.look(ctx)
	if err != nil {
		return s.reading(err)
	}
	if err = see(view{v}); err != nil {
		_ = end(ctx)
		return s.reading(err)
	}
	return s.reading(end(ctx))
}

// reading says of a failed query on a closing store that the store is closing, and of one that reached no database that
// it may be asked again.
func (s *Store) reading(err error) error {
	var said *engine.Error
	switch {
	case err == nil, errors.As(err, &said), errors.Is(err, context.Canceled):
		return err
	case s.closing():
		return errStopped()
	case s.dialect.away(err): // which may look like a deadline, but not one of the caller's
		return engine.Wrap(err, engine.Unavailable, "The server's database does not answer at the moment. Try again.")
	}
	return err
}

// Reach returns nil if the database answers, else why it is of no use.
func (s *Store) Reach(ctx context.Context) error {
	return s.read(ctx, "SELECT 1", func(rows) error { return nil })
}

func (s *Store) closing() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// read runs a query and calls scan for every row.
func (s *Store) read(ctx context.Context, query string, scan func(rows) error, args ...any) error {
	found, err := s.dialect.query(ctx, query, args...)
	if err != nil {
		return s.reading(err)
	}
	return s.reading(scanAll(found, scan))
}

// read runs a query on the view and calls scan for every row.
func (v view) read(ctx context.Context, query string, scan func(rows) error, args ...any) error {
	found, err := v.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(found, scan)
}

func scanAll(found rows, scan func(rows) error) error {
	for found.Next() {
		if err := scan(found); err != nil {
			_ = found.Close()
			return err
		}
	}
	if err := found.Err(); err != nil {
		_ = found.Close()
		return err
	}
	return found.Close()
}

const jobColumns = `id, user_id, tag, hidden, state, created_at, started_at, ended_at, coalesce(file_id, '')`

func scanJob(r rows) (engine.Job, error) {
	var j engine.Job
	var hidden int
	var created, started, ended sql.NullInt64
	err := r.Scan(&j.ID, &j.User, &j.Tag, &hidden, &j.Status, &created, &started, &ended, &j.File)
	j.Hidden = hidden == 1
	j.CreatedAt, j.StartedAt, j.EndedAt = fromMicros(created), fromMicros(started), fromMicros(ended)
	return j, err
}

// Job implements engine.Reader.
func (s *Store) Job(ctx context.Context, id engine.ID) (engine.Job, error) {
	var jobs []engine.Job
	err := s.look(ctx, func(v view) (err error) {
		if jobs, err = v.jobs(ctx, ` WHERE id = ?`, id); err != nil {
			return err
		}
		return v.fillJobs(ctx, jobs)
	})
	if err == nil && len(jobs) == 0 {
		err = engine.Errorf(engine.NotFound, "There is no such job. Jobs are removed some time after they end.")
	}
	if err != nil {
		return engine.Job{}, err
	}
	return jobs[0], nil
}

// jobs reads jobs without their tasks, in the order of the clause.
func (v view) jobs(ctx context.Context, clause string, args ...any) (jobs []engine.Job, err error) {
	err = v.read(ctx, `SELECT `+jobColumns+` FROM jobs`+clause, func(r rows) error {
		j, err := scanJob(r)
		jobs = append(jobs, j)
		return err
	}, args...)
	return jobs, err
}

// Jobs implements engine.Reader.
func (s *Store) Jobs(ctx context.Context, q engine.JobQuery) ([]engine.Job, error) {
	w := where{}
	w.add(`user_id = ? AND hidden = 0`, q.User)
	if q.Status != "" {
		w.add(`state = ?`, q.Status)
	}
	if q.Tag != "" {
		w.add(`tag = ?`, plain(q.Tag))
	}
	clause := w.String() + ` ORDER BY id DESC` + w.page(q.Page)
	var jobs []engine.Job
	err := s.look(ctx, func(v view) (err error) {
		if jobs, err = v.jobs(ctx, clause, w.args...); err != nil || !q.WithTasks {
			return err
		}
		return v.fillJobs(ctx, jobs)
	})
	return jobs, err
}

// fillJobs reads the tasks of the jobs.
func (v view) fillJobs(ctx context.Context, jobs []engine.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	ids := make([]engine.ID, len(jobs))
	at := map[engine.ID]int{}
	for i, j := range jobs {
		ids[i], at[j.ID] = j.ID, i
	}
	tasks, err := v.tasks(ctx, `WHERE t.job_id IN (SELECT id FROM {id id} AS r) ORDER BY t.job_id, t.pos`, idRecords(ids))
	for _, t := range tasks {
		j := &jobs[at[t.Job]]
		j.Tasks = append(j.Tasks, t)
	}
	return err
}

// Task implements engine.Reader.
func (s *Store) Task(ctx context.Context, id engine.ID) (engine.Task, error) {
	tasks, err := s.listTasks(ctx, `WHERE t.id = ?`, id)
	if err != nil {
		return engine.Task{}, err
	}
	if len(tasks) == 0 {
		return engine.Task{}, engine.Errorf(engine.NotFound, "There is no such task. Tasks are removed some time after they end.")
	}
	return tasks[0], nil
}

// Tasks implements engine.Reader.
func (s *Store) Tasks(ctx context.Context, q engine.TaskQuery) ([]engine.Task, error) {
	w := where{}
	w.add(`t.user_id = ?`, q.User)
	if q.Job != "" {
		w.add(`t.job_id = ?`, q.Job)
	}
	switch q.Status {
	case "":
	case engine.StatusFailed: // spelled out for the partial index
		w.add(`t.state = 'error'`)
	case engine.StatusFinished:
		w.add(`t.state = 'finished'`)
	case engine.StatusProcessing:
		w.add(`t.ended_at IS NULL AND t.started_at IS NOT NULL`)
	default:
		w.add(`t.ended_at IS NULL AND t.started_at IS NULL`)
	}
	if q.Operation != "" {
		w.add(`t.operation = ?`, plain(q.Operation))
	}
	if q.RetryOf != nil {
		w.add(`t.retry_of IN (SELECT id FROM {id id} AS r)`, idRecords(q.RetryOf))
	}
	if q.IDs != nil {
		w.add(`t.id IN (SELECT id FROM {id id} AS r)`, idRecords(q.IDs))
	}
	// What a page leaves out is passed over in the index, without reading its rows.
	clause := ` WHERE t.id IN (SELECT t.id FROM tasks AS t` + w.String() + ` ORDER BY t.id DESC` + w.page(q.Page) + `)
		ORDER BY t.id DESC`
	return s.listTasks(ctx, clause, w.args...)
}

func (s *Store) listTasks(ctx context.Context, clause string, args ...any) (tasks []engine.Task, err error) {
	err = s.look(ctx, func(v view) (err error) {
		tasks, err = v.tasks(ctx, clause, args...)
		return err
	})
	return tasks, err
}

// where gathers conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

func (w *where) String() string { return ` WHERE ` + strings.Join(w.conditions, ` AND `) }

func (w *where) page(p engine.Page) string {
	if p.Limit <= 0 {
		return ""
	}
	w.args = append(w.args, p.Limit, p.Offset)
	return ` LIMIT ? OFFSET ?`
}

const taskColumns = `t.id, t.job_id, j.hidden, t.user_id, t.name, t.spelling, t.state, t.code, t.message, t.percent, t.engine,
	t.engine_version, t.metadata, t.output, t.redacted, t.awaits, t.upload_until, t.created_at, t.started_at, t.ended_at,
	t.expires_at, t.retry_of`

// tasks reads tasks with their files and inputs, in the order of the clause.
func (v view) tasks(ctx context.Context, clause string, args ...any) ([]engine.Task, error) {
	var tasks []engine.Task
	at := map[engine.ID]int{}
	query := `SELECT ` + taskColumns + ` FROM tasks AS t JOIN jobs AS j ON j.id = t.job_id ` + clause
	err := v.read(ctx, query, func(r rows) error {
		t, err := scanTask(r)
		at[t.ID] = len(tasks)
		tasks = append(tasks, t)
		return err
	}, args...)
	if err != nil || len(tasks) == 0 {
		return tasks, err
	}
	var ids records
	for _, t := range tasks {
		ids = append(ids, []any{t.ID})
	}
	const inputs = `SELECT child, parent FROM deps WHERE child IN (SELECT id FROM {id id} AS r) ORDER BY child, pos`
	err = v.read(ctx, inputs, func(r rows) error {
		var child, parent engine.ID
		err := r.Scan(&child, &parent)
		t := &tasks[at[child]]
		t.Inputs = append(t.Inputs, parent)
		return err
	}, ids)
	if err != nil {
		return nil, err
	}
	const files = `SELECT ` + fileColumns + `, f.task_id FROM files AS f
		WHERE f.task_id IN (SELECT id FROM {id id} AS r) AND f.arrived = 0 ORDER BY f.task_id, f.pos`
	return tasks, v.read(ctx, files, func(r rows) error {
		var task engine.ID
		f, err := scanFile(r, &task)
		if t := &tasks[at[task]]; t.Result == nil {
			t.Result = &engine.Result{Files: []engine.File{f}}
		} else {
			t.Result.Files = append(t.Result.Files, f)
		}
		return err
	}, ids)
}

func scanTask(r rows) (engine.Task, error) {
	var t engine.Task
	var state string
	var hidden, awaits int
	var code, message, eng, version, metadata, output, redacted, retryOf sql.NullString
	var until, created, started, ended, expires sql.NullInt64
	err := r.Scan(&t.ID, &t.Job, &hidden, &t.User, &t.Name, &t.Operation, &state, &code, &message, &t.Percent, &eng, &version,
		&metadata, &output, &redacted, &awaits, &until, &created, &started, &ended, &expires, &retryOf)
	if err != nil {
		return t, err
	}
	t.Hidden, t.AwaitsUpload = hidden == 1, awaits == 1
	t.Code, t.Message = engine.Code(code.String), message.String
	t.Engine, t.EngineVersion, t.Payload = eng.String, version.String, json.RawMessage(redacted.String)
	t.UploadUntil, t.CreatedAt, t.StartedAt = fromMicros(until), fromMicros(created), fromMicros(started)
	t.EndedAt, t.ExpiresAt, t.RetryOf = fromMicros(ended), fromMicros(expires), engine.ID(retryOf.String)
	t.Status = statusOf(state, t.StartedAt)
	if metadata.Valid || output.Valid || state == "finished" {
		t.Result = &engine.Result{}
	}
	if output.Valid {
		t.Result.Output = &output.String
	}
	if metadata.Valid {
		err = json.Unmarshal([]byte(metadata.String), &t.Result.Metadata)
	}
	return t, err
}

// statusOf is the status that is shown: what has started once never waits again.
func statusOf(state string, started time.Time) engine.Status {
	switch {
	case state == "finished":
		return engine.StatusFinished
	case state == "error":
		return engine.StatusFailed
	case state == "processing" || !started.IsZero():
		return engine.StatusProcessing
	}
	return engine.StatusWaiting
}

// Inputs implements engine.Reader.
func (s *Store) Inputs(ctx context.Context, task engine.ID) (inputs []engine.Input, err error) {
	err = s.look(ctx, func(v view) (err error) {
		inputs, err = v.inputs(ctx, task)
		return err
	})
	return inputs, err
}

func (v view) inputs(ctx context.Context, task engine.ID) ([]engine.Input, error) {
	var inputs []engine.Input
	at := map[engine.ID]int{}
	const query = `SELECT d.parent, d.need, t.name FROM deps AS d LEFT JOIN tasks AS t ON t.id = d.parent
		WHERE d.child = ? ORDER BY d.pos`
	err := v.read(ctx, query, func(r rows) error {
		var in engine.Input
		var need int
		var name sql.NullString
		err := r.Scan(&in.Task, &need, &name)
		in.Need, in.Gone, in.Name = need == 1, !name.Valid, name.String
		at[in.Task] = len(inputs)
		inputs = append(inputs, in)
		return err
	}, task)
	if err != nil {
		return nil, err
	}
	const files = `SELECT ` + fileColumns + `, f.task_id FROM files AS f
		WHERE f.blob_id IS NOT NULL AND (f.task_id = ? AND f.arrived = 1
			OR f.arrived = 0 AND f.task_id IN (SELECT parent FROM deps WHERE child = ?))
		ORDER BY f.task_id, f.pos`
	arrived := engine.Input{}
	err = v.read(ctx, files, func(r rows) error {
		var from engine.ID
		f, err := scanFile(r, &from)
		if i, ok := at[from]; ok {
			inputs[i].Files = append(inputs[i].Files, f)
		} else {
			arrived.Files = append(arrived.Files, f)
		}
		return err
	}, task, task)
	if len(arrived.Files) > 0 {
		inputs = append(inputs, arrived)
	}
	return inputs, err
}

// Payload implements engine.Reader.
func (s *Store) Payload(ctx context.Context, task engine.ID) (sealed []byte, arrived *engine.File, err error) {
	err = s.look(ctx, func(v view) error {
		sealed, arrived, err = v.payload(ctx, task)
		return err
	})
	return sealed, arrived, err
}

func (v view) payload(ctx context.Context, task engine.ID) (sealed []byte, arrived *engine.File, err error) {
	found := false
	err = v.read(ctx, `SELECT payload FROM tasks WHERE id = ?`, func(r rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		found = true
		sealed, err = base64.StdEncoding.DecodeString(text)
		return err
	}, task)
	if err == nil && !found {
		err = engine.Errorf(engine.NotFound, "There is no such task. Tasks are removed some time after they end.")
	}
	if err != nil {
		return nil, nil, err
	}
	err = v.read(ctx, `SELECT `+fileColumns+` FROM files AS f WHERE f.task_id = ? AND f.arrived = 1`, func(r rows) error {
		f, err := scanFile(r)
		arrived = &f
		return err
	}, task)
	return sealed, arrived, err
}

// Events implements engine.Reader.
func (s *Store) Events(ctx context.Context, job engine.ID, n int64) (events []engine.Event, err error) {
	err = s.read(ctx, `SELECT n, task_id, kind, at FROM events WHERE job_id = ? AND n > ? ORDER BY n`, func(r rows) error {
		e := engine.Event{Job: job}
		var at sql.NullInt64
		err := r.Scan(&e.N, &e.Task, &e.Kind, &at)
		e.At = fromMicros(at)
		events = append(events, e)
		return err
	}, job, n)
	return events, err
}

// Downloadable implements engine.Reader.
func (s *Store) Downloadable(ctx context.Context, task engine.ID, name string) (engine.File, time.Time, error) {
	key := linkKey{task, plain(name)}
	f, epoch, known := s.links.find(key)
	if known {
		return f.file, f.until, nil
	}
	found := false
	const query = `SELECT ` + fileColumns + `, t.expires_at FROM files AS f JOIN tasks AS t ON t.id = f.task_id
		WHERE f.task_id = ? AND f.arrived = 0 AND f.link = 1 AND f.name = ? AND f.blob_id IS NOT NULL AND t.expires_at IS NOT NULL`
	err := s.read(ctx, query, func(r rows) (err error) {
		var until sql.NullInt64
		f.file, err = scanFile(r, &until)
		f.until, found = fromMicros(until), true
		return err
	}, key.task, key.name)
	switch {
	case err != nil:
		return engine.File{}, time.Time{}, err
	case !found:
		return engine.File{}, time.Time{}, engine.Errorf(engine.NotFound,
			"There is no such file. Files are removed some time after their task ends.")
	}
	s.links.keep(key, f, epoch)
	return f.file, f.until, nil
}
