package localqueue_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/localqueue"
)

// tables is a store with ready tasks of one lane, whose commits the test makes.
type tables struct {
	alone, others []engine.Claim
	settled       []engine.Ref

	commit, rollback func()
}

func (s *tables) ClaimNext(_ context.Context, _ engine.ID, _ string, n int, alone bool) ([]engine.Claim, error) {
	from := &s.others
	if alone {
		from = &s.alone
	}
	n = min(n, len(*from))
	claims := (*from)[:n]
	*from = (*from)[n:]
	return claims, nil
}

func (s *tables) ClaimRefs(context.Context, engine.ID, []engine.Ref) ([]engine.Claim, error) {
	return nil, nil
}
func (s *tables) Settled() []engine.Ref         { return s.settled }
func (s *tables) After(commit, rollback func()) { s.commit, s.rollback = commit, rollback }

func tasks(names ...engine.ID) (claims []engine.Claim) {
	for _, name := range names {
		claims = append(claims, engine.Claim{Ref: engine.Ref{Task: name, Attempt: 1}, Lane: "cpu"})
	}
	return claims
}

// queue is a queue in a test's hands: started lists what was handed to a handler, which then waits for release.
type queue struct {
	*localqueue.Queue
	started map[engine.ID]bool
	release chan struct{}
	ended   chan struct{}
	stop    func()
}

// run starts a queue of that many slots. It is called inside a synctest bubble.
func run(t *testing.T, slots int) *queue {
	t.Helper()
	q := &queue{started: map[engine.ID]bool{}, release: make(chan struct{}), ended: make(chan struct{})}
	q.Queue = localqueue.New("node", func(context.Context) error { return nil })
	ctx, stop := context.WithCancel(t.Context())
	q.stop = stop
	begun := make(chan engine.ID)
	go func() {
		defer close(q.ended)
		err := q.Run(ctx, []engine.Lane{{Name: "cpu", Slots: slots}}, func(_ context.Context, c engine.Claim) {
			begun <- c.Task
			<-q.release
		})
		if err != nil {
			t.Error(err)
		}
	}()
	go func() {
		for {
			select {
			case id := <-begun:
				q.started[id] = true
			case <-q.ended:
				return
			}
		}
	}()
	synctest.Wait()
	return q
}

func (q *queue) enqueue(t *testing.T, s *tables, ready ...engine.Ready) {
	t.Helper()
	if err := q.Enqueue(t.Context(), s, ready); err != nil {
		t.Fatal(err)
	}
}

func (q *queue) wantStarted(t *testing.T, want ...engine.ID) {
	t.Helper()
	synctest.Wait()
	if len(q.started) != len(want) {
		t.Errorf("started are %v, want %v", q.started, want)
	}
	for _, id := range want {
		if !q.started[id] {
			t.Errorf("%s was not started", id)
		}
	}
}

func (q *queue) end() {
	q.stop()
	close(q.release)
	<-q.ended
}

var ready = engine.Ready{Lane: "cpu"}

func TestStopBetweenClaimAndCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := run(t, 2)
		s := &tables{others: tasks("a")}
		q.enqueue(t, s, ready)
		q.stop()
		synctest.Wait()
		s.commit()
		q.wantStarted(t, "a")
		q.end()
	})
}

func TestStopBetweenClaimAndRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := run(t, 2)
		s := &tables{others: tasks("a")}
		q.enqueue(t, s, ready)
		q.stop()
		synctest.Wait()
		s.rollback()
		q.wantStarted(t)
		q.end()
	})
}

func TestRollbackGivesSlotsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := run(t, 2)
		running := &tables{others: tasks("a")}
		q.enqueue(t, running, ready)
		running.commit()
		for range 3 {
			failing := &tables{others: tasks("b")}
			q.enqueue(t, failing, ready)
			failing.rollback()
		}
		q.wantStarted(t, "a")
		s := &tables{others: tasks("b", "c")} // nothing new became ready: the claim that failed is repeated
		q.enqueue(t, s)
		s.commit()
		q.wantStarted(t, "a", "b")
		q.end()
	})
}

func TestRollbackOfAnEndKeepsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := run(t, 1)
		running := &tables{others: tasks("a")}
		q.enqueue(t, running, ready)
		running.commit()
		failing := &tables{settled: []engine.Ref{{Task: "a", Attempt: 1}}, others: tasks("b")}
		q.enqueue(t, failing, ready)
		failing.rollback()
		s := &tables{others: tasks("b")}
		q.enqueue(t, s)
		s.commit()
		q.wantStarted(t, "a")
		s = &tables{settled: []engine.Ref{{Task: "a", Attempt: 1}}, others: tasks("b")}
		q.enqueue(t, s)
		s.commit()
		q.wantStarted(t, "a", "b")
		q.end()
	})
}

func TestAloneWaitsForTheOthersAndTheyForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := run(t, 4)
		s := &tables{others: tasks("a")}
		q.enqueue(t, s, ready)
		s.commit()
		s = &tables{alone: tasks("lone"), others: tasks("b")}
		q.enqueue(t, s, ready, engine.Ready{Lane: "cpu", Alone: true})
		s.commit()
		q.wantStarted(t, "a")
		s.settled = []engine.Ref{{Task: "a", Attempt: 1}}
		q.enqueue(t, s)
		s.commit()
		q.wantStarted(t, "a", "lone")
		s.settled = nil
		q.enqueue(t, s, ready)
		s.commit()
		q.wantStarted(t, "a", "lone")
		s.settled = []engine.Ref{{Task: "lone", Attempt: 1}}
		q.enqueue(t, s)
		s.commit()
		q.wantStarted(t, "a", "lone", "b")
		q.end()
	})
}
