package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	maxLosses    = 3   // workers that may die over a task
	expireAtOnce = 200 // tasks removed in one transaction
)

// other hands a change to the dispatcher that is not gathered with its like. The change is given the context of the transaction:
// with its caller's, one who goes away would roll back its neighbours. It goes on behind the back of a caller who went away, so
// what it finds out is read only where there is no error.
func (s *Store) other(ctx context.Context, weight int, change func(context.Context, *tx) error) error {
	e := &other{do: change}
	return s.do(ctx, func(b *batch) {
		b.others = append(b.others, e)
		b.expect(&e.err, weight)
	})
}

// Recover implements engine.Keeper. What is lost is what a node claimed that is not listed, as none is that died, and none
// where there is one process.
func (s *Store) Recover(ctx context.Context) (int, error) {
	var found int
	err := s.other(ctx, batchWeight, func(ctx context.Context, t *tx) (err error) {
		found, err = t.recover(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	return found, nil
}

const recoverSQL = `UPDATE tasks SET state = CASE WHEN losses + 1 < ? THEN 'ready' ELSE state END, losses = losses + 1,
	node = NULL
WHERE state = 'processing' AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = tasks.node)
RETURNING ` + readyColumns + `, tasks.state`

func (t *tx) recover(ctx context.Context) (found int, err error) {
	var lost []failure
	err = t.each(ctx, recoverSQL, func(r rows) error {
		var state string
		ready, err := scanReady(r, &state)
		found++
		if state == "ready" {
			t.ready = append(t.ready, ready)
		} else {
			lost = append(lost, failure{task: ready.Ref.Task, code: engine.WorkerLost,
				message: "The worker died each time it ran this task, the last time with nothing else beside it. " +
					"The input may be one that no tool here survives."})
		}
		return err
	}, maxLosses)
	if err != nil {
		return 0, err
	}
	return found, t.fail(ctx, lost)
}

// Wake implements engine.Keeper.
func (s *Store) Wake(ctx context.Context, now time.Time) (time.Time, error) {
	next, err := s.due(ctx)
	if err != nil || next.IsZero() || next.After(now) {
		return next, err
	}
	err = s.other(ctx, batchWeight, func(ctx context.Context, t *tx) error {
		if err := t.wake(ctx, now); err != nil {
			return err
		}
		return t.expireForms(ctx, now)
	})
	if err != nil {
		return time.Time{}, err
	}
	return s.due(ctx)
}

// due is the time of the next postponed task or expiring form; zero if there is none.
func (s *Store) due(ctx context.Context) (time.Time, error) {
	var postponed, form sql.NullInt64
	err := s.read(ctx, `SELECT
		(SELECT min(not_before) FROM tasks WHERE state = 'postponed'),
		(SELECT min(upload_until) FROM tasks WHERE awaits = 1)`, func(r rows) error { return r.Scan(&postponed, &form) })
	if !postponed.Valid || form.Valid && form.Int64 < postponed.Int64 {
		postponed = form
	}
	return fromMicros(postponed), err
}

func (t *tx) wake(ctx context.Context, now time.Time) error {
	const query = `UPDATE tasks SET state = 'ready', not_before = NULL
		WHERE state = 'postponed' AND not_before <= ? RETURNING ` + readyColumns
	return t.each(ctx, query, func(r rows) error {
		ready, err := scanReady(r)
		t.ready = append(t.ready, ready)
		return err
	}, micros(now))
}

func (t *tx) expireForms(ctx context.Context, now time.Time) error {
	var expired []failure
	err := t.each(ctx, `SELECT id FROM tasks WHERE awaits = 1 AND upload_until <= ?`, func(r rows) error {
		var id engine.ID
		err := r.Scan(&id)
		expired = append(expired, failure{task: id, code: engine.UploadExpired,
			message: "No file was uploaded before the upload form expired."})
		return err
	}, micros(now))
	if err != nil {
		return err
	}
	return t.fail(ctx, expired)
}

// A task that somebody waiting or running reads stays past its time.
const expiredSQL = `SELECT tasks.id, tasks.job_id, false FROM tasks
	WHERE tasks.expires_at IS NOT NULL AND tasks.expires_at <= ?
	AND NOT EXISTS (SELECT 1 FROM deps JOIN tasks AS c ON c.id = deps.child
		WHERE deps.parent = tasks.id AND c.ended_at IS NULL)
	ORDER BY tasks.expires_at LIMIT ?`

// Expire implements engine.Keeper.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	var n int
	err := s.read(ctx, `SELECT count(*) FROM (`+expiredSQL+`) AS e`, func(r rows) error { return r.Scan(&n) },
		micros(now), expireAtOnce)
	if err != nil || n == 0 {
		return 0, err
	}
	err = s.other(ctx, batchWeight, func(ctx context.Context, t *tx) error {
		if err := t.session.exec(ctx, `DELETE FROM idempotency WHERE expires_at <= ?`, micros(now)); err != nil {
			return err
		}
		return t.remove(ctx, expiredSQL, nil, micros(now), expireAtOnce)
	})
	return n, err
}

// Unreferenced implements engine.Keeper.
func (s *Store) Unreferenced(ctx context.Context, n int) ([]engine.BlobID, error) {
	return s.ids(ctx, `SELECT id FROM blobs WHERE dying = 1 LIMIT ?`, n)
}

// Blobs returns the blobs that live.
func (s *Store) Blobs(ctx context.Context) ([]engine.BlobID, error) {
	return s.ids(ctx, `SELECT id FROM blobs WHERE dying = 0`)
}

// Forget implements engine.Keeper.
func (s *Store) Forget(ctx context.Context, blobs []engine.BlobID) error {
	return s.other(ctx, len(blobs), func(ctx context.Context, t *tx) error {
		return t.session.exec(ctx, `DELETE FROM blobs WHERE dying = 1 AND id IN (SELECT id FROM {id id} AS r)`,
			idRecords(blobs))
	})
}

// Unknown implements engine.Keeper.
func (s *Store) Unknown(ctx context.Context, blobs []engine.BlobID) ([]engine.BlobID, error) {
	return s.ids(ctx, `SELECT r.id FROM {id id} AS r WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.id = r.id)`,
		idRecords(blobs))
}

func idRecords(ids []engine.ID) records {
	r := make(records, len(ids))
	for i, id := range ids {
		r[i] = []any{id}
	}
	return r
}

func (s *Store) ids(ctx context.Context, query string, args ...any) (ids []engine.ID, err error) {
	err = s.read(ctx, query, func(r rows) error {
		var id engine.ID
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, args...)
	return ids, err
}
