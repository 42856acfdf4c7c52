package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// discardGrace keeps a leftover from being discarded while an attempt that was just cut may still be at it.
const discardGrace = time.Minute

const noteSQL = `INSERT INTO leftovers (task_id, n, user_id, operation, payload, state, done, tries, created_at, not_before)
	SELECT tasks.id, r.n, tasks.user_id, tasks.operation, tasks.payload, r.state, r.done, 0, ?, ?
	FROM {id id, attempt int, n int, state text, done int} AS r
	JOIN tasks ON tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = 'processing' WHERE true {for share of tasks}
	ON CONFLICT (task_id, n) DO UPDATE SET state = excluded.state, done = excluded.done, not_before = excluded.not_before
	RETURNING n`

// Note implements engine.Leftovers.
func (s *Store) Note(ctx context.Context, ref engine.Ref, sealed []engine.Note) error {
	var r records
	for _, n := range sealed {
		r = append(r, []any{ref.Task, ref.Attempt, n.Number, base64.StdEncoding.EncodeToString(n.State), bit(n.Done)})
	}
	e := &other{}
	e.do = func(ctx context.Context, t *tx) error {
		e.err = engine.ErrStale
		return t.each(ctx, noteSQL, func(r rows) error {
			e.err = nil
			return r.Scan(new(int))
		}, t.at, t.at+discardGrace.Microseconds(), r)
	}
	return s.do(ctx, func(b *batch) {
		b.others = append(b.others, e)
		b.expect(&e.err, len(sealed))
	})
}

// Current implements engine.Leftovers.
func (s *Store) Current(ctx context.Context, ref engine.Ref) error {
	current := false
	err := s.read(ctx, `SELECT 1 FROM tasks WHERE id = ? AND attempt = ? AND state = 'processing'`, func(rows) error {
		current = true
		return nil
	}, ref.Task, ref.Attempt)
	if err == nil && !current {
		return engine.ErrStale
	}
	return err
}

const leftoverColumns = `l.task_id, l.n, l.user_id, l.operation, l.payload, l.state, l.done, l.tries, l.created_at`

// Noted implements engine.Leftovers.
func (s *Store) Noted(ctx context.Context, task engine.ID) ([]engine.Leftover, error) {
	return s.leftovers(ctx, `SELECT `+leftoverColumns+` FROM leftovers AS l WHERE l.task_id = ? ORDER BY l.n`, task)
}

// Due implements engine.Leftovers.
func (s *Store) Due(ctx context.Context, now time.Time, n int) ([]engine.Leftover, error) {
	return s.leftovers(ctx, `SELECT `+leftoverColumns+` FROM leftovers AS l LEFT JOIN tasks ON tasks.id = l.task_id
		WHERE l.not_before <= ? AND (tasks.id IS NULL OR tasks.ended_at IS NOT NULL)
		ORDER BY l.not_before LIMIT ?`, micros(now), n)
}

func (s *Store) leftovers(ctx context.Context, query string, args ...any) (list []engine.Leftover, err error) {
	err = s.read(ctx, query, func(r rows) error {
		l, err := scanLeftover(r)
		list = append(list, l)
		return err
	}, args...)
	return list, err
}

func scanLeftover(r rows) (l engine.Leftover, err error) {
	var payload, state string
	var done int
	var created int64
	err = r.Scan(&l.Task, &l.Number, &l.User, &l.Operation, &payload, &state, &done, &l.Tries, &created)
	if err != nil {
		return l, err
	}
	l.Done, l.CreatedAt = done == 1, fromMicros(sql.NullInt64{Int64: created, Valid: true})
	if l.Payload, err = base64.StdEncoding.DecodeString(payload); err != nil {
		return l, err
	}
	l.State, err = base64.StdEncoding.DecodeString(state)
	return l, err
}

// PutOff implements engine.Leftovers.
func (s *Store) PutOff(ctx context.Context, task engine.ID, number int, until time.Time) error {
	const query = `UPDATE leftovers SET tries = tries + 1, not_before = ? WHERE task_id = ? AND n = ?`
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		return t.session.exec(ctx, query, micros(until), task, number)
	})
}

// Drop implements engine.Leftovers.
func (s *Store) Drop(ctx context.Context, task engine.ID, number int) error {
	const query = `DELETE FROM leftovers WHERE task_id = ? AND n = ?`
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error { return t.session.exec(ctx, query, task, number) })
}

// settleNotes forgets the notes of what settled: all of a task that finished, those that are done of one that failed. The
// rest is discarded when it is due.
func (t *tx) settleNotes(ctx context.Context, kept []*settlement) error {
	var finished, failed records
	for _, s := range kept {
		switch {
		case s.Noted && s.Err == nil:
			finished = append(finished, []any{s.Ref.Task})
		case s.Noted:
			failed = append(failed, []any{s.Ref.Task})
		}
	}
	if len(finished)+len(failed) == 0 {
		return nil
	}
	const query = `DELETE FROM leftovers WHERE task_id IN (SELECT id FROM {id id} AS r)
		OR done = 1 AND task_id IN (SELECT id FROM {id id} AS r)`
	return t.session.exec(ctx, query, finished, failed)
}
