package enginetest

import (
	"context"
	"errors"

	"github.com/gantry-engine/gantry/engine"
)

func cancelCases() []graphCase {
	return []graphCase{
		{"a waiting task", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"), Task("c", "join", "", "b"))
			call := l.gate.Await(l.T, "a")
			l.cancel(job, "b", "")
			l.stands(job, "processing a=processing b=error:CANCELLED c=error:INPUT_TASK_FAILED")
			call.Finish()
			l.want(job, "error a=finished b=error:CANCELLED c=error:INPUT_TASK_FAILED")
		}},
		{"a ready task", func(l *lab) {
			l.start(1)
			job := l.submit(gates("a b c")...)
			call := l.gate.Await(l.T, "a")
			l.cancel(job, "b", "")
			call.Finish()
			l.gate.Await(l.T, "c").Finish()
			l.want(job, "error a=finished b=error:CANCELLED c=finished")
		}},
		{"a running task", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"), Task("c", "gate", ""))
			call := l.gate.Await(l.T, "a")
			l.cancel(job, "a", "")
			<-call.Ctx.Done()
			if cause := context.Cause(call.Ctx); !errors.Is(cause, engine.ErrCanceled) {
				l.Errorf("the handler's context ended with %v", cause)
			}
			l.gate.Await(l.T, "c").Finish()
			l.want(job, "error a=error:CANCELLED b=error:INPUT_TASK_FAILED c=finished")
		}},
		{"a running task that does not listen keeps its slot", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "deaf", ""), Task("b", "gate", ""))
			call := l.gate.Await(l.T, "a")
			l.cancel(job, "a", "")
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			l.stands(job, "processing a=error:CANCELLED b=waiting")
			call.Finish()
			if e := l.ended(); !errors.Is(e.err, engine.ErrStale) {
				l.Errorf("the late end was answered %v, want ErrStale", e.err)
			}
			l.gate.Await(l.T, "b").Finish()
			l.want(job, "error a=error:CANCELLED b=finished")
		}},
		{"an ended task", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "fail", `{"code":"TOO_LARGE"}`))
			l.want(job, "error a=finished b=error:TOO_LARGE")
			l.cancel(job, "a", engine.Conflict)
			l.cancel(job, "b", engine.Conflict)
			l.stands(job, "error a=finished b=error:TOO_LARGE")
		}},
		{"twice", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.cancel(job, "a", "")
			l.cancel(job, "a", engine.Conflict)
			l.want(job, "error a=error:CANCELLED")
		}},
		{"a task between two tries", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.Unavailable, "Later."))
			l.ended()
			l.cancel(job, "a", "")
			l.later(maxWait)
			l.want(job, "error a=error:CANCELLED")
		}},
		{"a task whose error is ignored", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(Task("a", "gate", "")), Task("b", "make", ""), Task("c", "join", "", "a", "b"))
			l.gate.Await(l.T, "a")
			l.cancel(job, "a", "")
			l.want(job, "finished a=error:CANCELLED b=finished c=finished")
		}},
	}
}

func (l *lab) cancel(job engine.Job, name string, want engine.Code) {
	l.Helper()
	_, err := l.Cancel(l.Context(), l.User, l.idOf(job, name))
	l.code(err, want)
}
