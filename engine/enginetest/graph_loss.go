package enginetest

import (
	"context"
	"errors"

	"github.com/gantry-engine/gantry/engine"
)

func lossCases() []graphCase {
	return []graphCase{
		{"a drain hands back without a loss", func(l *lab) {
			var job engine.Job
			for i := range 5 {
				l.start(4)
				if i == 0 {
					job = l.submit(gates("a")...)
				}
				call := l.gate.Await(l.T, "a")
				l.Close(l.T)
				if cause := context.Cause(call.Ctx); !errors.Is(cause, engine.ErrShuttingDown) {
					l.Errorf("the handler's context ended with %v", cause)
				}
				if e := l.ended(); e.back == nil || e.back.Try || e.err != nil {
					l.Errorf("the drain said %+v", e)
				}
			}
			l.start(4)
			l.gate.Await(l.T, "a").Finish()
			l.want(job, "finished a=finished")
		}},
		{"what has ended before the drain is kept", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a b")...)
			b := l.gate.Await(l.T, "b")
			l.gate.Await(l.T, "a").Finish()
			l.ended()
			b.Finish()
			l.Close(l.T)
			l.start(4)
			l.want(job, "finished a=finished b=finished")
		}},
		{"a task outlives two workers", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			for range 2 {
				l.gate.Await(l.T, "a")
				l.Kill(l.T)
				l.start(4)
			}
			l.gate.Await(l.T, "a").Finish()
			l.want(job, "finished a=finished")
		}},
		{"a third dead worker ends the task", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"))
			for range 3 {
				l.gate.Await(l.T, "a")
				l.Kill(l.T)
				l.start(4)
			}
			l.want(job, "error a=error:WORKER_LOST b=error:INPUT_TASK_FAILED")
		}},
		{"losses and tries are counted apart", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			for range 2 {
				l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.Unavailable, "Later."))
				l.ended()
				l.later(maxWait)
				l.gate.Await(l.T, "a")
				l.Kill(l.T)
				l.start(4)
			}
			for range 3 {
				l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.Unavailable, "Later."))
				l.ended()
				l.later(maxWait)
			}
			l.want(job, "error a=error:UNAVAILABLE")
		}},
		{"after two losses nothing runs beside a task", func(l *lab) {
			job := l.suspects()
			first := l.gate.Next(l.T)
			fresh := l.submit(Task("c", "gate", ""), Task("d", "netgate", ""))
			l.stands(fresh, "waiting c=waiting d=waiting")
			first.Finish()
			second := l.gate.Next(l.T)
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			l.stands(fresh, "waiting c=waiting d=waiting")
			second.Finish()
			l.want(job, "finished a=finished b=finished")
			l.gate.Await(l.T, "c").Finish()
			l.gate.Await(l.T, "d").Finish()
			l.want(fresh, "finished c=finished d=finished")
		}},
		{"a task that runs alone lets end what runs", func(l *lab) {
			job := l.suspects()
			l.gate.Next(l.T).Fail(engine.Errorf(engine.Unavailable, "Later."))
			l.ended()
			second := l.gate.Next(l.T)
			second.Finish()
			l.ended()
			fresh := l.submit(gates("c")...)
			c := l.gate.Await(l.T, "c")
			l.later(maxWait)
			c.Finish()
			l.want(fresh, "finished c=finished")
			alone := l.gate.Next(l.T)
			later := l.submit(gates("d")...)
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			l.stands(later, "waiting d=waiting")
			alone.Finish()
			l.want(job, "finished a=finished b=finished")
			l.gate.Await(l.T, "d").Finish()
			l.want(later, "finished d=finished")
		}},
	}
}

// suspects starts an engine with a job of two tasks, a and b, over which two workers died.
func (l *lab) suspects() engine.Job {
	l.Helper()
	l.start(4)
	job := l.submit(gates("a b")...)
	l.gate.Await(l.T, "a")
	l.gate.Await(l.T, "b")
	l.Kill(l.T)
	l.start(4)
	l.gate.Await(l.T, "a")
	l.gate.Await(l.T, "b")
	l.Kill(l.T)
	l.start(4)
	return job
}
