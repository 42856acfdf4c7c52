package enginetest

import (
	"errors"
	"sync"

	"github.com/gantry-engine/gantry/engine"
)

func fenceCases() []graphCase {
	return []graphCase{
		{"another attempt changes nothing", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			call := l.gate.Await(l.T, "a")
			for _, d := range []int{-1, 1} {
				ref := engine.Ref{Task: call.Run.Task, Attempt: call.Run.Attempt + d}
				l.stale(l.Engine.Store.Graph.Settle(l.Context(), engine.Settlement{Ref: ref}))
				l.stale(l.Engine.Store.Graph.Postpone(l.Context(), engine.Postponement{Ref: ref, Try: true}))
			}
			l.stands(job, "processing a=processing")
			call.Finish()
			l.want(job, "finished a=finished")
		}},
		{"a late end changes nothing", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			call := l.gate.Await(l.T, "a")
			call.Finish()
			l.want(job, "finished a=finished")
			before := l.events(job)
			l.stale(l.Engine.Store.Graph.Settle(l.Context(), engine.Settlement{Ref: call.Run.Ref, Err: engine.ErrTimedOut}))
			l.stale(l.Engine.Store.Graph.Postpone(l.Context(), engine.Postponement{Ref: call.Run.Ref}))
			l.stands(job, "finished a=finished")
			if after := l.events(job); len(after) != len(before) {
				l.Errorf("a late end made %d events", len(after)-len(before))
			}
		}},
		{"of many ends at once one counts", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "deaf", ""), Task("b", "deaf", ""), Task("c", "join", "", "a", "b"))
			call, other := l.gate.Await(l.T, "a"), l.gate.Await(l.T, "b")
			errs := make([]error, 16)
			l.atOnce(len(errs), func(i int) {
				errs[i] = l.Engine.Store.Graph.Settle(l.Context(), engine.Settlement{Ref: call.Run.Ref})
			})
			taken := 0
			for _, err := range errs {
				if err == nil {
					taken++
				} else {
					l.stale(err)
				}
			}
			if taken != 1 {
				l.Errorf("%d of %d ends were taken", taken, len(errs))
			}
			l.stands(job, "processing a=finished b=processing c=waiting") // told once, not twice
			call.Finish()
			other.Finish()
			l.want(job, "finished a=finished b=finished c=finished")
			l.numbered(l.events(job))
		}},
		{"an outdated end beside the right one", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "deaf", ""))
			l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.Unavailable, "Later."))
			l.ended()
			l.later(maxWait)
			call := l.gate.Await(l.T, "a")
			errs := make([]error, 16)
			l.atOnce(len(errs), func(i int) {
				ref := engine.Ref{Task: call.Run.Task, Attempt: call.Run.Attempt - 1 + i/15}
				errs[i] = l.Engine.Store.Graph.Settle(l.Context(), engine.Settlement{Ref: ref})
			})
			l.ok(errs[15])
			call.Finish()
			l.want(job, "finished a=finished")
		}},
		{"the end of a deleted task", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "deaf", ""))
			call := l.gate.Await(l.T, "a")
			l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
			call.Finish()
			l.stale(l.ended().err)
			next := l.submit(Task("b", "make", ""))
			l.want(next, "finished b=finished") // the slot is free again
		}},
	}
}

func (l *lab) stale(err error) {
	l.Helper()
	if !errors.Is(err, engine.ErrStale) {
		l.Errorf("got %v, want ErrStale", err)
	}
}

// atOnce calls f n times in as many goroutines.
func (l *lab) atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-start; f(i) })
	}
	close(start)
	wg.Wait()
}
