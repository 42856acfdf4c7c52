// Package enginetest holds the contracts of the engine's parts as tests, and what other packages need to test against a
// real engine: a running server on real parts, a clock that is set by hand, a builder of jobs.
package enginetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/localqueue"
	"github.com/gantry-engine/gantry/engine/riverqueue"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// T is the part of testing.TB that a Server and a Gate need. The tests of rapid have it too.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Server is an engine on real parts in a folder. Start runs it; a test may stop it and open another on the same folder.
type Server struct {
	*engine.Engine
	Clock *Clock
	User  engine.UserID
	Store *sqlstore.Store

	stop  context.CancelFunc
	done  chan error
	close []func()
}

// Config chooses what New makes. Zero fields have defaults.
type Config struct {
	Dir        string        // by default a temporary folder
	Database   string        // URL of the folder's own PostgreSQL database, as DatabaseOf makes one; empty: SQLite, unless Database says else
	Lease      time.Duration // on PostgreSQL, 1 s by default
	Operations []engine.Operation
	Slots      int // of each lane; 4 by default, none where it is below 0
	Limits     engine.Limits
	Drain      time.Duration    // 10 s by default
	Log        io.Writer        // by default the test's own log is not used and lines are dropped
	Now        func() time.Time // by default the Server's Clock
}

// Start returns a running engine with the operations. It is drained and closed at the end of the test.
func Start(t testing.TB, operations ...engine.Operation) *Server {
	t.Helper()
	s := New(t, Config{Operations: operations})
	s.Start(t)
	return s
}

// New returns an engine that is not running yet.
func New(t testing.TB, c Config) *Server {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if server := Database(); server != "" && c.Database == "" {
		c.Database = DatabaseOf(t, server, c.Dir)
	}
	s, err := Assemble(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t) })
	return s
}

