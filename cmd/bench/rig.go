package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/localqueue"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// rig is the embedded engine as `gantry serve` has it, with operations that do nothing.
type rig struct {
	*engine.Engine
	store *sqlstore.Store
	user  engine.UserID
	begun chan struct{} // closed when the queue begins to hand out tasks

	mu    sync.Mutex
	left  map[place]time.Time // when a handler returned
	hops  []time.Duration     // from there to the start of the next one
	ended int                 // last tasks that ran

	stop context.CancelFunc
	done chan error
}

// place is a task by its job and name.
type place struct {
	job  engine.ID
	name string
}

const database = "gantry.db"

// openRig opens an engine in the folder. Start runs it.
func openRig(ctx context.Context, dir string, slots int) (*rig, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := sqlstore.OpenSQLite(ctx, filepath.Join(dir, database),
		sqlstore.Options{Expiry: 24 * time.Hour, Idempotency: 24 * time.Hour, Log: log})
	if err != nil {
		return nil, err
	}
	r := &rig{store: store, begun: make(chan struct{}), left: map[place]time.Time{}}
	bus, queue := localqueue.NewBus(), watched{localqueue.New(store.Node(), store.Turn), r.begun}
	store.Bind(queue, bus)
	files, err := filestore.OpenDir(filepath.Join(dir, "files"))
	if err != nil {
		return nil, err
	}
	keys, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	catalog, err := engine.NewCatalog(r.operations()...)
	if err != nil {
		return nil, err
	}
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	r.Engine = &engine.Engine{
		Catalog: catalog, Store: store.Engine(), Queue: queue, Bus: bus, Files: files, Sealer: keys, Limits: limits,
		Lanes: []engine.Lane{{Name: engine.LaneNet, Slots: slots}}, WorkDir: work, Drain: 10 * time.Second, Log: log,
	}
	u, err := r.Engine.Store.Accounts.EnsureUser(ctx, "bench")
	r.user = u.ID
	return r, err
}

// watched tells when the queue begins.
type watched struct {
	engine.Queue
	begun chan struct{}
}

// Run closes begun and runs the queue.
func (w watched) Run(ctx context.Context, lanes []engine.Lane, handle func(context.Context, engine.Claim)) error {
	close(w.begun)
	return w.Queue.Run(ctx, lanes, handle)
}

// nothing are the parameters of operations that do nothing.
type nothing struct{}

func (r *rig) operations() []engine.Operation {
	first := engine.Define("bench/first", "Does nothing.", engine.LaneNet, nothing{}, engine.HandlerFunc[nothing](r.handle))
	first.Source = true
	next := engine.Define("bench/next", "Does nothing.", engine.LaneNet, nothing{}, engine.HandlerFunc[nothing](r.handle))
	return []engine.Operation{first, next}
}

// before names the task that a task of a chain waits for.
var before = map[string]string{"b": "a", "c": "b"}

func (r *rig) handle(_ context.Context, run *engine.Run, _ nothing) (engine.Result, error) {
	began := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	earlier := place{run.Job, before[run.Name]}
	if t, ok := r.left[earlier]; ok {
		r.hops = append(r.hops, began.Sub(t))
		delete(r.left, earlier)
	}
	if run.Name == "c" {
		r.ended++
	} else {
		r.left[place{run.Job, run.Name}] = time.Now()
	}
	return engine.Result{}, nil
}

// chain is a job of three tasks, each waiting for the one before.
func (r *rig) chain(ctx context.Context) (engine.Job, error) {
	empty := []byte("{}")
	return r.Submit(ctx, r.user, engine.Submission{Tasks: []engine.TaskSpec{
		{Name: "a", Operation: "bench/first", Params: empty},
		{Name: "b", Operation: "bench/next", Params: empty, Input: []string{"a"}},
		{Name: "c", Operation: "bench/next", Params: empty, Input: []string{"b"}},
	}})
}

func (r *rig) start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	r.done = make(chan error, 1)
	go func() { r.done <- r.Run(ctx) }()
}

// close drains the engine, if it runs, and closes its database.
func (r *rig) close() error {
	if r.stop != nil {
		r.stop()
		if err := <-r.done; err != nil {
			return fmt.Errorf("engine: %w", err)
		}
	}
	return r.store.Close()
}
