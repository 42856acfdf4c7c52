package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

const (
	crowdUsers = 500
	crowdJobs  = 333_334 // of three tasks each
	pages      = 60
)

// crowd measures the same chains, and pages of tasks, where a million tasks of 500 users lie already.
func crowd(ctx context.Context, s *suite) error {
	empty, err := s.sub("empty")
	if err != nil {
		return err
	}
	full, err := s.sub("full")
	if err != nil {
		return err
	}
	if err := populate(ctx, filepath.Join(full, database)); err != nil {
		return err
	}
	var crowded, alone series
	for round := range s.rounds {
		dir := filepath.Join(empty, fmt.Sprint(round))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		rate, err := busyChains(ctx, dir, 64)
		alone.add(rate, err)
		rate, err = busyChains(ctx, full, 64)
		crowded.add(rate, err)
		if alone.err != nil || crowded.err != nil {
			return fmt.Errorf("empty: %w, full: %w", alone.err, crowded.err)
		}
	}
	s.report.rate("chains, 64 slots, 1,000,000 tasks there", "tasks/s", crowded, "tasks/s, empty table", alone, 0.9)
	return listings(ctx, s, full)
}

// populate makes the tables and fills them with the rows of ended jobs, in few large transactions.
func populate(ctx context.Context, path string) error {
	store, err := sqlstore.OpenSQLite(ctx, path, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	db, conn, err := openBare(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	defer conn.Close()
	now := time.Now()
	s := &statements{conn: conn, prepared: map[string]*sql.Stmt{}}
	s.exec(ctx, `PRAGMA cache_size = -200000`)
	s.exec(ctx, `CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < ? - 1)
		SELECT n, 1 + abs(random()) % ? AS usr, printf('%012x', ? + n) AS ms FROM n`,
		crowdJobs, crowdUsers, now.Add(-time.Hour).UnixMilli())
	for _, fill := range []string{
		`INSERT INTO jobs (id, user_id, tag, hidden, state, tasks_left, failures, events, created_at, started_at, ended_at)
			SELECT ` + idOf("0") + `, usr, '', 0, 'finished', 0, 0, 12, ?1, ?1, ?1 FROM n`,
		`INSERT INTO tasks (id, job_id, user_id, pos, name, operation, spelling, lane, priority, state, deps_left, ok_inputs,
			attempt, tries, losses, ignore_error, ignored, awaits, percent, payload, redacted, created_at, started_at, ended_at,
			expires_at)
			SELECT ` + idOf("1 + pos") + `, ` + idOf("0") + `, usr, pos, substr('abc', 1 + pos, 1), 'bench/next', 'bench/next', 'net', 0,
				CASE WHEN n % 50 = 0 AND pos = 2 THEN 'error' ELSE 'finished' END, 0, min(pos, 1),
				1, 0, 0, 0, 0, 0, 100, hex(randomblob(40)), '{"input":["a"],"operation":"bench/next"}', ?1, ?1, ?1, ?1 + 86400000000
			FROM n, (SELECT 0 AS pos UNION ALL SELECT 1 UNION ALL SELECT 2) ORDER BY n, pos`,
		`INSERT INTO deps (parent, child, pos, need) SELECT ` + idOf("pos") + `, ` + idOf("1 + pos") + `, 0, 0
			FROM n, (SELECT 1 AS pos UNION ALL SELECT 2) ORDER BY n, pos`,
		`INSERT INTO events (job_id, n, task_id, kind, at) SELECT ` + idOf("0") + `, k, ` + idOf("1 + k % 3") + `, 'task.updated', ?1
			FROM n, (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) ORDER BY n, k`,
	} {
		if s.exec(ctx, fill, now.UnixMicro()); s.err != nil {
			return s.err
		}
	}
	s.exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return s.err
}

// idOf is a UUIDv7 of the row in n, with the given last part.
func idOf(last string) string {
	return `substr(ms, 1, 8) || '-' || substr(ms, 9) || printf('-7000-8000-%012x', ` + last + `)`
}

// listings measures pages of a hundred tasks of one user.
func listings(ctx context.Context, s *suite, dir string) error {
	r, err := openRig(ctx, dir, 1)
	if err != nil {
		return err
	}
	defer r.close() //nolint:errcheck // only read
	db, conn, err := openBare(ctx, filepath.Join(dir, database))
	if err != nil {
		return err
	}
	defer db.Close()
	defer conn.Close()
	for _, list := range []struct {
		name  string
		query engine.TaskQuery
	}{
		{"page of 100 tasks, the first", engine.TaskQuery{Page: engine.Page{Limit: 100}}},
		{"page of 100 tasks, the tenth", engine.TaskQuery{Page: engine.Page{Limit: 100, Offset: 900}}},
		{"page of 100 finished tasks", engine.TaskQuery{Status: engine.StatusFinished, Page: engine.Page{Limit: 100}}},
		{"page of failed tasks", engine.TaskQuery{Status: engine.StatusFailed, Page: engine.Page{Limit: 100}}},
		{"page of waiting tasks", engine.TaskQuery{Status: engine.StatusWaiting, Page: engine.Page{Limit: 100}}},
	} {
		if err := listing(ctx, s, r, conn, list.name, list.query); err != nil {
			return err
		}
	}
	return nil
}

func listing(ctx context.Context, s *suite, r *rig, conn *sql.Conn, name string, q engine.TaskQuery) error {
	var ours, bare []time.Duration
	for range pages {
		q.User = engine.UserID(1 + rand.IntN(crowdUsers))
		began := time.Now()
		if _, err := r.Engine.Store.Reader.Tasks(ctx, q); err != nil {
			return err
		}
		ours = append(ours, time.Since(began))
		began = time.Now()
		query := fmt.Sprintf(`SELECT * FROM tasks WHERE user_id = %d ORDER BY id DESC LIMIT 100`, q.User)
		if err := readRows(ctx, conn, query, func([]any) {}); err != nil {
			return err
		}
		bare = append(bare, time.Since(began))
	}
	s.report.duration(name+", p50", median(ours), "bare SELECT of the first 100 rows", median(bare), 5*time.Millisecond)
	return nil
}
