package enginetest

import (
	"context"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func deleteCases() []graphCase {
	return []graphCase{
		{"a running job, with readers in other jobs", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "gate", ""), Task("b", "make", ""), Task("c", "join", "", "a"))
			a, b := string(l.idOf(job, "a")), string(l.idOf(job, "b"))
			call := l.gate.Await(l.T, "a")
			running := l.submit(gates("x")...)
			x := l.gate.Await(l.T, "x")
			readers := l.submit(Task("d", "join", "", a), Task("e", "join", "", b, string(l.idOf(running, "x"))), Task("f", "join", "", "e"))
			l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
			<-call.Ctx.Done()
			l.want(readers, "error d=error:INPUT_TASK_FAILED e=error:INPUT_TASK_FAILED f=error:INPUT_TASK_FAILED")
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
			_, err = l.Task(l.Context(), l.User, engine.ID(a))
			l.code(err, engine.NotFound)
			l.code(l.DeleteJob(l.Context(), l.User, job.ID), engine.NotFound)
			x.Finish()
			l.want(running, "finished x=finished")
			l.holds(0)
		}},
		{"an ended task with a waiting reader", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "gate", ""), Task("c", "join", "", "a", "b"), Task("d", "join", "", "b"))
			call := l.gate.Await(l.T, "b")
			l.until(job, "a", engine.StatusFinished)
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a")))
			l.stands(job, "processing b=processing c=error:INPUT_TASK_FAILED d=waiting")
			call.Finish()
			l.want(job, "error b=finished c=error:INPUT_TASK_FAILED d=finished")
		}},
		{"an ended task with a ready reader", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "make", ""))
			l.want(job, "finished a=finished")
			running := l.submit(gates("x")...)
			x := l.gate.Await(l.T, "x")
			reader := l.submit(Task("b", "join", "", string(l.idOf(job, "a"))))
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a")))
			l.want(reader, "error b=error:INPUT_TASK_FAILED")
			x.Finish()
			l.want(running, "finished x=finished")
		}},
		{"a running task", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"), Task("c", "gate", ""))
			call := l.gate.Await(l.T, "a")
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a")))
			<-call.Ctx.Done()
			l.gate.Await(l.T, "c").Finish()
			l.want(job, "error b=error:INPUT_TASK_FAILED c=finished")
		}},
		{"the last live task ends the job", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "gate", ""))
			l.gate.Await(l.T, "b")
			l.until(job, "a", engine.StatusFinished)
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "b")))
			l.want(job, "error a=finished")
		}},
		{"the last task takes its job along", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""))
			l.want(job, "finished a=finished")
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a")))
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
			l.holds(0)
		}},
		{"who waits for a job that is deleted is told", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.gate.Await(l.T, "a")
			told := make(chan error, 1)
			go func() { _, err := l.WaitJob(l.Context(), l.User, job.ID); told <- err }()
			l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
			l.code(<-told, engine.NotFound)
		}},
		{"a running download is cut", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""))
			l.want(job, "finished a=finished")
			d, err := l.Download(l.Context(), l.idOf(job, "a"), "a.txt")
			l.ok(err)
			defer d.Close()
			l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
			<-d.Gone
			_, err = l.Download(l.Context(), l.idOf(job, "a"), "a.txt")
			l.code(err, engine.NotFound)
		}},
		{"a task that reads from what is deleted, and is tried again", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "make", ""))
			l.want(first, "finished a=finished")
			job := l.submit(Task("b", "hold", "", string(l.idOf(first, "a"))))
			l.gate.Await(l.T, "b").Fail(engine.Errorf(engine.Unavailable, "Later."))
			l.ended()
			l.ok(l.DeleteJob(l.Context(), l.User, first.ID))
			l.want(job, "error b=error:INPUT_TASK_FAILED")
		}},
		{"a running reader that is tried again afterwards", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "make", ""))
			l.want(first, "finished a=finished")
			job := l.submit(Task("b", "hold", "", string(l.idOf(first, "a"))))
			call := l.gate.Await(l.T, "b")
			l.ok(l.DeleteJob(l.Context(), l.User, first.ID))
			_, err := call.Run.Files(l.Context())
			l.code(err, engine.InputFailed)
			call.Fail(err)
			l.want(job, "error b=error:INPUT_TASK_FAILED")
		}},
	}
}

