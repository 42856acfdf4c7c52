package enginetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

func eventCases() []graphCase {
	return []graphCase{
		{"every transition is told in order", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "make", ""), Task("b", "fail", `{"code":"TOO_LARGE"}`), Task("c", "join", "", "b"))
			l.want(job, "error a=finished b=error:TOO_LARGE c=error:INPUT_TASK_FAILED")
			l.told(job, 0, "job.created a:task.created b:task.created c:task.created job.updated a:task.updated a:task.finished "+
				"b:task.updated b:task.failed c:task.failed job.failed")
			l.numbered(l.events(job))
		}},
		{"who comes late, or again, misses and repeats nothing", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "gate", ""), Task("b", "join", "", "a"))
			call := l.gate.Await(l.T, "a")
			seen := l.events(job)
			call.Finish()
			l.want(job, "finished a=finished b=finished")
			rest, err := l.Events(l.Context(), l.User, job.ID, seen[len(seen)-1].N)
			l.ok(err)
			if all := l.events(job); !slices.Equal(all, append(seen, rest...)) {
				l.Errorf("got %v and then %v of %v", seen, rest, all)
			}
		}},
		{"numbers have no gaps when many tasks end at once", func(l *lab) {
			l.start(16)
			var tasks []engine.TaskSpec
			for i := range 100 {
				tasks = append(tasks, Task(fmt.Sprintf("t%d", i), "make", ""))
			}
			job := l.submit(tasks...)
			l.MustEnd(l.T, job.ID)
			events := l.events(job)
			l.numbered(events)
			if len(events) != 3+3*len(tasks) {
				l.Errorf("got %d events, want %d", len(events), 3+3*len(tasks))
			}
			if last := events[len(events)-1]; last.Kind != engine.JobFinished {
				l.Errorf("the last event is %s", last.Kind)
			}
		}},
		{"progress is told", func(l *lab) {
			l.start(1)
			job := l.submit(gates("a")...)
			call := l.gate.Await(l.T, "a")
			call.Run.Progress(42, "half-way")
			l.until(job, "a", engine.StatusProcessing)
			hints, stop := l.Bus.Subscribe(job.ID)
			defer stop()
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			for l.job(job).Tasks[0].Percent != 42 {
				<-hints
			}
			if got := l.job(job).Tasks[0].Message; got != "half-way" {
				l.Errorf("the remark is %q", got)
			}
			call.Finish()
			end := l.want(job, "finished a=finished").Tasks[0]
			if end.Percent != 100 || end.Message != "" {
				l.Errorf("a finished task shows %d %%, %q", end.Percent, end.Message)
			}
		}},
		{"progress of an attempt that is over changes nothing", func(l *lab) {
			l.start(1)
			job := l.submit(gates("a")...)
			call := l.gate.Await(l.T, "a")
			call.Finish()
			l.want(job, "finished a=finished")
			before := l.events(job)
			call.Run.Progress(42, "late")
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			l.ok(l.Engine.Store.Graph.Turn(l.Context()))
			if end := l.job(job).Tasks[0]; end.Percent != 100 || end.Message != "" || len(l.events(job)) != len(before) {
				l.Errorf("late progress shows: %d %%, %q, %d events more", end.Percent, end.Message, len(l.events(job))-len(before))
			}
		}},
		{"another user hears nothing", func(l *lab) {
			l.start(1)
			job := l.submit(gates("a")...)
			_, err := l.Events(l.Context(), l.User+1, job.ID, 0)
			l.code(err, engine.NotFound)
		}},
	}
}

func (l *lab) events(job engine.Job) []engine.Event {
	l.Helper()
	events, err := l.Events(l.Context(), l.User, job.ID, 0)
	l.ok(err)
	return events
}

// told compares the events after number n, each as task:kind.
func (l *lab) told(job engine.Job, n int64, want string) {
	l.Helper()
	events, err := l.Events(l.Context(), l.User, job.ID, n)
	l.ok(err)
	names := map[engine.ID]string{}
	for _, task := range job.Tasks {
		names[task.ID] = task.Name + ":"
	}
	var got []string
	for _, e := range events {
		got = append(got, names[e.Task]+string(e.Kind))
	}
	if got := strings.Join(got, " "); got != want {
		l.Errorf("told were\n\t%s, want\n\t%s", got, want)
	}
}

func (l *lab) numbered(events []engine.Event) {
	l.Helper()
	for i, e := range events {
		if e.N != int64(i+1) {
			l.Fatalf("event %d has the number %d", i+1, e.N)
		}
	}
}
