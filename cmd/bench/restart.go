package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	lostJobs  = 10
	lostTasks = 1000 // in each
)

// restart measures how long a server that died over 10,000 running tasks takes until all can be claimed again.
func restart(ctx context.Context, s *suite) error {
	var ours, bare []time.Duration
	for round := range s.rounds {
		dir, err := s.sub(fmt.Sprint(round))
		if err != nil {
			return err
		}
		if err := submitMany(ctx, dir); err != nil {
			return err
		}
		if err := lose(ctx, dir); err != nil {
			return err
		}
		took, err := recovery(ctx, dir)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		if took, err = bareRecovery(ctx, dir); err != nil {
			return err
		}
		bare = append(bare, took)
	}
	s.report.duration("restart with 10,000 running tasks", median(ours), "one UPDATE of the same rows", median(bare), time.Second)
	return nil
}

func submitMany(ctx context.Context, dir string) error {
	r, err := openRig(ctx, dir, 1)
	if err != nil {
		return err
	}
	for range lostJobs {
		var tasks []engine.TaskSpec
		for i := range lostTasks {
			tasks = append(tasks, engine.TaskSpec{Name: fmt.Sprint("t", i), Operation: "bench/first", Params: []byte("{}")})
		}
		if _, err := r.Submit(ctx, r.user, engine.Submission{Tasks: tasks}); err != nil {
			return err
		}
	}
	return r.close()
}

// lose leaves the tables as a process leaves them that is killed while all tasks run.
func lose(ctx context.Context, dir string) error {
	return update(ctx, dir, `UPDATE tasks SET state = 'processing', attempt = 1, losses = 0, node = 'dead', started_at = created_at`)
}

func update(ctx context.Context, dir, query string) error {
	db, conn, err := openBare(ctx, filepath.Join(dir, database))
	if err != nil {
		return err
	}
	defer db.Close()
	defer conn.Close()
	s := &statements{conn: conn, prepared: map[string]*sql.Stmt{}}
	s.exec(ctx, query)
	return s.err
}

// recovery is the time from opening the store to the moment at which the queue begins to hand out tasks.
func recovery(ctx context.Context, dir string) (time.Duration, error) {
	began := time.Now()
	r, err := openRig(ctx, dir, 1)
	if err != nil {
		return 0, err
	}
	r.start(ctx)
	select {
	case <-r.begun:
	case err := <-r.done:
		return 0, fmt.Errorf("engine: %w", err)
	}
	took := time.Since(began)
	return took, r.close()
}

func bareRecovery(ctx context.Context, dir string) (time.Duration, error) {
	if err := lose(ctx, dir); err != nil {
		return 0, err
	}
	began := time.Now()
	err := update(ctx, dir, `UPDATE tasks SET state = 'ready', losses = losses + 1, node = NULL WHERE state = 'processing'`)
	return time.Since(began), err
}
