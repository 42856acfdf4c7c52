package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

// keeper is an operation that keeps notes; what it does with each attempt is up to the test.
type keeper struct {
	run func(ctx context.Context, run *engine.Run, kept map[int]engine.Note) error

	mu        sync.Mutex
	discarded []string
	refusal   error // of discarding
}

func (k *keeper) operation() engine.Operation {
	op := engine.Define("test/keep", "Keeps notes.", engine.LaneNet, struct{}{},
		engine.HandlerFunc[struct{}](func(ctx context.Context, run *engine.Run, _ struct{}) (engine.Result, error) {
			kept, err := run.Kept(ctx)
			if err != nil {
				return engine.Result{}, err
			}
			return engine.Result{}, k.run(ctx, run, kept)
		}))
	op.Source = true
	op.Discard = func(_ context.Context, l engine.Leftover, _ any, state []byte) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.refusal != nil {
			return k.refusal
		}
		k.discarded = append(k.discarded, string(state))
		return nil
	}
	return op
}

// discards returns what has been discarded after a sweep.
func (k *keeper) discards(t *testing.T, s *enginetest.Server) []string {
	t.Helper()
	if err := s.Discard(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	slices.Sort(k.discarded)
	return k.discarded
}

func (k *keeper) job(t *testing.T, s *enginetest.Server) engine.Job {
	t.Helper()
	return s.MustEnd(t, s.MustSubmit(t, enginetest.Task("keep", "test/keep", "")).ID)
}

var errHopeless = engine.Errorf(engine.Denied, "no")

func TestFinishedTaskLeavesNothing(t *testing.T) {
	k := &keeper{run: func(ctx context.Context, run *engine.Run, _ map[int]engine.Note) error {
		return run.Keep(ctx, engine.Note{Number: 0, State: []byte("open")}, engine.Note{Number: 1, State: []byte("done"), Done: true})
	}}
	s := enginetest.Start(t, k.operation())
	k.job(t, s)
	s.Clock.Advance(time.Hour)
	if got := k.discards(t, s); len(got) != 0 {
		t.Errorf("discarded %q of a task that finished", got)
	}
}

func TestFailedTaskIsDiscarded(t *testing.T) {
	k := &keeper{run: func(ctx context.Context, run *engine.Run, _ map[int]engine.Note) error {
		err := run.Keep(ctx, engine.Note{Number: 0, State: []byte("old")}, engine.Note{Number: 1, State: []byte("done"), Done: true})
		return errors.Join(errHopeless, err, run.Keep(ctx, engine.Note{Number: 0, State: []byte("new")}))
	}}
	s := enginetest.Start(t, k.operation())
	job := k.job(t, s)
	if got := k.discards(t, s); len(got) != 0 {
		t.Errorf("discarded %q at once, while the worker may still be at it", got)
	}
	if err := s.DeleteJob(t.Context(), s.User, job.ID); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(2 * time.Minute)
	if got := k.discards(t, s); !slices.Equal(got, []string{"new"}) {
		t.Errorf("discarded %q, want what was kept last and was not done", got)
	}
	s.Clock.Advance(24 * time.Hour)
	if got := k.discards(t, s); len(got) != 1 {
		t.Errorf("discarded %q, want it once", got)
	}
}

func TestNextAttemptSeesNotes(t *testing.T) {
	seen := make(chan map[int]engine.Note, 2)
	k := &keeper{run: func(ctx context.Context, run *engine.Run, kept map[int]engine.Note) error {
		seen <- kept
		if kept != nil {
			return nil
		}
		err := run.Keep(ctx, engine.Note{Number: 3, State: []byte("half")})
		return errors.Join(engine.Errorf(engine.Unavailable, "later"), err)
	}}
	s := enginetest.Start(t, k.operation())
	job := s.MustSubmit(t, enginetest.Task("keep", "test/keep", ""))
	<-seen
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C { // the next attempt is due when the clock says so
		s.Clock.Advance(time.Second)
		select {
		case kept := <-seen:
			if string(kept[3].State) != "half" {
				t.Errorf("the second attempt sees %v", kept)
			}
			s.MustEnd(t, job.ID)
			return
		default:
		}
	}
}

func TestOldAttemptKeepsNothing(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 2)
	k := &keeper{run: func(ctx context.Context, run *engine.Run, _ map[int]engine.Note) error {
		close(started)
		<-ctx.Done()
		ended <- run.Keep(context.Background(), engine.Note{State: []byte("late")})
		return nil
	}}
	s := enginetest.Start(t, k.operation())
	job := s.MustSubmit(t, enginetest.Task("keep", "test/keep", ""))
	<-started
	if _, err := s.Cancel(t.Context(), s.User, job.Tasks[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("an attempt that is over keeps a note: %v", err)
	}
}

func TestDiscardIsTriedAgainAndGivenUp(t *testing.T) {
	k := &keeper{refusal: errHopeless, run: func(ctx context.Context, run *engine.Run, _ map[int]engine.Note) error {
		return errors.Join(errHopeless, run.Keep(ctx, engine.Note{State: []byte("stuck")}))
	}}
	s := enginetest.Start(t, k.operation())
	k.job(t, s)
	for range 20 {
		s.Clock.Advance(6 * time.Hour)
		k.discards(t, s)
	}
	if due, err := s.Engine.Store.Leftovers.Due(t.Context(), s.Clock.Now().Add(24*time.Hour), 10); err != nil || len(due) != 1 {
		t.Fatalf("after five days: %d leftovers, %v, want one", len(due), err)
	}
	s.Clock.Advance(3 * 24 * time.Hour)
	k.discards(t, s)
	if due, err := s.Engine.Store.Leftovers.Due(t.Context(), s.Clock.Now().Add(24*time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("after eight days: %d leftovers, %v, want none", len(due), err)
	}
}
