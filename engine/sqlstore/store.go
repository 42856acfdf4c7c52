// Package sqlstore keeps jobs, tasks and all that belongs to them in SQL tables, with the same statements on every
// database. Changes made at the same time are committed together: one transaction, one fsync.
package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
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
	writer  *sql.DB
	reader  *sql.DB
	options Options
	node    engine.ID // of this process, fresh at every start

	queue engine.Queue
	bus   engine.Bus

	items    chan item
	progress progress
	stopped  chan struct{} // closed to stop
	done     chan struct{} // closed when stopped
	once     sync.Once

	links   *links   // nil where other processes remove tasks
	queries sync.Map // query → its *sql.Stmt, until the readers are closed
}

func (s *Store) open() session {
	return &sqlSession{store: s, opening: s.dialect.begin()}
}

func newStore(d dialect, writer, reader *sql.DB, options Options) *Store {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Store{
		dialect: d, writer: writer, reader: reader, options: options, node: engine.NewID(),
		items: make(chan item, 1024), stopped: make(chan struct{}), done: make(chan struct{}),
	}
}

// Node is the id under which this process claims tasks.
func (s *Store) Node() engine.ID { return s.node }

// Engine returns the store as the engine sees it.
func (s *Store) Engine() engine.Store {
	return engine.Store{Graph: s, Reader: s, Keeper: s, Accounts: s, Leftovers: s}
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
	rerr := s.reader.Close()
	if err := s.writer.Close(); err != nil {
		return err
	}
	return rerr
}

// BackupTo writes a copy of the database to a new file, consistent and complete, while the store is in use.
func (s *Store) BackupTo(ctx context.Context, path string) error {
	return s.dialect.backup(ctx, path)
}

func (s *Store) now() time.Time { return s.options.Now() }

// prepare returns the query, with its records as JSON, as a statement of the readers. To parse a query costs more than to
// run it. There are few texts, so each is kept until the end.
func (s *Store) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.queries.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.reader.PrepareContext(ctx, expand(s.dialect, query, rooms{}))
	if err != nil {
		return nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	if first, raced := s.queries.LoadOrStore(query, st); raced {
		return first.(*sql.Stmt), st.Close()
	}
	return st, nil
}
