// Package sqlstore keeps jobs, tasks and all that belongs to them in SQL tables, with the same statements on every
// database. Changes made at the same time are committed together: one transaction, one fsync.
package sqlstore

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Options are the settings of a Store.
type Options struct {
	Expiry      time.Duration // after which an ended task goes
	Idempotency time.Duration // for which an idempotency key is remembered
	Log         *slog.Logger
	Now         func() time.Time // nil: time.Now
}

// Store is the engine's store over a database. Bind comes before its first use, Close after the last.
type Store struct {
	dialect dialect
	options Options
	node    engine.ID // of this process, fresh at every start

	queue engine.Queue
	bus   engine.Bus

	items    chan item
	progress progress
	stopped  chan struct{} // closed to stop
	done     chan struct{} // closed when stopped
	once     sync.Once

	offset atomic.Int64 // of the database's clock, which all nodes share, from this machine's
	links  *links       // nil where other processes remove tasks
}

func newStore(d dialect, options Options) *Store {
	return &Store{
		dialect: d, options: options, node: engine.NewID(),
		items: make(chan item, 1024), stopped: make(chan struct{}), done: make(chan struct{}),
	}
}

// Node is the id under which this process claims tasks.
func (s *Store) Node() engine.ID { return s.node }

// Engine returns the store as the engine sees it.
func (s *Store) Engine() engine.Store {
	return engine.Store{Graph: s, Reader: s, Keeper: s, Accounts: s, Leftovers: s,
		Connections: s, HostKeys: s, Organisations: s, Workspaces: s}
}

// Bind joins the queue and the bus that take part in every transaction, and starts to commit.
func (s *Store) Bind(queue engine.Queue, bus engine.Bus) {
	s.queue, s.bus = queue, bus
	go s.dispatch()
}

// Close commits what was taken and closes the database. Calls that come later are Unavailable.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.stopped) })
	if s.queue != nil {
		<-s.done
	}
	return s.dialect.close()
}

// BackupTo writes a copy of the database to a new file, consistent and complete, while the store is in use.
func (s *Store) BackupTo(ctx context.Context, path string) error {
	return s.dialect.backup(ctx, path)
}

// Now is the time by which the store dates what happens: where several nodes share a database, by its clock.
func (s *Store) Now() time.Time {
	if s.options.Now != nil {
		return s.options.Now()
	}
	return s.DatabaseNow()
}

// DatabaseNow is the time by the database's clock, about, whatever Options.Now says; with one process its own.
func (s *Store) DatabaseNow() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// compare notes how far the database's clock, which showed that time between the two moments, is from this machine's.
func (s *Store) compare(seen, asked, answered time.Time) {
	s.offset.Store(int64(seen.Sub(asked.Add(answered.Sub(asked) / 2))))
}
