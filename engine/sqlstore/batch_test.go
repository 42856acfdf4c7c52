package sqlstore_test

import (
	"fmt"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

// thousand is a job of a thousand tasks whose first waits at the gate: with chain each is the input of the next, else the
// first is the input of all.
func thousand(chain bool) []engine.TaskSpec {
	tasks := []engine.TaskSpec{enginetest.Task("t0", "gate", "")}
	for i := 1; i < 1000; i++ {
		from := "t0"
		if chain {
			from = tasks[i-1].Name
		}
		tasks = append(tasks, enginetest.Task(fmt.Sprintf("t%d", i), "join", "", from))
	}
	return tasks
}

// BenchmarkLargeBatch shows for how long the largest jobs hold up everybody else: each is one transaction.
func BenchmarkLargeBatch(b *testing.B) {
	gate := enginetest.NewGate()
	s := enginetest.Start(b, append(enginetest.Toys(), gate.Operation("gate", engine.LaneCPU))...)
	defer gate.Open()
	for _, chain := range []bool{false, true} {
		b.Run(fmt.Sprintf("submit chain=%t", chain), func(b *testing.B) {
			for b.Loop() {
				s.MustSubmit(b, thousand(chain)...)
			}
		})
		b.Run(fmt.Sprintf("cancel chain=%t", chain), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				job := s.MustSubmit(b, thousand(chain)...)
				b.StartTimer()
				if err := s.Engine.Store.Graph.Cancel(b.Context(), job.Tasks[0].ID, engine.ErrCanceled); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("delete chain=%t", chain), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				job := s.MustSubmit(b, thousand(chain)...)
				b.StartTimer()
				if err := s.Engine.Store.Graph.Delete(b.Context(), job.ID, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
