package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gantry-engine/gantry/engine"
)

// Node is a process that shares the tables with others.
type Node struct {
	ID        engine.ID // fresh at every start
	Host      string
	Version   string
	Lanes     []engine.Lane // none: it only serves the API
	Kinds     []string      // of task that it can run
	Catalog   string        // the digest of what it offers
	StartedAt time.Time
	SeenAt    time.Time // by the database's clock
}

// Transaction returns what tx is on PostgreSQL, for a queue that keeps its own tables there. It is nil elsewhere.
func Transaction(of engine.Tx) pgx.Tx {
	if t, ok := of.(*tx); ok {
		if w, ok := t.session.(*postgresSession); ok {
			return w.tx
		}
	}
	return nil
}

// Beat lists the node, or says that it lives, and reports whether it was listed.
func (s *Store) Beat(ctx context.Context, n Node) (listed bool, err error) {
	now := s.dialect.now()
	asked := time.Now()
	err = s.read(ctx, `UPDATE nodes SET seen_at = `+now+` WHERE id = ? RETURNING seen_at`, func(r rows) error {
		var seen int64
		err := r.Scan(&seen)
		s.compare(time.UnixMicro(seen), asked, time.Now())
		listed = true
		return err
	}, n.ID)
	if err != nil || listed {
		return listed, err
	}
	lanes, err := json.Marshal(n.Lanes)
	if err != nil {
		return false, err
	}
	kinds, err := json.Marshal(n.Kinds)
	if err != nil {
		return false, err
	}
	return false, s.read(ctx, `INSERT INTO nodes (id, host, version, lanes, operations, catalog, started_at, seen_at)
		VALUES (?, ?, ?, ?, ?, ?, `+now+`, `+now+`) ON CONFLICT DO NOTHING`, nil,
		n.ID, plain(n.Host), plain(n.Version), string(lanes), string(kinds), n.Catalog)
}

// Leave takes the node off the list: what it has claimed is lost from now on.
func (s *Store) Leave(ctx context.Context, node engine.ID) error {
	return s.read(ctx, `DELETE FROM nodes WHERE id = ?`, nil, node)
}

// Nodes returns the nodes that are listed, oldest first.
func (s *Store) Nodes(ctx context.Context) (nodes []Node, err error) {
	const query = `SELECT id, host, version, lanes, operations, catalog, started_at, seen_at FROM nodes ORDER BY id`
	err = s.read(ctx, query, func(r rows) error {
		var n Node
		var lanes, kinds string
		var started, seen sql.NullInt64
		if err := r.Scan(&n.ID, &n.Host, &n.Version, &lanes, &kinds, &n.Catalog, &started, &seen); err != nil {
			return err
		}
		n.StartedAt, n.SeenAt = fromMicros(started), fromMicros(seen)
		nodes = append(nodes, n)
		last := &nodes[len(nodes)-1]
		return errors.Join(json.Unmarshal([]byte(lanes), &last.Lanes), json.Unmarshal([]byte(kinds), &last.Kinds))
	})
	return nodes, err
}

// Reap takes the nodes off the list that have been silent for that long, and makes claimable what they were at, as Recover
// does. Of two processes that call it at once one does nothing. It returns how many tasks were lost.
func (s *Store) Reap(ctx context.Context, silent time.Duration) (int, error) {
	dead, err := s.ids(ctx, `SELECT id FROM nodes WHERE seen_at < `+s.dialect.now()+` - ? UNION
		SELECT node FROM tasks WHERE state = 'processing' AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = tasks.node)`,
		silent.Microseconds())
	if err != nil || len(dead) == 0 {
		return 0, err
	}
	var found int
	err = s.other(ctx, batchWeight, func(ctx context.Context, t *tx) error {
		found = 0
		mine := false
		err := t.each(ctx, s.dialect.lockNodes(), func(r rows) error { return r.Scan(&mine) })
		if err != nil || !mine {
			return err
		}
		err = t.session.exec(ctx, `DELETE FROM nodes WHERE seen_at < `+s.dialect.now()+` - ?`, silent.Microseconds())
		if err != nil {
			return err
		}
		found, err = t.recover(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	return found, nil
}

// Stale returns those of the attempts that are not current any more, and whether their task has ended or is gone rather
// than being somebody else's.
func (s *Store) Stale(ctx context.Context, refs []engine.Ref) (map[engine.Ref]bool, error) {
	stale := map[engine.Ref]bool{}
	const query = `SELECT r.id, r.attempt, t.id IS NULL OR t.ended_at IS NOT NULL FROM {id id, attempt int} AS r
		LEFT JOIN tasks AS t ON t.id = r.id WHERE t.id IS NULL OR t.attempt <> r.attempt OR t.state <> 'processing'`
	return stale, s.read(ctx, query, func(r rows) error {
		var ref engine.Ref
		var ended bool
		err := r.Scan(&ref.Task, &ref.Attempt, &ended)
		stale[ref] = ended
		return err
	}, refRecords(refs))
}

func refRecords(refs []engine.Ref) records {
	r := make(records, len(refs))
	for i, ref := range refs {
		r[i] = []any{ref.Task, ref.Attempt}
	}
	return r
}

// Unclaimed returns those of the refs whose task is still ready under the attempt.
func (s *Store) Unclaimed(ctx context.Context, refs []engine.Ref) (ready []engine.Ref, err error) {
	const query = `SELECT t.id, t.attempt FROM {id id, attempt int} AS r JOIN tasks AS t ON t.id = r.id
		WHERE t.attempt = r.attempt AND t.state = 'ready'`
	err = s.read(ctx, query, func(r rows) error {
		var ref engine.Ref
		err := r.Scan(&ref.Task, &ref.Attempt)
		ready = append(ready, ref)
		return err
	}, refRecords(refs))
	return ready, err
}

// Requeue hands those of the tasks to the queue again that are still ready under the attempt, as a new attempt: what the
// queue still holds of the old one counts no more.
func (s *Store) Requeue(ctx context.Context, refs []engine.Ref) (int, error) {
	const query = `UPDATE tasks SET attempt = tasks.attempt + 1 FROM {id id, attempt int, was text} AS r
		WHERE tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = r.was RETURNING ` + readyColumns
	var found int
	err := s.other(ctx, len(refs), func(ctx context.Context, t *tx) error {
		found = 0
		return t.each(ctx, query, func(r rows) error {
			ready, err := scanReady(r)
			t.ready = append(t.ready, ready)
			found++
			return err
		}, in(ready, refs))
	})
	if err != nil {
		return 0, err
	}
	return found, nil
}
