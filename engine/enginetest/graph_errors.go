package enginetest

import (
	"fmt"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

func errorCases() []graphCase {
	failing := Task("a", "fail", `{"code":"TOO_LARGE"}`)
	return []graphCase{
		{"an error spreads to all that depend on it", func(l *lab) {
			l.start(4)
			job := l.submit(failing, Task("b", "join", "", "a"), Task("c", "join", "", "b"), Task("d", "make", ""), Task("e", "join", "", "d", "c"))
			l.want(job, "error a=error:TOO_LARGE b=error:INPUT_TASK_FAILED c=error:INPUT_TASK_FAILED d=finished e=error:INPUT_TASK_FAILED")
		}},
		{"an error does not wait for the other inputs", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "gate", ""), Task("b", "gate", ""), Task("c", "join", "", "a", "b"), Task("d", "join", "", "b"))
			other := l.gate.Await(l.T, "b")
			l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.TooLarge, "Too large."))
			l.ended()
			l.stands(job, "processing a=error:TOO_LARGE b=processing c=error:INPUT_TASK_FAILED d=waiting")
			other.Finish()
			l.want(job, "error a=error:TOO_LARGE b=finished c=error:INPUT_TASK_FAILED d=finished")
		}},
		{"an ignored error with another good input", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(failing), Task("b", "make", ""), Task("c", "join", "", "a", "b"))
			l.want(job, "finished a=error:TOO_LARGE b=finished c=finished")
			l.flowed(job, "c", "c(b())")
		}},
		{"an ignored error that comes last", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(Task("a", "gate", "")), Task("b", "gate", ""), Task("c", "join", "", "a", "b"))
			a := l.gate.Await(l.T, "a")
			l.gate.Await(l.T, "b").Finish()
			l.ended()
			l.stands(job, "processing a=processing b=finished c=waiting")
			a.Fail(engine.Errorf(engine.TooLarge, "Too large."))
			l.want(job, "finished a=error:TOO_LARGE b=finished c=finished")
		}},
		{"an ignored error without a good input", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(failing), Task("b", "join", "", "a"))
			l.want(job, "finished a=error:TOO_LARGE b=error:INPUT_TASK_FAILED")
		}},
		{"an ignored error is ignored further down", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(failing), Task("b", "join", "", "a"), Task("c", "make", ""), Task("d", "join", "", "b", "c"),
				Task("e", "join", "", "b"))
			l.want(job, "finished a=error:TOO_LARGE b=error:INPUT_TASK_FAILED c=finished d=finished e=error:INPUT_TASK_FAILED")
			l.flowed(job, "d", "d(c())")
		}},
		{"an ignored error beside one that counts", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(failing), Task("b", "fail", `{"code":"NO_FILES"}`), Task("c", "join", "", "a", "b"))
			l.want(job, "error a=error:TOO_LARGE b=error:NO_FILES c=error:INPUT_TASK_FAILED")
		}},
		{"a task that ignores its error, after an error that counts", func(l *lab) {
			l.start(4)
			job := l.submit(failing, ignoring(Task("b", "join", "", "a")), Task("c", "make", ""), Task("d", "join", "", "b", "c"))
			l.want(job, "error a=error:TOO_LARGE b=error:INPUT_TASK_FAILED c=finished d=finished")
		}},
		{"a needed task that fails is not ignored", func(l *lab) {
			l.start(4)
			job := l.submit(ignoring(failing), Task("b", "make", ""), Task("c", "join", `{"with":"a"}`, "b"))
			l.want(job, "error a=error:TOO_LARGE b=finished c=error:INPUT_TASK_FAILED")
		}},
		{"what arrived before a failure is kept", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"))
			call := l.gate.Await(l.T, "a")
			f, err := call.Run.Create(l.Context(), "one", strings.NewReader("1"))
			l.ok(err)
			call.Fail(engine.Errorf(engine.Denied, "The second was refused."), f)
			l.want(job, "error a=error:FORBIDDEN b=error:INPUT_TASK_FAILED")
			l.flowed(job, "a", "1")
		}},
		{"a thousand tasks, each the input of the next", func(l *lab) {
			l.start(4)
			tasks := []engine.TaskSpec{Task("t0", "fail", `{"code":"TOO_LARGE"}`)}
			for i := 1; i < 1000; i++ {
				tasks = append(tasks, Task(fmt.Sprintf("t%d", i), "join", "", tasks[i-1].Name))
			}
			end := l.MustEnd(l.T, l.submit(tasks...).ID)
			for i, task := range end.Tasks {
				if task.Status != engine.StatusFailed || (i > 0) != (task.Code == engine.InputFailed) {
					l.Fatalf("task %d ended %s:%s", i, task.Status, task.Code)
				}
			}
		}},
	}
}