// defaults are c with its zero fields set.
func (c Config) defaults() Config {
	if c.Slots == 0 {
		c.Slots = 4
	}
	if c.Limits == (engine.Limits{}) {
		c.Limits = engine.DefaultLimits()
		c.Limits.FreeSpace = 0
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Lease == 0 {
		c.Lease = time.Second
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	return c
}

// Assemble returns an engine that is not running yet, for a process that is no test itself. Config.Dir is set.
func Assemble(ctx context.Context, c Config) (*Server, error) {
	c = c.defaults()
	log := slog.New(slog.NewTextHandler(c.Log, nil))
	clock := NewClock()
	if c.Now == nil {
		c.Now = clock.Now
	}
	catalog, err := engine.NewCatalog(c.Operations...)
	if err != nil {
		return nil, err
	}
	f, err := c.footing(ctx, catalog, log)
	if err != nil {
		return nil, err
	}
	files, err := filestore.OpenDir(filepath.Join(c.Dir, "files"))
	if err != nil {
		return nil, err
	}
	work := filepath.Join(c.Dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	keys, err := keyFile(filepath.Join(c.Dir, "key"))
	if err != nil {
		return nil, err
	}
	s := &Server{Clock: clock, Store: f.store, close: f.close, Engine: &engine.Engine{
		Catalog: catalog, Store: f.store.Engine(), Queue: f.queue, Bus: f.bus, Fleet: f.fleet, Files: files, Sealer: keys, Limits: c.Limits,
		WorkDir: work, Drain: c.Drain, Log: log, Now: c.Now,
	}}
	for _, lane := range catalog.Lanes() {
		s.Lanes = append(s.Lanes, engine.Lane{Name: lane, Slots: max(0, c.Slots)})
	}
	u, err := s.Engine.Store.Accounts.EnsureUser(ctx, "tester")
	s.User = u.ID
	return s, err
}

// parts are what differs between one machine and many.
type parts struct {
	store *sqlstore.Store
	queue engine.Queue
	bus   engine.Bus
	fleet engine.Fleet
	close []func()
}

func (c Config) footing(ctx context.Context, catalog *engine.Catalog, log *slog.Logger) (f parts, err error) {
	options := sqlstore.Options{Expiry: c.Limits.Expiry, Idempotency: c.Limits.Idempotency, Log: log, Now: c.Now}
	if c.Database == "" {
		f.store, err = sqlstore.OpenSQLite(ctx, filepath.Join(c.Dir, "gantry.db"), options)
		if err != nil {
			return f, err
		}
		f.bus, f.queue = localqueue.NewBus(), localqueue.New(f.store.Node(), f.store.Turn)
		f.store.Bind(f.queue, f.bus)
		return f, nil
	}
	if f.store, err = sqlstore.OpenPostgres(ctx, c.Database, options); err != nil {
		return f, err
	}
	queue, err := riverqueue.New(ctx, f.store, catalog, c.Database, riverqueue.Options{Lease: c.Lease, Log: log})
	if err != nil {
		return f, err
	}
	bus := riverqueue.NewBus(f.store, c.Database, log)
	f.queue, f.bus, f.fleet, f.close = queue, bus, queue, []func(){queue.Close, bus.Close}
	f.store.Bind(queue, bus)
	return f, nil
}

func keyFile(path string) (*secret.Keys, error) {
	if keys, err := secret.Load(path); err == nil {
		return keys, nil
	}
	keys, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	return keys, keys.Save(path)
}

// Start runs the engine until Stop.
func (s *Server) Start(t T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.done = stop, make(chan error, 1)
	go func() { s.done <- s.Run(ctx) }()
}

// Stop drains the engine and returns when it has stopped.
func (s *Server) Stop(t T) {
	t.Helper()
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	if err := <-s.done; err != nil {
		t.Errorf("engine: %v", err)
	}
}

// Close stops the engine and closes its store, so that another can open the folder.
func (s *Server) Close(t T) {
	t.Helper()
	s.Stop(t)
	if err := s.Store.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
	for _, f := range s.close {
		f()
	}
}

// Kill makes the engine stop as if its process had died: nothing it was doing is written any more. A Config with a short
// Drain spares the wait for its handlers.
func (s *Server) Kill(t T) {
	t.Helper()
	if err := s.Store.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
	if s.stop != nil {
		s.stop()
		s.stop = nil
		<-s.done // whatever it says: it may have died on its first step
	}
}

// MustSubmit stores a job of these tasks and returns it.
func (s *Server) MustSubmit(t testing.TB, tasks ...engine.TaskSpec) engine.Job {
	t.Helper()
	job, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: tasks})
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return job
}

// MustEnd waits for the end of a job and returns it.
func (s *Server) MustEnd(t testing.TB, id engine.ID) engine.Job {
	t.Helper()
	job, err := s.WaitJob(t.Context(), s.User, id)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	return job
}

// Task is a task with the parameters, a JSON object, and the inputs.
func Task(name, operation, params string, input ...string) engine.TaskSpec {
	if params == "" {
		params = "{}"
	}
	return engine.TaskSpec{Name: name, Operation: operation, Params: []byte(params), Input: input}
}

// Named returns the task of that name.
func Named(t testing.TB, job engine.Job, name string) engine.Task {
	t.Helper()
	for _, task := range job.Tasks {
		if task.Name == name {
			return task
		}
	}
	t.Fatalf("job %s has no task %q", job.ID, name)
	return engine.Task{}
}

// Summary lists the tasks as name=status, with the code of what failed, in the order of the job.
func Summary(job engine.Job) string {
	out := string(job.Status)
	for _, task := range job.Tasks {
		out += fmt.Sprintf(" %s=%s", task.Name, task.Status)
		if task.Code != "" {
			out += ":" + string(task.Code)
		}
	}
	return out
}

// Clock is a clock that is set by hand. It stands still at the time it was made, and may be read and set by several
// goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows the present.
func NewClock() *Clock { return &Clock{now: time.Now().UTC().Truncate(time.Microsecond)} }

// Now returns what the clock shows. It moves by a microsecond each time, so that no two moments are the same.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
