package engine_test

import (
	"context"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

type nothing struct{}

func noop() engine.Operation {
	return engine.Define("noop", "Does nothing.", engine.LaneCPU, nothing{},
		engine.HandlerFunc[nothing](func(context.Context, *engine.Run, nothing) (engine.Result, error) {
			return engine.Result{}, nil
		}))
}

func source() engine.Operation {
	op := noop()
	op.Name, op.Source = "source", true
	return op
}

func TestChain(t *testing.T) {
	s := enginetest.Start(t, noop(), source())
	job := s.MustSubmit(t, enginetest.Task("c", "noop", "", "b"), enginetest.Task("a", "source", ""), enginetest.Task("b", "noop", "", "a"))
	got := enginetest.Summary(s.MustEnd(t, job.ID))
	if want := "finished c=finished a=finished b=finished"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	events, err := s.Events(t.Context(), s.User, job.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []engine.EventKind
	for i, e := range events {
		if e.N != int64(i+1) {
			t.Errorf("event %d has number %d", i+1, e.N)
		}
		kinds = append(kinds, e.Kind)
	}
	t.Log(kinds)
}
