package enginetest

import (
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func blobCases() []graphCase {
	return []graphCase{
		{"a file passed on is a reference", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "pass", "", "a"), Task("c", "pass", "", "b"))
			l.want(job, "finished a=finished b=finished c=finished")
			l.holds(1)
			for _, name := range []string{"a", "c"} {
				l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, name)))
				l.holds(1)
				l.flowed(job, "b", "a()")
			}
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "b")))
			l.holds(0)
		}},
		{"a result that refers to what was deleted fails", func(l *lab) {
			l.start(4)
			first := l.submit(Task("a", "make", ""))
			l.want(first, "finished a=finished")
			job := l.submit(Task("b", "hold", "", string(l.idOf(first, "a"))))
			call := l.gate.Await(l.T, "b")
			files, err := call.Run.Files(l.Context())
			l.ok(err)
			own, err := call.Run.Create(l.Context(), "own", strings.NewReader("own"))
			l.ok(err)
			l.ok(l.DeleteJob(l.Context(), l.User, first.ID))
			call.Finish(append(files, own)...)
			l.want(job, "error b=error:INPUT_TASK_FAILED")
			l.holds(0)
		}},
		{"bytes of a failed attempt go", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			call := l.making("a")
			call.Fail(engine.Errorf(engine.Denied, "No."))
			l.want(job, "error a=error:FORBIDDEN")
			l.holds(0)
		}},
		{"bytes of a try that is repeated go", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.making("a").Fail(engine.Errorf(engine.Unavailable, "Later."))
			l.ended()
			l.later(maxWait)
			call := l.making("a") // whatever the first try did is over
			l.holds(1)
			call.Fail(engine.Errorf(engine.Denied, "No."))
			l.want(job, "error a=error:FORBIDDEN")
			l.holds(0)
		}},
		{"bytes of a cancelled attempt go", func(l *lab) {
			l.start(1)
			job := l.submit(gates("a b")...)
			l.making("a")
			l.cancel(job, "a", "")
			l.gate.Await(l.T, "b").Finish() // in the slot of a, which is thus over
			l.want(job, "error a=error:CANCELLED b=finished")
			l.holds(0)
		}},
		{"bytes of an attempt that ends too late go", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "deaf", ""))
			call := l.gate.Await(l.T, "a")
			f, err := call.Run.Create(l.Context(), "x", strings.NewReader("x"))
			l.ok(err)
			l.cancel(job, "a", "")
			call.Finish(f)
			l.stale(l.ended().err)
			l.holds(0)
		}},
		{"bytes of an attempt that a drain hands back go", func(l *lab) {
			l.start(4)
			l.submit(gates("a")...)
			l.making("a")
			l.Close(l.T)
			l.start(4)
			l.holds(0)
		}},
		{"bytes that nobody knows go after a day", func(l *lab) {
			l.start(4)
			_, err := l.Files.Create(l.Context(), "x", strings.NewReader("x"))
			l.ok(err)
			l.sweep(23 * time.Hour)
			if got := len(l.blobs()); got != 1 {
				l.Errorf("after 23 h %d blobs are stored, want 1", got)
			}
			l.sweep(2 * time.Hour)
			if got := len(l.blobs()); got != 0 {
				l.Errorf("after 25 h %d blobs are stored, want 0", got)
			}
		}},
		{"content of a refused job goes", func(l *lab) {
			l.start(4)
			submission := engine.Submission{Tasks: []engine.TaskSpec{Task("a", "raw", `{"text":"content"}`)}, IdempotencyKey: "k", Digest: "1"}
			_, err := l.Submit(l.Context(), l.User, submission)
			l.ok(err)
			_, err = l.Submit(l.Context(), l.User, submission)
			l.ok(err)
			submission.Digest = "2"
			_, err = l.Submit(l.Context(), l.User, submission)
			l.code(err, engine.Conflict)
			l.holds(1)
		}},
		{"content of a task that is deleted before its retry is stored", lostContent},
	}
}

// making awaits the task, which stores a file.
func (l *lab) making(name string) *Call {
	l.Helper()
	call := l.gate.Await(l.T, name)
	if _, err := call.Run.Create(l.Context(), "x", strings.NewReader("x")); err != nil {
		l.Fatal(err)
	}
	return call
}

func lostContent(l *lab) {
	l.start(4)
	job := l.submit(Task("a", "raw", `{"text":"content"}`))
	l.want(job, "finished a=finished")
	payload, arrived, err := l.Engine.Store.Reader.Payload(l.Context(), l.idOf(job, "a"))
	l.ok(err)
	l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
	for range 2 { // before the bytes are gone, and after
		again := engine.NewTask{ID: engine.NewID(), Operation: "raw", Spelling: "raw", Lane: engine.LaneCPU, Arrived: arrived,
			Payload: payload, Redacted: []byte("{}")}
		_, err = l.Engine.Store.Graph.Submit(l.Context(), engine.NewJob{ID: engine.NewID(), User: l.User,
			Submission: engine.Submission{Hidden: true}, Tasks: []engine.NewTask{again}, CreatedAt: l.Clock.Now()})
		l.code(err, engine.Conflict)
		l.holds(0)
	}
}
