package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"

	"github.com/gantry-engine/gantry/engine"
)

const claimSet = `UPDATE tasks SET state = 'processing', node = ?, attempt = tasks.attempt + 1, percent = 0,
	started_at = coalesce(tasks.started_at, ?) `

const claimReturning = ` RETURNING tasks.id, tasks.attempt, tasks.job_id, tasks.user_id, tasks.name, tasks.operation,
	tasks.tool, tasks.lane, tasks.tries, tasks.losses, tasks.payload, tasks.started_at,
	coalesce(tasks.retry_of, '')`

// SQLite plans a bare LIMIT ? anew for every number: the sum costs less.
const claimNextSQL = claimSet + `WHERE id IN (SELECT id FROM tasks
	WHERE state = 'ready' AND lane = ? AND losses >= ? AND losses < ? ORDER BY priority, job_id, pos LIMIT 0 + ?)` + claimReturning

const claimRefsSQL = claimSet + `FROM {id id, attempt int, was text} AS r
	WHERE tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = r.was` + claimReturning

// States that are given with the tasks for which they have to hold: written out in a statement, they invite the database to
// go through all tasks of that state, of which it thinks there are few, rather than look each task up by its id.
const (
	ready      = "ready"
	processing = "processing"
)

// in are refs of which the tasks have to be in the state.
func in(state string, refs []engine.Ref) records {
	r := refRecords(refs)
	for i := range r {
		r[i] = append(r[i], state)
	}
	return r
}

const manyLosses = 1 << 30

// ClaimNext implements engine.Tx.
func (t *tx) ClaimNext(ctx context.Context, node engine.ID, lane string, n int, alone bool) ([]engine.Claim, error) {
	from, below := 0, lossesAlone
	if alone {
		from, below = lossesAlone, manyLosses
	}
	return t.claim(ctx, claimNextSQL, node, t.at, lane, from, below, n)
}

// ClaimRefs implements engine.Tx.
func (t *tx) ClaimRefs(ctx context.Context, node engine.ID, refs []engine.Ref) ([]engine.Claim, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	return t.claim(ctx, claimRefsSQL, node, t.at, in(ready, refs))
}

func (t *tx) claim(ctx context.Context, query string, args ...any) (claims []engine.Claim, err error) {
	err = t.each(ctx, query, func(r rows) error {
		var c engine.Claim
		var payload string
		var started sql.NullInt64
		err := r.Scan(&c.Task, &c.Attempt, &c.Job, &c.User, &c.Name, &c.Operation,
			&c.Tool, &c.Lane, &c.Tries, &c.Losses, &payload, &started, &c.RetryOf)
		if err != nil {
			return err
		}
		c.Payload, _ = base64.StdEncoding.DecodeString(payload) // a damaged one does not open: its task fails, not the batch
		c.StartedAt = fromMicros(started)
		d := t.job(c.Job)
		if d.started < 0 {
			d.started = len(d.events)
		}
		d.event(c.Task, engine.TaskUpdated)
		claims = append(claims, c)
		return nil
	}, args...)
	return claims, err
}

// Claim claims the task for node if it is still ready under the attempt; nil if it is not. Claims made at the same time
// are committed together.
func (s *Store) Claim(ctx context.Context, node engine.ID, ref engine.Ref) (*engine.Claim, error) {
	e := &claim{node: node, ref: ref}
	err := s.do(ctx, func(b *batch) {
		b.claims = append(b.claims, e)
		b.expect(&e.err, 1)
	})
	if err != nil {
		return nil, err
	}
	return e.found, nil
}

func (t *tx) claimRefs(ctx context.Context, b *batch) error {
	byNode := map[engine.ID][]engine.Ref{}
	wanted := map[engine.Ref]*claim{}
	for _, c := range b.claims {
		c.found = nil
		byNode[c.node] = append(byNode[c.node], c.ref)
		wanted[c.ref] = c
	}
	for node, refs := range byNode {
		claims, err := t.ClaimRefs(ctx, node, refs)
		if err != nil {
			return err
		}
		for _, c := range claims {
			wanted[engine.Ref{Task: c.Task, Attempt: c.Attempt - 1}].found = &c
		}
	}
	return nil
}
