package sqlstore

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// item is one change on its way into a batch.
type item struct {
	add   func(*batch)
	reply chan error
}

const (
	batchItems    = 512              // at most in one transaction
	batchWeight   = 2000             // tasks at most in one transaction, unless a single item has more
	batchPatience = 30 * time.Second // for one transaction
	writeTries    = 10               // of a transaction that others were in the way of
	progressEvery = time.Second      // progress is written at most that often, and seldom later than twice that
)

// do hands a change to the dispatcher and waits for its commit. The caller's context ends only the waiting.
func (s *Store) do(ctx context.Context, add func(*batch)) error {
	it := item{add: add, reply: make(chan error, 1)}
	select {
	case s.items <- it:
	case <-s.stopped:
		return errStopped()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-it.reply:
		return err
	case <-s.done:
		select {
		case err := <-it.reply:
			return err
		default:
			return errStopped()
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func errStopped() error { return engine.Errorf(engine.Unavailable, "The server is shutting down.") }

// dispatch runs the lanes until the store is closed.
func (s *Store) dispatch() {
	defer close(s.done)
	var lanes sync.WaitGroup
	for range s.dialect.lanes() {
		lanes.Go(s.lane)
	}
	lanes.Wait()
}

// lane owns a writing connection: it collects what came while the last batch was committed, commits that, answers.
func (s *Store) lane() {
	w := s.dialect.session()
	defer w.close()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case it := <-s.items:
			s.commit(w, s.collect(it))
		case <-tick.C:
			if s.progress.due() {
				s.commit(w, newBatch())
			}
		case <-s.stopped:
			s.drain(w)
			return
		}
	}
}

// drain commits what was taken before the stop.
func (s *Store) drain(w session) {
	for {
		select {
		case it := <-s.items:
			s.commit(w, s.collect(it))
		default:
			return
		}
	}
}

// collect makes a batch of it and what else is waiting. Whoever can run gets a chance to bring more first: the tasks that
// the last commit started may end at once, and their ends are to share a commit rather than wait for each other's.
func (s *Store) collect(it item) *batch {
	b := newBatch()
	b.take(it)
	for last := 0; last < len(b.replies); {
		last = len(b.replies)
		runtime.Gosched()
		for more := true; more && len(b.replies) < batchItems && b.weight < batchWeight; {
			select {
			case it := <-s.items:
				b.take(it)
			default:
				more = false
			}
		}
	}
	return b
}

// commit writes the batch in one transaction and tells everybody in it how that went.
func (s *Store) commit(w session, b *batch) {
	b.progress = s.progress.take()
	t, err := s.write(w, b)
	if err != nil {
		s.options.Log.Error("commit failed", "items", len(b.replies), "error", err)
		err = engine.Wrap(err, engine.Unavailable, "The server cannot store anything at the moment. Try again.")
		for _, f := range t.rollbacks {
			f()
		}
		b.failAll(err)
	} else {
		for _, f := range t.commits {
			f()
		}
	}
	b.answer()
}

// write commits the batch, again if others were in its way.
func (s *Store) write(w session, b *batch) (*tx, error) {
	ctx := context.Background() // a caller who goes away must not roll back its neighbours
	for try := 1; ; try++ {
		t, err := s.attempt(ctx, w, b)
		if err == nil || try == writeTries || !s.dialect.again(err) {
			return t, err
		}
		for _, f := range t.rollbacks {
			f()
		}
		b.reset()
	}
}

func (s *Store) attempt(ctx context.Context, w session, b *batch) (*tx, error) {
	ctx, cancel := context.WithTimeout(ctx, batchPatience)
	defer cancel()
	t := &tx{store: s, session: w, at: s.Now().UnixMicro(), deltas: map[engine.ID]*delta{}}
	if err := w.begin(ctx); err != nil {
		return t, err
	}
	if err := t.apply(ctx, b); err != nil {
		w.rollback(ctx)
		return t, err
	}
	if err := w.commit(ctx); err != nil {
		return t, s.resolve(t, err)
	}
	return t, nil
}

// resolve returns nil if the transaction was committed although its commit failed, as when the connection broke just
// then. Until that is known nobody is told anything.
func (s *Store) resolve(t *tx, err error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	done, err := s.dialect.committed(ctx, t.name, err)
	if done {
		return nil
	}
	return err
}
