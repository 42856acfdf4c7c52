package enginetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func outsideCases() []graphCase {
	return []graphCase{
		{"a task waits for its file", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""), Task("b", "join", "", "a"))
			l.stands(job, "waiting a=waiting b=waiting")
			l.code(l.arrive(job, strings.NewReader("hello")), "")
			l.want(job, "finished a=finished b=finished")
			l.flowed(job, "b", "b(hello)")
		}},
		{"the second file is a conflict", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			l.code(l.arrive(job, strings.NewReader("first")), "")
			l.code(l.arrive(job, strings.NewReader("second")), engine.Conflict)
			l.want(job, "finished a=finished")
			l.flowed(job, "a", "first")
			l.holds(1)
		}},
		{"of many files at once one wins", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			errs := make([]error, 8)
			l.atOnce(len(errs), func(i int) { errs[i] = l.arrive(job, strings.NewReader("hello")) })
			taken := 0
			for _, err := range errs {
				if err == nil {
					taken++
				} else {
					l.code(err, engine.Conflict)
				}
			}
			if taken != 1 {
				l.Errorf("%d files were taken", taken)
			}
			l.want(job, "finished a=finished")
			l.holds(1)
		}},
		{"a broken upload can be repeated", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			broken := errors.New("connection reset")
			err := l.arrive(job, io.MultiReader(strings.NewReader("hel"), errorReader{broken}))
			if !errors.Is(err, broken) {
				l.Errorf("got %v, want the reader's error", err)
			}
			l.holds(0)
			l.code(l.arrive(job, strings.NewReader("hello")), "")
			l.want(job, "finished a=finished")
		}},
		{"a form that expires ends its task", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""), Task("b", "join", "", "a"))
			l.later(6*time.Hour - time.Minute)
			l.stands(job, "waiting a=waiting b=waiting")
			l.later(2 * time.Minute)
			l.want(job, "error a=error:UPLOAD_EXPIRED b=error:INPUT_TASK_FAILED")
			l.code(l.arrive(job, strings.NewReader("late")), engine.UploadExpired)
			l.holds(0)
		}},
		{"a form that expires while the file comes", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			l.code(l.arrive(job, meanwhile(func() { l.Clock.Advance(7 * time.Hour) })), engine.UploadExpired)
			l.holds(0)
		}},
		{"a task that is deleted while its file comes", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""), Task("b", "gate", ""))
			l.code(l.arrive(job, meanwhile(func() { l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a"))) })), engine.NotFound)
			l.holds(0)
		}},
		{"a task that is cancelled while its file comes", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			l.code(l.arrive(job, meanwhile(func() { l.cancel(job, "a", "") })), engine.Conflict)
			l.want(job, "error a=error:CANCELLED")
			l.holds(0)
		}},
		{"a sender who goes away after the last byte", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "upload", ""))
			ctx, leave := context.WithCancel(l.Context())
			f := io.MultiReader(strings.NewReader("hello"), meanwhile(leave))
			if err := l.Arrive(ctx, l.idOf(job, "a"), "a.txt", f); err != nil {
				l.code(l.arrive(job, strings.NewReader("hello")), "") // not taken: then it can be repeated
			}
			l.want(job, "finished a=finished")
			l.flowed(job, "a", "hello")
		}},
		{"no file for a task that waits for none", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.code(l.arrive(job, strings.NewReader("hello")), engine.NotFound)
			l.holds(0)
		}},
	}
}

func (l *lab) arrive(job engine.Job, r io.Reader) error {
	return l.Arrive(l.Context(), l.idOf(job, "a"), "a.txt", r)
}

// holds compares the number of stored blobs, after a sweep.
func (l *lab) holds(want int) {
	l.Helper()
	l.sweep(0)
	if got := len(l.blobs()); got != want {
		l.Errorf("%d blobs are stored, want %d", got, want)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// meanwhile is an empty reader during which something happens.
func meanwhile(happens func()) io.Reader { return &meantime{happens} }

type meantime struct{ happens func() }

func (m *meantime) Read([]byte) (int, error) {
	if m.happens != nil {
		m.happens()
		m.happens = nil
	}
	return 0, io.EOF
}
