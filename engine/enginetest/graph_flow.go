package enginetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func flowCases() []graphCase {
	return []graphCase{
		{"a caller who goes away takes nobody along", leavingCallers},
		{"a chain runs in the order of its inputs", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "join", "", "a"), Task("c", "join", "", "b"))
			l.want(job, "finished a=finished b=finished c=finished")
			l.flowed(job, "c", "c(b(a()))")
		}},
		{"a task may name a later one", func(l *lab) {
			l.start(4)
			job := l.submit(Task("c", "join", "", "b"), Task("b", "join", "", "a"), Task("a", "make", ""))
			l.want(job, "finished c=finished b=finished a=finished")
			l.flowed(job, "c", "c(b(a()))")
		}},
		{"fan-out", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "join", "", "a"), Task("c", "join", "", "a"))
			l.want(job, "finished a=finished b=finished c=finished")
			l.flowed(job, "b", "b(a())")
			l.flowed(job, "c", "c(a())")
		}},
		{"fan-in keeps the order of the inputs", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "make", ""), Task("c", "join", "", "b", "a"))
			l.want(job, "finished a=finished b=finished c=finished")
			l.flowed(job, "c", "c(b(),a())")
		}},
		{"diamond", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "join", "", "a"), Task("c", "join", "", "a"), Task("d", "join", "", "b", "c"))
			l.want(job, "finished a=finished b=finished c=finished d=finished")
			l.flowed(job, "d", "d(b(a()),c(a()))")
		}},
		{"an input named twice counts once", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "join", "", "a", "a"))
			l.want(job, "finished a=finished b=finished")
			l.flowed(job, "b", "b(a())")
		}},
		{"a needed task is waited for, and is no input", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "gate", ""), Task("c", "join", `{"with":"b"}`, "a"))
			call := l.gate.Await(l.T, "b")
			f, err := call.Run.Create(l.Context(), "b", strings.NewReader("b()"))
			l.ok(err)
			call.Finish(f)
			l.want(job, "finished a=finished b=finished c=finished")
			l.flowed(job, "c", "c(a(),+b())")
		}},
		{"a stand-alone task has a hidden job", hiddenJob},
		{"an input of another job that is still running is waited for", func(l *lab) {
			l.start(4)
			first := l.submit(gates("a")...)
			second := l.submit(Task("b", "join", "", string(l.idOf(first, "a"))))
			call := l.gate.Await(l.T, "a")
			l.stands(second, "waiting b=waiting")
			f, err := call.Run.Create(l.Context(), "a", strings.NewReader("a()"))
			l.ok(err)
			call.Finish(f)
			l.want(second, "finished b=finished")
			l.flowed(second, "b", "b(a())")
		}},
		{"an input of another job that has finished is there at once", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "make", ""))
			l.want(first, "finished a=finished")
			second := l.submit(Task("b", "join", "", string(l.idOf(first, "a"))))
			l.want(second, "finished b=finished")
			l.flowed(second, "b", "b(a())")
		}},
		{"an input of another job that has failed fails the task", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "fail", `{"code":"TOO_LARGE"}`))
			l.want(first, "error a=error:TOO_LARGE")
			second := l.submit(Task("b", "join", "", string(l.idOf(first, "a"))), Task("c", "join", "", "b"))
			l.want(second, "error b=error:INPUT_TASK_FAILED c=error:INPUT_TASK_FAILED")
		}},
		{"an input of another job that has failed and is ignored", func(l *lab) {
			l.start(4)
			first := l.submit(ignoring(Task("a", "fail", `{"code":"TOO_LARGE"}`)))
			l.want(first, "finished a=error:TOO_LARGE")
			id := string(l.idOf(first, "a"))
			second := l.submit(Task("b", "join", "", id), Task("c", "make", ""), Task("d", "join", "", "c", id))
			l.want(second, "finished b=error:INPUT_TASK_FAILED c=finished d=finished")
			l.flowed(second, "d", "d(c())")
		}},
		{"an input of another user is unknown", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "make", ""))
			other, err := l.Engine.Store.Accounts.EnsureUser(l.Context(), "somebody else")
			l.ok(err)
			_, err = l.Submit(l.Context(), other.ID, engine.Submission{Tasks: []engine.TaskSpec{
				Task("b", "join", "", string(l.idOf(first, "a")))}})
			l.code(err, engine.Invalid)
		}},
		{"a thousand inputs", func(l *lab) {
			l.start(4)
			var tasks []engine.TaskSpec
			var names, parts []string
			for i := range 999 {
				names = append(names, fmt.Sprintf("t%d", i))
				parts = append(parts, names[i]+"()")
				tasks = append(tasks, Task(names[i], "make", ""))
			}
			job := l.submit(append(tasks, Task("all", "join", "", names...))...)
			if end := l.MustEnd(l.T, job.ID); end.Status != engine.StatusFinished {
				l.Fatalf("got %s", Summary(end))
			}
			l.flowed(job, "all", "all("+strings.Join(parts, ",")+")")
		}},
	}
}

// flowed compares what the task's only file says about the way to it.
func (l *lab) flowed(job engine.Job, name, want string) {
	l.Helper()
	if got := l.text(job, name); got != want {
		l.Errorf("%s has %q, want %q", name, got, want)
	}
}

func ignoring(t engine.TaskSpec) engine.TaskSpec {
	t.IgnoreError = true
	return t
}

func hiddenJob(l *lab) {
	l.start(4)
	first := l.submit(Task("a", "make", ""))
	l.want(first, "finished a=finished")
	alone, err := l.Submit(l.Context(), l.User, engine.Submission{Hidden: true,
		Tasks: []engine.TaskSpec{Task("", "join", "", string(l.idOf(first, "a")))}})
	l.ok(err)
	task, err := l.WaitTask(l.Context(), l.User, alone.Tasks[0].ID)
	l.ok(err)
	if task.Status != engine.StatusFinished || !task.Hidden {
		l.Errorf("got %s, hidden %t, want a hidden finished task", task.Status, task.Hidden)
	}
	_, err = l.Job(l.Context(), l.User, alone.ID)
	l.code(err, engine.NotFound)
	jobs, err := l.Jobs(l.Context(), engine.JobQuery{User: l.User})
	l.ok(err)
	if len(jobs) != 1 || jobs[0].ID != first.ID {
		l.Errorf("the list has %d jobs, want the one that is not hidden", len(jobs))
	}
	tasks, err := l.Tasks(l.Context(), engine.TaskQuery{User: l.User})
	l.ok(err)
	if len(tasks) != 2 || tasks[0].ID != task.ID {
		l.Errorf("got %d tasks, want both, newest first", len(tasks))
	}
}

// leavingCallers changes something beside submissions, and does not wait for it.
func leavingCallers(l *lab) {
	l.start(4)
	var leaving sync.WaitGroup
	for i := range 200 {
		leaving.Go(func() {
			ctx, cancel := context.WithTimeout(l.Context(), time.Duration(i%20)*100*time.Microsecond)
			defer cancel()
			if _, err := l.Engine.Store.Accounts.EnsureUser(ctx, fmt.Sprint("leaving ", i)); err != nil && ctx.Err() == nil {
				l.Error(err)
			}
		})
		l.submit(Task("a", "make", ""))
	}
	leaving.Wait()
}