// until waits until the task has the status.
func (l *lab) until(job engine.Job, name string, want engine.Status) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	hints, stop := l.Bus.Subscribe(job.ID)
	defer stop()
	for Named(l.T, l.job(job), name).Status != want {
		select {
		case <-hints:
		case <-ctx.Done():
			l.Fatalf("task %s does not become %s", name, want)
		}
	}
}

func expireCases() []graphCase {
	const day = 24 * time.Hour
	return []graphCase{
		{"each task goes a day after its own end, the job with the last", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a b")...)
			l.gate.Await(l.T, "a").Finish()
			l.ended()
			l.Clock.Advance(time.Hour)
			l.gate.Await(l.T, "b").Finish()
			l.want(job, "finished a=finished b=finished")
			l.sweep(day - 2*time.Hour)
			l.stands(job, "finished a=finished b=finished")
			l.sweep(90 * time.Minute)
			l.stands(job, "finished b=finished")
			l.sweep(time.Hour)
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
			if events, err := l.Engine.Store.Reader.Events(l.Context(), job.ID, 0); err != nil || len(events) > 0 {
				l.Errorf("%d events are left (%v)", len(events), err)
			}
		}},
		{"what has not ended stays", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "hold", "", "a"))
			call := l.gate.Await(l.T, "b")
			l.sweep(10 * day)
			l.stands(job, "processing a=finished b=processing")
			if files, err := call.Run.Files(l.Context()); err != nil || l.Content(l.T, files[0]) != "a()" {
				l.Errorf("the running task reads %v, %v", files, err)
			}
			call.Finish()
			l.want(job, "finished a=finished b=finished")
			l.sweep(0) // now nobody reads it
			l.stands(job, "finished b=finished")
			l.holds(0)
		}},
		{"a reader in another job keeps its input", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""))
			l.want(job, "finished a=finished")
			blocker := l.submit(gates("x")...)
			x := l.gate.Await(l.T, "x")
			reader := l.submit(Task("b", "join", "", string(l.idOf(job, "a")), string(l.idOf(blocker, "x"))))
			l.sweep(2 * day)
			l.stands(job, "finished a=finished")
			x.Finish()
			l.want(reader, "finished b=finished")
			l.flowed(reader, "b", "b(a())")
			l.sweep(0)
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
		}},
		{"a download that has begun goes on", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""))
			l.want(job, "finished a=finished")
			d, err := l.Download(l.Context(), l.idOf(job, "a"), "a.txt")
			l.ok(err)
			defer d.Close()
			l.sweep(2 * day)
			select {
			case <-d.Gone:
				l.Error("the expiry cut a download")
			default:
			}
			_, err = l.Download(l.Context(), l.idOf(job, "a"), "a.txt")
			l.code(err, engine.NotFound)
		}},
		{"a link ends on time, swept or not", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""))
			end := l.want(job, "finished a=finished").Tasks[0]
			if got := end.ExpiresAt.Sub(end.EndedAt); got != day {
				l.Errorf("the task goes after %v, want a day", got)
			}
			l.Clock.Advance(day)
			_, err := l.Download(l.Context(), end.ID, "a.txt")
			l.code(err, engine.NotFound)
		}},
		{"many at once", func(l *lab) {
			l.start(4)
			var tasks []engine.TaskSpec
			for _, name := range strings.Fields(strings.Repeat("x ", 500)) {
				tasks = append(tasks, Task(name+string(engine.NewID()), "make", ""))
			}
			job := l.submit(tasks...)
			l.MustEnd(l.T, job.ID)
			l.sweep(2 * day)
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
			l.holds(0)
		}},
	}
}
