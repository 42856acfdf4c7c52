package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// batch is one transaction of the engine, as its events show it: all that one has in common is its time.
type batch struct {
	at                        int64
	created, started, settled []string // jobs, tasks, tasks
	jobs                      []string // that changed
	events                    [][]any
}

type batches []*batch

// String tells how large the batches were.
func (b batches) String() string {
	var sizes []float64
	created, settled := 0, 0
	for _, one := range b {
		sizes = append(sizes, float64(len(one.created)+len(one.settled)))
		created += len(one.created)
		settled += len(one.settled)
	}
	return fmt.Sprintf("%d, with %.1f submissions and %.1f ends on average, %.0f of both at the median, %.0f at p99",
		len(b), float64(created)/float64(len(b)), float64(settled)/float64(len(b)), median(sizes), quantile(sizes, 0.99))
}

// recording is what the engine wrote in one run.
type recording struct {
	batches
	jobs, tasks map[string][]any // as they were inserted
	ofJob       map[string][]string
	deps        map[string][][]any // by child
}

// replay commits what the engine in dir has written once more, in the same batches, by nothing but prepared statements in
// a loop, and returns the batches and the tasks a second.
func replay(ctx context.Context, dir string) (batches, float64, error) {
	rec, err := record(ctx, filepath.Join(dir, database))
	if err != nil {
		return nil, 0, err
	}
	path := filepath.Join(dir, "replay.db")
	store, err := sqlstore.OpenSQLite(ctx, path, sqlstore.Options{}) // makes the tables
	if err != nil {
		return nil, 0, err
	}
	if err := store.Close(); err != nil {
		return nil, 0, err
	}
	db, conn, err := openBare(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	defer db.Close()
	defer conn.Close()
	s := &statements{conn: conn, prepared: map[string]*sql.Stmt{}}
	began := time.Now()
	for _, b := range rec.batches {
		rec.commit(ctx, s, b)
	}
	return rec.batches, float64(len(rec.tasks)) / time.Since(began).Seconds(), s.err
}

const node = "01900000-0000-7000-8000-000000000000"

// commit writes one batch.
func (rec *recording) commit(ctx context.Context, s *statements, b *batch) {
	s.exec(ctx, `BEGIN IMMEDIATE`)
	for _, job := range b.created {
		s.exec(ctx, `INSERT INTO jobs (id, user_id, tag, hidden, created_at, tasks_left, state, failures, events)
			VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, 0)`, rec.jobs[job]...)
		for _, task := range rec.ofJob[job] {
			s.exec(ctx, `INSERT INTO tasks (id, job_id, user_id, pos, name, operation, spelling, lane, priority, ignore_error,
				awaits, payload, redacted, created_at, state, deps_left, ok_inputs, attempt, tries, losses, ignored, percent)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0)`, rec.tasks[task]...)
			for _, dep := range rec.deps[task] {
				s.exec(ctx, `INSERT INTO deps (parent, child, pos, need) VALUES (?, ?, ?, ?)`, dep...)
			}
		}
	}
	for _, task := range b.settled {
		s.exec(ctx, `UPDATE tasks SET state = 'finished', percent = 100, node = NULL, ignored = 0, ended_at = ?, expires_at = ?
			WHERE id = ? AND attempt = 1 AND state = 'processing'`, b.at, b.at+86400e6, task)
		s.exec(ctx, `UPDATE tasks SET deps_left = deps_left - 1, ok_inputs = ok_inputs + 1, state = 'ready'
			WHERE id = (SELECT child FROM deps WHERE parent = ?) AND state = 'waiting'`, task)
	}
	for _, task := range b.started {
		s.exec(ctx, `UPDATE tasks SET state = 'processing', node = ?, attempt = attempt + 1, percent = 0, started_at = ?
			WHERE id = ? AND state = 'ready'`, node, b.at, task)
	}
	for _, job := range b.jobs {
		s.exec(ctx, `UPDATE jobs SET tasks_left = max(tasks_left - 1, 0), events = events + 1, state = 'processing',
			started_at = ? WHERE id = ?`, b.at, job)
	}
	for _, event := range b.events {
		s.exec(ctx, `INSERT INTO events (job_id, n, task_id, kind, at) VALUES (?, ?, ?, ?, ?)`, event...)
	}
	s.exec(ctx, `COMMIT`)
}

// record reads what an engine that did nothing else has written.
func record(ctx context.Context, path string) (*recording, error) {
	db, conn, err := openBare(ctx, path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	defer conn.Close()
	rec := &recording{jobs: map[string][]any{}, tasks: map[string][]any{}, ofJob: map[string][]string{}, deps: map[string][][]any{}}
	for _, read := range []struct {
		query string
		add   func(row []any)
	}{
		{`SELECT id, user_id, tag, hidden, created_at, tasks_left + (SELECT count(*) FROM tasks WHERE job_id = jobs.id) FROM jobs`,
			func(row []any) { rec.jobs[row[0].(string)] = row }},
		{`SELECT id, job_id, user_id, pos, name, operation, spelling, lane, priority, ignore_error, awaits, payload, redacted,
			created_at, CASE WHEN pos = 0 THEN 'ready' ELSE 'waiting' END, min(pos, 1) FROM tasks ORDER BY job_id, pos`,
			func(row []any) {
				id, job := row[0].(string), row[1].(string)
				rec.tasks[id], rec.ofJob[job] = row, append(rec.ofJob[job], id)
			}},
		{`SELECT parent, child, pos, need FROM deps`,
			func(row []any) { rec.deps[row[1].(string)] = append(rec.deps[row[1].(string)], row) }},
		{`SELECT job_id, n, task_id, kind, at FROM events ORDER BY at, job_id, n`, rec.event},
	} {
		if err := readRows(ctx, conn, read.query, read.add); err != nil {
			return nil, err
		}
	}
	for _, b := range rec.batches {
		slices.Sort(b.jobs)
		b.jobs = slices.Compact(b.jobs)
		slices.SortFunc(b.created, cmp.Compare[string])
	}
	return rec, nil
}

// event puts an event into its batch.
func (rec *recording) event(row []any) {
	job, task, kind, at := row[0].(string), row[2].(string), engine.EventKind(row[3].(string)), row[4].(int64)
	if n := len(rec.batches); n == 0 || rec.batches[n-1].at != at {
		rec.batches = append(rec.batches, &batch{at: at})
	}
	b := rec.batches[len(rec.batches)-1]
	b.events, b.jobs = append(b.events, row), append(b.jobs, job)
	switch kind {
	case engine.JobCreated:
		b.created = append(b.created, job)
	case engine.TaskUpdated:
		b.started = append(b.started, task)
	case engine.TaskFinished:
		b.settled = append(b.settled, task)
	}
}

// readRows calls add with every row.
func readRows(ctx context.Context, conn *sql.Conn, query string, add func([]any)) error {
	found, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return err
	}
	for found.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		add(row)
	}
	return found.Err()
}
