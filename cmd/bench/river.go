package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gantry-engine/gantry/engine"
)

// openGantry starts an engine on the database.
func openGantry(ctx context.Context, c nodeConfig) (chainer, error) {
	r, err := openShared(ctx, c.Dir, c.Slots, c.Database)
	if err != nil {
		return nil, err
	}
	r.start(ctx)
	<-r.begun
	return r, nil
}

// plainRiver runs chains with nothing but River: the next step is inserted and this one completed in one transaction, as its
// documentation has it. There is no table of ours.
type plainRiver struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]

	mu  sync.Mutex
	ran []moment
}

// step is a task of a chain of River's.
type step struct {
	Chain string `json:"chain"`
	Step  int    `json:"step"`
	Task  time.Duration
}

// Kind implements river.JobArgs.
func (step) Kind() string { return "step" }

// openRiver starts a client that fetches as often as ours does: at its default it would run slots / 100 ms.
func openRiver(ctx context.Context, c nodeConfig) (chainer, error) {
	pool, err := pgxpool.New(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	r := &plainRiver{pool: pool}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(r.work))
	r.client, err = river.NewClient(riverpgxv5.New(pool), &river.Config{
		Logger: log(), Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Slots}},
		FetchCooldown: time.Millisecond, FetchPollInterval: 200 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return r, r.client.Start(ctx)
}

func migrateRiver(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: log()})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (r *plainRiver) submit(ctx context.Context, task time.Duration) error {
	_, err := r.client.Insert(ctx, step{Chain: string(engine.NewID()), Task: task}, nil)
	return err
}

func (r *plainRiver) work(ctx context.Context, job *river.Job[step]) error {
	m := moment{Chain: job.Args.Chain, Step: job.Args.Step, Began: time.Now().UnixNano()}
	if job.Args.Task > 0 {
		time.Sleep(job.Args.Task)
	}
	m.Ended = time.Now().UnixNano()
	r.mu.Lock()
	r.ran = append(r.ran, m)
	r.mu.Unlock()
	if m.Step == 2 {
		return nil
	}
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		next := job.Args
		next.Step++
		if _, err := r.client.InsertTx(ctx, tx, next, nil); err != nil {
			return fmt.Errorf("insert the next step: %w", err)
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

func (r *plainRiver) moments() []moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ran
}

func (r *plainRiver) close() error {
	err := r.client.Stop(context.Background())
	r.pool.Close()
	return err
}
