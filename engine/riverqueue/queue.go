// Package riverqueue is the queue and the bus of many processes over one PostgreSQL database: ready tasks travel as jobs of
// River, hints as notifications. Both carry names only; the tables decide.
package riverqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// Options are the settings of a Queue. Zero fields have defaults.
type Options struct {
	Version string        // of the program, shown in the list of nodes
	Lease   time.Duration // a node silent for that long is dead; 4 s
	Beat    time.Duration // how often a node says that it lives; a quarter of Lease
	Strand  time.Duration // for which a task waits for a node that can run it; 10 min
	Log     *slog.Logger
}

func (o Options) defaults() Options {
	if o.Lease == 0 {
		o.Lease = 4 * time.Second
	}
	if o.Beat == 0 {
		o.Beat = o.Lease / 4
	}
	if o.Strand == 0 {
		o.Strand = 10 * time.Minute
	}
	return o
}

const (
	fetchCooldown = time.Millisecond // between two fetches of a lane; bounds the latency of a first step
	fetchPoll     = 200 * time.Millisecond
	connections   = 8

	// River's own rescue of what a dead node was at comes long after ours. It only tidies up: what it hands out then is
	// claimed by nobody.
	jobTimeout  = 24 * time.Hour
	rescueAfter = jobTimeout + time.Hour
	keepDone    = time.Hour
)

// The priorities of River, of which there are four.
const (
	highFollowing = iota + 1
	highFirst
	following
	first
)

// args is what a River job carries. Its kind is the task's, so that a process only gets what it can run.
type args struct {
	Task    engine.ID `json:"task"`
	Attempt int       `json:"attempt"`

	kind string
}

func (a args) Kind() string { return spelled(a.kind) }

// strange is what River does not like in the kind of a job.
var strange = regexp.MustCompile(`[^\w\-/.+]`)

// spelled is the kind in letters that River likes; different kinds stay different.
func spelled(kind string) string {
	return strange.ReplaceAllStringFunc(kind, func(s string) string {
		if s == " " {
			return ":"
		}
		return fmt.Sprintf("<%x>", s)
	})
}

// aloneTag marks the jobs of tasks beside which nothing else runs.
const aloneTag = "alone"

// Queue hands ready tasks to the processes of a database. A River job that reaches a process is a hint: the task is claimed
// in the tables, in the next batch, and whoever comes second finds nothing to claim. A task that becomes ready with the
// end of one that ran here takes over its slot in the same commit, without a detour over River.
type Queue struct {
	store   *sqlstore.Store
	catalog *engine.Catalog
	options Options
	pool    *pgxpool.Pool
	inserts *river.Client[pgx.Tx]
	kinds   map[string]bool // of task that this process can run
	fleet   fleet

	mu       sync.Mutex
	running  map[engine.Ref]*slot
	draining chan struct{} // nil while not running; closed when Run is to end
	handle   func(context.Context, engine.Claim)
	gate     gate
}

// slot is where a claimed task runs: one of River's, which it keeps for what follows.
type slot struct {
	lane  string
	alone bool
	lose  context.CancelCauseFunc
	next  *engine.Claim
}

