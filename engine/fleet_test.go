package engine_test

import (
	"context"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
)

// deaf is a fleet of which nothing can be learnt.
type deaf struct{}

func (deaf) Announce(context.Context, []engine.Lane) error { return nil }
func (deaf) Rows(string) []engine.Row                      { return nil }
func (deaf) Refresh(context.Context) error {
	return engine.Errorf(engine.Unavailable, "The server's database does not answer at the moment. Try again.")
}

// TestDeafFleet submits what no known worker can do while the others cannot be asked: that is no mistake in the job.
func TestDeafFleet(t *testing.T) {
	op := engine.Define("rare", "Cannot be done here.", engine.LaneCPU, struct{}{}, engine.HandlerFunc[struct{}](
		func(context.Context, *engine.Run, struct{}) (engine.Result, error) { return engine.Result{}, nil }))
	op.Source = true
	op.Rows = func() []engine.Row { return nil }
	op.Match = func(any, []engine.File, []engine.Row) (string, []param.Problem) {
		return "", []param.Problem{param.Problemf("", "cannot be done")}
	}
	s := enginetest.New(t, enginetest.Config{Operations: []engine.Operation{op}})
	for want, fleet := range map[engine.Code]engine.Fleet{engine.Invalid: nil, engine.Unavailable: deaf{}} {
		s.Fleet = fleet
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "rare", "{}")}})
		if engine.CodeOf(err) != want {
			t.Errorf("with %v: got %v, want %s", fleet, err, want)
		}
	}
}
