package enginetest

import (
	"fmt"

	"github.com/gantry-engine/gantry/engine"
)

func laneCases() []graphCase {
	return []graphCase{
		{"never more at once than there are slots", func(l *lab) {
			l.start(3)
			job := l.submit(gates("a b c d e f g")...)
			var calls []*Call
			for range 3 {
				calls = append(calls, l.gate.Next(l.T))
			}
			for n := 7; n > 3; n-- {
				l.running(3)
				calls[0].Finish()
				l.ended()
				calls = append(calls[1:], l.gate.Next(l.T))
			}
			for _, c := range calls {
				c.Finish()
			}
			l.want(job, "finished a=finished b=finished c=finished d=finished e=finished f=finished g=finished")
		}},
		{"a full lane does not keep another waiting", func(l *lab) {
			l.start(1)
			job := l.submit(Task("a", "gate", ""), Task("b", "gate", ""), Task("c", "netgate", ""), Task("d", "netgate", ""))
			a := l.gate.Await(l.T, "a")
			l.gate.Await(l.T, "c").Finish()
			l.gate.Await(l.T, "d").Finish()
			a.Finish()
			l.gate.Await(l.T, "b").Finish()
			l.want(job, "finished a=finished b=finished c=finished d=finished")
		}},
		{"the oldest job goes first, in its own order", func(l *lab) {
			l.start(1)
			first := l.submit(Task("a", "gate", ""), Task("b", "hold", "", "a"))
			second := l.submit(gates("c d")...)
			for _, want := range []string{"a", "b", "c", "d"} { // b became ready after c
				call := l.gate.Next(l.T)
				if call.Run.Name != want {
					l.Errorf("%s was started, want %s", call.Run.Name, want)
				}
				call.Finish()
				l.ended()
			}
			l.want(first, "finished a=finished b=finished")
			l.want(second, "finished c=finished d=finished")
		}},
		{"a lower number goes first", func(l *lab) {
			l.start(1)
			blocker := l.submit(gates("blocker")...)
			call := l.gate.Await(l.T, "blocker")
			for _, priority := range []int{0, -1} {
				l.urgent(priority)
			}
			call.Finish()
			l.want(blocker, "finished blocker=finished")
			for _, want := range []string{"p-1", "p0"} {
				next := l.gate.Next(l.T)
				if next.Run.Name != want {
					l.Errorf("%s was started, want %s", next.Run.Name, want)
				}
				next.Finish()
			}
		}},
	}
}

// urgent stores a job of one gate with that priority.
func (l *lab) urgent(priority int) {
	l.Helper()
	task := engine.NewTask{ID: engine.NewID(), Name: fmt.Sprintf("p%d", priority), Operation: "gate", Spelling: "gate",
		Lane: engine.LaneCPU, Priority: priority, Redacted: []byte("{}")}
	var err error
	task.Payload, err = l.Sealer.Seal([]byte("{}"), string(task.ID))
	l.ok(err)
	_, err = l.Engine.Store.Graph.Submit(l.Context(), engine.NewJob{ID: engine.NewID(), User: l.User,
		Tasks: []engine.NewTask{task}, CreatedAt: l.Clock.Now()})
	l.ok(err)
}

// running compares how many tasks have started and not ended.
func (l *lab) running(want int) {
	l.Helper()
	tasks, err := l.Tasks(l.Context(), engine.TaskQuery{User: l.User, Status: engine.StatusProcessing})
	l.ok(err)
	if len(tasks) != want {
		l.Errorf("%d tasks run, want %d", len(tasks), want)
	}
}
