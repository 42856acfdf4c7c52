package enginetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// patience is how long a test waits for what must come. It is never waited for in a test that passes.
const patience = time.Minute

// Gate makes operations whose attempts wait until the test ends them.
type Gate struct {
	calls chan *Call
	early []*Call // taken from calls while the test waited for another
	open  chan struct{}
	seen  sync.Map // tasks that came to it
}

// NewGate returns a gate. It serves one test goroutine.
func NewGate() *Gate { return &Gate{calls: make(chan *Call, 10_000), open: make(chan struct{})} }

// Open ends all attempts, those to come included, so that the engine can stop.
func (g *Gate) Open() { close(g.open) }

// Call is one attempt that waits at a Gate. Exactly one of its methods is called.
type Call struct {
	Ctx context.Context
	Run *engine.Run

	ends chan ending
}

type ending struct {
	result engine.Result
	err    error
	panics any
}

// Finish ends the attempt with the files.
func (c *Call) Finish(files ...engine.File) { c.ends <- ending{result: engine.Result{Files: files}} }

// Fail ends the attempt with err, having made the files.
func (c *Call) Fail(err error, files ...engine.File) {
	c.ends <- ending{result: engine.Result{Files: files}, err: err}
}

// Panic ends the attempt with a panic.
func (c *Call) Panic(with any) { c.ends <- ending{panics: with} }

// Operation is an operation without inputs in the lane. Its attempts end by the test or, like any good handler, with
// their context.
func (g *Gate) Operation(name, lane string) engine.Operation {
	op := engine.Define(name, "Waits for the test.", lane, struct{}{}, engine.HandlerFunc[struct{}](
		func(ctx context.Context, run *engine.Run, _ struct{}) (engine.Result, error) {
			c := g.arrive(ctx, run)
			select {
			case e := <-c.ends:
				return e.now()
			case <-g.open:
				return engine.Result{}, nil
			case <-ctx.Done():
				return engine.Result{}, context.Cause(ctx)
			}
		}))
	op.Source = true
	return op
}

// Deaf is like Operation, but does not listen to its context.
func (g *Gate) Deaf(name, lane string) engine.Operation {
	op := g.Operation(name, lane)
	op.Run = func(ctx context.Context, run *engine.Run, _ any) (engine.Result, error) {
		c := g.arrive(ctx, run)
		select {
		case e := <-c.ends:
			return e.now()
		case <-g.open:
			return engine.Result{}, nil
		}
	}
	return op
}

func (g *Gate) arrive(ctx context.Context, run *engine.Run) *Call {
	c := &Call{Ctx: ctx, Run: run, ends: make(chan ending, 1)}
	g.seen.Store(run.Task, nil)
	g.calls <- c
	return c
}

func (e ending) now() (engine.Result, error) {
	if e.panics != nil {
		panic(e.panics)
	}
	return e.result, e.err
}

// Await returns the next attempt of the task of that name.
func (g *Gate) Await(t T, name string) *Call {
	t.Helper()
	return g.await(t, func(c *Call) bool { return c.Run.Name == name })
}

// AwaitTask returns the next attempt of the task.
func (g *Gate) AwaitTask(t T, task engine.ID) *Call {
	t.Helper()
	return g.await(t, func(c *Call) bool { return c.Run.Task == task })
}

func (g *Gate) await(t T, wanted func(*Call) bool) *Call {
	t.Helper()
	if i := slices.IndexFunc(g.early, wanted); i >= 0 {
		c := g.early[i]
		g.early = slices.Delete(g.early, i, i+1)
		return c
	}
	for {
		c := g.Next(t)
		if wanted(c) {
			return c
		}
		g.early = append(g.early, c)
	}
}

// Next returns the next attempt of any task.
func (g *Gate) Next(t T) *Call {
	t.Helper()
	select {
	case c := <-g.calls:
		return c
	case <-time.After(patience):
		t.Fatal("no task was started")
		return nil
	}
}
