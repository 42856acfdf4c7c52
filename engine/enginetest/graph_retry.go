package enginetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// maxWait is longer than any wait between two tries.
const maxWait = 16 * time.Minute

func retryCases() []graphCase {
	return []graphCase{
		{"what may pass is tried five times, ever later", backOff},
		{"a wait that the other side asks for is kept", retryAfter},
		{"what nobody foresaw is tried twice and not shown", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.gate.Await(l.T, "a").Fail(errors.New("secret path /etc/x"))
			l.ended()
			l.later(maxWait)
			l.gate.Await(l.T, "a").Fail(errors.New("secret path /etc/x"))
			end := l.want(job, "error a=error:INTERNAL")
			if strings.Contains(end.Tasks[0].Message, "/etc") {
				l.Errorf("the message shows the cause: %s", end.Tasks[0].Message)
			}
		}},
		{"a panic fails the attempt alone", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a b")...)
			for range 2 {
				l.gate.Await(l.T, "a").Panic("oops")
				l.ended()
				l.later(maxWait)
			}
			l.gate.Await(l.T, "b").Finish()
			l.want(job, "error a=error:INTERNAL b=finished")
		}},
		{"a mistake is not tried again", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			l.gate.Await(l.T, "a").Fail(engine.Errorf(engine.Denied, "No."))
			l.want(job, "error a=error:FORBIDDEN")
		}},
		{"a task that takes too long ends once and for all", func(l *lab) {
			limits := engine.DefaultLimits()
			limits.FreeSpace, limits.Run = 0, time.Millisecond
			l.prepare(Config{Limits: limits}).Server.Start(l.T)
			job := l.submit(gates("a")...)
			call := l.gate.Await(l.T, "a")
			<-call.Ctx.Done()
			if cause := context.Cause(call.Ctx); !errors.Is(cause, engine.ErrTimedOut) {
				l.Errorf("the handler's context ended with %v", cause)
			}
			l.want(job, "error a=error:TIMEOUT")
		}},
		{"a task may ask for less time, not for more", func(l *lab) {
			l.start(4)
			for _, c := range []struct {
				timeout string
				most    time.Duration
			}{
				{`{"timeout": 60}`, time.Minute},
				{`{"timeout": "60"}`, time.Minute},
				{`{"timeout": 86400}`, 5 * time.Hour},
				{`{"timeout": 18446744074}`, 5 * time.Hour}, // in nanoseconds more than 64 bits hold
				{`{}`, 5 * time.Hour},
			} {
				job := l.submit(Task("a", "gate", c.timeout))
				call := l.gate.Await(l.T, "a")
				if end, ok := call.Ctx.Deadline(); !ok || time.Until(end) > c.most || time.Until(end) < c.most/2 {
					l.Errorf("%s gives the task %v, want %v", c.timeout, time.Until(end), c.most)
				}
				call.Finish()
				l.want(job, "finished a=finished")
			}
		}},
		{"retry makes a new task with the same parameters and inputs", retryTask},
		{"retry of a task that runs is a conflict", func(l *lab) {
			l.start(4)
			job := l.submit(gates("a")...)
			_, err := l.Retry(l.Context(), l.User, l.idOf(job, "a"))
			l.code(err, engine.Conflict)
		}},
		{"retry needs the inputs", func(l *lab) {
			l.start(4)
			job := l.submit(Task("a", "make", ""), Task("b", "join", "", "a"))
			l.want(job, "finished a=finished b=finished")
			l.ok(l.DeleteTask(l.Context(), l.User, l.idOf(job, "a")))
			_, err := l.Retry(l.Context(), l.User, l.idOf(job, "b"))
			l.code(err, engine.Conflict)
		}},
	}
}

func backOff(l *lab) {
	l.start(4)
	job := l.submit(gates("a")...)
	for i, least := range []time.Duration{time.Second, 4 * time.Second, 16 * time.Second, 64 * time.Second} {
		call := l.gate.Await(l.T, "a")
		if call.Run.Attempt != i+1 {
			l.Fatalf("try %d is attempt %d", i+1, call.Run.Attempt)
		}
		call.Fail(engine.Errorf(engine.Unavailable, "Busy."))
		e := l.ended()
		if e.back == nil || e.err != nil {
			l.Fatalf("try %d was not postponed: %+v", i+1, e)
		}
		wait := e.back.NotBefore.Sub(l.Clock.Now())
		if wait < least-time.Second/10 || wait > least*5/4 {
			l.Errorf("the wait after try %d is %v, want about %v", i+1, wait, least)
		}
		l.later(wait - time.Second/10) // too early: the next attempt would be one too many
		if got := l.task(l.idOf(job, "a")); got.Status != engine.StatusProcessing || got.Message != "Busy." {
			l.Errorf("between two tries the task is %s, %q", got.Status, got.Message)
		}
		l.later(time.Second / 5)
	}
	call := l.gate.Await(l.T, "a")
	if call.Run.Attempt != 5 {
		l.Errorf("the last try is attempt %d", call.Run.Attempt)
	}
	call.Fail(engine.Errorf(engine.Unavailable, "Busy."))
	l.want(job, "error a=error:UNAVAILABLE")
}

func retryAfter(l *lab) {
	l.start(4)
	for _, c := range []struct{ asked, want time.Duration }{
		{30 * time.Second, 30 * time.Second},
		{24 * time.Hour, 15 * time.Minute},
	} {
		l.submit(gates("a")...)
		l.gate.Await(l.T, "a").Fail(&engine.Error{Code: engine.RateLimited, Message: "Slow.", RetryAfter: c.asked})
		e := l.ended()
		if e.back == nil {
			l.Fatal("not postponed")
		}
		if wait := e.back.NotBefore.Sub(l.Clock.Now()); wait < c.want-time.Second || wait > c.want {
			l.Errorf("asked for %v, the wait is %v, want %v", c.asked, wait, c.want)
		}
	}
}

func retryTask(l *lab) {
	l.start(4)
	job := l.submit(Task("a", "raw", `{"text":"content","password":"secret"}`), Task("b", "join", "", "a"))
	l.want(job, "finished a=finished b=finished")
	for name, want := range map[string]string{"a": "content", "b": "(content)"} {
		old := l.idOf(job, name)
		again, err := l.Retry(l.Context(), l.User, old)
		l.ok(err)
		if again.ID == old || again.RetryOf != old || !again.Hidden || again.Status != engine.StatusWaiting {
			l.Errorf("the retry is %+v", again)
		}
		end, err := l.WaitTask(l.Context(), l.User, again.ID)
		l.ok(err)
		if end.Status != engine.StatusFinished || len(end.Result.Files) != 1 || l.Content(l.T, end.Result.Files[0]) != want {
			l.Errorf("the retry of %s ended %s %s with %+v", name, end.Status, end.Message, end.Result)
		}
	}
}
