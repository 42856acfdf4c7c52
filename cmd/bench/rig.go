package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/localqueue"
	"github.com/gantry-engine/gantry/engine/riverqueue"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// rig is an engine as `gantry serve` has it, with operations that do nothing.
type rig struct {
	*engine.Engine
	store *sqlstore.Store
	user  engine.UserID
	begun chan struct{} // closed when the queue begins to hand out tasks

	mu    sync.Mutex
	ran   []moment
	ended int // last tasks that ran

	stop  context.CancelFunc
	done  chan error
	after []func() // what else is to be closed
}

const database = "gantry.db"

func log() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func storeOptions() sqlstore.Options {
	return sqlstore.Options{Expiry: 24 * time.Hour, Idempotency: 24 * time.Hour, Log: log()}
}

// openRig opens an embedded engine in the folder. Start runs it.
func openRig(ctx context.Context, dir string, slots int) (*rig, error) {
	store, err := sqlstore.OpenSQLite(ctx, filepath.Join(dir, database), storeOptions())
	if err != nil {
		return nil, err
	}
	r := &rig{store: store, begun: make(chan struct{})}
	catalog, err := engine.NewCatalog(r.operations()...)
	if err != nil {
		return nil, err
	}
	return r, r.assemble(ctx, dir, slots, catalog, localqueue.New(store.Node(), store.Turn), localqueue.NewBus())
}

// openShared opens an engine on a database that others share.
func openShared(ctx context.Context, dir string, slots int, url string) (*rig, error) {
	store, err := sqlstore.OpenPostgres(ctx, url, storeOptions())
	if err != nil {
		return nil, err
	}
	r := &rig{store: store, begun: make(chan struct{})}
	catalog, err := engine.NewCatalog(r.operations()...)
	if err != nil {
		return nil, err
	}
	queue, err := riverqueue.New(ctx, store, catalog, url, riverqueue.Options{Log: log()})
	if err != nil {
		return nil, err
	}
	bus := riverqueue.NewBus(store, url, log())
	r.after = []func(){queue.Close, bus.Close}
	return r, r.assemble(ctx, dir, slots, catalog, queue, bus)
}

// assemble joins the parts to an engine.
func (r *rig) assemble(ctx context.Context, dir string, slots int, catalog *engine.Catalog, queue engine.Queue, bus engine.Bus) error {
	queue = watched{queue, r.begun}
	r.store.Bind(queue, bus)
	files, err := filestore.OpenDir(filepath.Join(dir, "files"))
	if err != nil {
		return err
	}
	keys, err := secret.FromText("the same text for all processes of a measurement")
	if err != nil {
		return err
	}
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	r.Engine = &engine.Engine{
		Catalog: catalog, Store: r.store.Engine(), Queue: queue, Bus: bus, Files: files, Sealer: keys, Limits: limits,
		Lanes: []engine.Lane{{Name: engine.LaneNet, Slots: slots}}, WorkDir: work, Drain: 10 * time.Second, Log: log(), Now: r.store.Now,
	}
	u, err := r.Engine.Store.Accounts.EnsureUser(ctx, "bench")
	r.user = u.ID
	return err
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

// nothing are the parameters of operations that do nothing, but for a while.
type nothing struct {
	Millis int `json:"millis"`
}

func (r *rig) operations() []engine.Operation {
	first := engine.Define("bench/first", "Does nothing.", engine.LaneNet, nothing{}, engine.HandlerFunc[nothing](r.handle))
	first.Source = true
	next := engine.Define("bench/next", "Does nothing.", engine.LaneNet, nothing{}, engine.HandlerFunc[nothing](r.handle))
	return []engine.Operation{first, next}
}

func (r *rig) handle(ctx context.Context, run *engine.Run, p nothing) (engine.Result, error) {
	m := moment{Chain: string(run.Job), Step: strings.Index("abc", run.Name), Began: time.Now().UnixNano()}
	if p.Millis > 0 {
		select {
		case <-time.After(time.Duration(p.Millis) * time.Millisecond):
		case <-ctx.Done():
			return engine.Result{}, context.Cause(ctx)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Ended = time.Now().UnixNano()
	r.ran = append(r.ran, m)
	if m.Step == 2 {
		r.ended++
	}
	return engine.Result{}, nil
}

func (r *rig) moments() []moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ran
}

// submit stores a chain of tasks that take that long.
func (r *rig) submit(ctx context.Context, task time.Duration) error {
	_, err := r.chain(ctx, task)
	return err
}

// chain is a job of three tasks, each waiting for the one before.
func (r *rig) chain(ctx context.Context, task time.Duration) (engine.Job, error) {
	params := fmt.Appendf(nil, `{"millis":%d}`, task.Milliseconds())
	return r.Submit(ctx, r.user, engine.Submission{Tasks: []engine.TaskSpec{
		{Name: "a", Operation: "bench/first", Params: params},
		{Name: "b", Operation: "bench/next", Params: params, Input: []string{"a"}},
		{Name: "c", Operation: "bench/next", Params: params, Input: []string{"b"}},
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
	err := r.store.Close()
	for _, end := range r.after {
		end()
	}
	return err
}