// New returns a queue for the store, which was opened at the same URL, and brings River's tables up to date. Catalog is
// what this process can run. Close it after the store.
func New(ctx context.Context, store *sqlstore.Store, catalog *engine.Catalog, url string, options Options) (*Queue, error) {
	options = options.defaults()
	pool, err := sqlstore.Pool(ctx, url, connections)
	if err != nil {
		return nil, err
	}
	q := &Queue{store: store, catalog: catalog, options: options, pool: pool, running: map[engine.Ref]*slot{}, kinds: map[string]bool{}}
	for _, op := range catalog.All() {
		for _, kind := range op.Kinds() {
			q.kinds[kind] = true
		}
	}
	q.gate.free = sync.NewCond(&q.gate.mu)
	if err := q.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	q.inserts, err = river.NewClient(riverpgxv5.New(pool), &river.Config{
		Logger: q.riverLog(), SkipJobKindValidation: true,
		FetchCooldown: fetchCooldown, // between two notifications
		Test:          river.TestConfig{Time: inserting{clock{store}}},
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return q, nil
}

// Close ends the connections. Run has ended.
func (q *Queue) Close() { q.pool.Close() }

func (q *Queue) migrate(ctx context.Context) error {
	return sqlstore.Exclusively(ctx, q.pool, func() error {
		m, err := rivermigrate.New(riverpgxv5.New(q.pool), &rivermigrate.Config{Logger: q.riverLog()})
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
}

// riverLog is our log without River's chatter.
func (q *Queue) riverLog() *slog.Logger {
	return slog.New(quiet{q.options.Log.Handler()})
}

type quiet struct{ slog.Handler }

func (h quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{h.Handler.WithAttrs(attrs)} }
func (h quiet) WithGroup(name string) slog.Handler       { return quiet{h.Handler.WithGroup(name)} }

// Enqueue implements engine.Queue.
func (q *Queue) Enqueue(ctx context.Context, tx engine.Tx, ready []engine.Ready) error {
	if len(ready) == 0 {
		return nil
	}
	rest, err := q.takeOver(ctx, tx, ready)
	if err != nil || len(rest) == 0 {
		return err
	}
	jobs := make([]river.InsertManyParams, len(rest))
	for i, r := range rest {
		o := &river.InsertOpts{Queue: r.Lane, Priority: priority(r)}
		if r.Alone {
			o.Tags = []string{aloneTag}
		}
		jobs[i] = river.InsertManyParams{InsertOpts: o,
			Args: args{Task: r.Ref.Task, Attempt: r.Ref.Attempt, kind: engine.Kind(r.Operation, r.Tool)}}
	}
	_, err = q.inserts.InsertManyFastTx(ctx, sqlstore.Transaction(tx), jobs)
	return err
}

func priority(r engine.Ready) int {
	switch {
	case r.Priority < 0 && r.Follows:
		return highFollowing
	case r.Priority < 0:
		return highFirst
	case r.Follows:
		return following
	}
	return first
}

// takeOver gives the slots of what has settled to what became ready with it, and returns what found none.
func (q *Queue) takeOver(ctx context.Context, tx engine.Tx, ready []engine.Ready) (rest []engine.Ready, err error) {
	free := q.freed(tx.Settled())
	var refs []engine.Ref
	slots := map[engine.ID]*slot{}
	for _, r := range ready {
		if n := len(free[r.Lane]); n > 0 && q.kinds[engine.Kind(r.Operation, r.Tool)] && !r.Alone {
			slots[r.Ref.Task] = free[r.Lane][n-1]
			free[r.Lane] = free[r.Lane][:n-1]
			refs = append(refs, r.Ref)
		} else {
			rest = append(rest, r)
		}
	}
	if len(refs) == 0 {
		return rest, nil
	}
	claims, err := tx.ClaimRefs(ctx, q.store.Node(), refs)
	tx.After(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		for _, c := range claims {
			slots[c.Task].next = &c
		}
	}, func() {})
	return rest, err
}

// freed returns the slots of the attempts, by lane, where more work may start.
func (q *Queue) freed(settled []engine.Ref) map[string][]*slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := map[string][]*slot{}
	if q.stopping() || q.gate.barred() {
		return free
	}
	for _, ref := range settled {
		if s, ok := q.running[ref]; ok && !s.alone {
			free[s.lane] = append(free[s.lane], s)
		}
	}
	return free
}

// stopping reports whether nothing more is to be claimed. The caller holds q.mu.
func (q *Queue) stopping() bool {
	select {
	case <-q.draining:
		return true
	default:
		return q.draining == nil
	}
}

// Run implements engine.Queue. Without slots it claims nothing, and only keeps watch with the others.
func (q *Queue) Run(ctx context.Context, lanes []engine.Lane, handle func(context.Context, engine.Claim)) error {
	q.mu.Lock()
	q.handle, q.draining = handle, make(chan struct{})
	q.mu.Unlock()
	lease, err := q.join(ctx, lanes)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer lease.leave()
	client, err := q.worker(lanes)
	if err != nil {
		return err
	}
	if client != nil {
		if err := client.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	q.mu.Lock()
	close(q.draining)
	q.mu.Unlock()
	q.gate.open()
	if client == nil {
		return nil
	}
	return client.Stop(context.WithoutCancel(ctx))
}

// worker returns the client that fetches for the lanes; nil if none has a slot.
func (q *Queue) worker(lanes []engine.Lane) (*river.Client[pgx.Tx], error) {
	queues := map[string]river.QueueConfig{}
	for _, l := range lanes {
		if l.Slots > 0 {
			queues[l.Name] = river.QueueConfig{MaxWorkers: l.Slots}
		}
	}
	if len(queues) == 0 {
		return nil, nil
	}
	workers := river.NewWorkers()
	for kind := range q.kinds {
		river.AddWorkerArgs(workers, args{kind: kind}, river.WorkFunc(q.work))
	}
	return river.NewClient(riverpgxv5.New(q.pool), &river.Config{
		ID: string(q.store.Node()), Logger: q.riverLog(), Queues: queues, Workers: workers,
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, FetchOnlyKnownKinds: true,
		JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, CompletedJobRetentionPeriod: keepDone,
		SkipJobKindValidation: true, Test: river.TestConfig{Time: clock{q.store}},
	})
}

const heldFor = 5 * time.Second // at the gate, until another process may take the task

// work is called by River with a task that was ready when it was enqueued. It always ends well: whatever else is to be said
// of the task is in the tables.
func (q *Queue) work(ctx context.Context, job *river.Job[args]) error {
	alone := len(job.Tags) > 0 && job.Tags[0] == aloneTag
	if !q.gate.enter(alone, heldFor) {
		return river.JobSnooze(time.Second)
	}
	defer q.gate.leave(alone)
	c, err := q.claim(ctx, engine.Ref{Task: job.Args.Task, Attempt: job.Args.Attempt})
	if err != nil {
		return river.JobSnooze(0)
	}
	for s := (&slot{lane: job.Queue, alone: alone}); c != nil; c = s.next {
		s.next = nil
		q.run(s, *c)
	}
	return nil
}

// claim claims the task, if it is still to be had. While the database is away it waits: River would give the job up in
// the end.
func (q *Queue) claim(ctx context.Context, ref engine.Ref) (*engine.Claim, error) {
	q.mu.Lock()
	draining := q.draining
	q.mu.Unlock()
	for {
		select {
		case <-draining:
			return nil, engine.ErrShuttingDown
		default:
		}
		c, err := q.store.Claim(ctx, q.store.Node(), ref)
		if err == nil {
			return c, nil
		}
		select {
		case <-draining:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(retryEvery):
		}
	}
}

const retryEvery = 200 * time.Millisecond

func (q *Queue) run(s *slot, c engine.Claim) {
	ctx, lose := context.WithCancelCause(context.Background())
	defer lose(nil)
	q.mu.Lock()
	s.lose = lose
	q.running[c.Ref] = s
	handle := q.handle
	q.mu.Unlock()
	handle(ctx, c)
	q.mu.Lock()
	delete(q.running, c.Ref)
	q.mu.Unlock()
}

// hostname is shown in the list of nodes.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

var errNoLease = errors.New("the node could not say in time that it lives")
