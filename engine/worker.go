package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// worker runs claimed tasks. Its context is not the caller's: a drain lets running tasks end first.
type worker struct {
	engine *Engine
	ctx    context.Context
	stop   context.CancelCauseFunc

	mu      sync.Mutex
	running map[Ref]attempt
}

// attempt is one that runs here.
type attempt struct {
	user   UserID
	cancel context.CancelCauseFunc
}

func newWorker(e *Engine) *worker {
	w := &worker{engine: e, running: map[Ref]attempt{}}
	w.ctx, w.stop = context.WithCancelCause(context.Background())
	return w
}

// work runs the engine's share of the graph until ctx ends, then drains: what runs may end for e.Drain, is then handed back.
func (w *worker) work(ctx context.Context) error {
	w.engine.Bus.Canceled(w.cancel)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		select {
		case <-done:
		case <-time.After(w.engine.Drain):
			w.stop(ErrShuttingDown)
		}
	}()
	watched := make(chan struct{})
	go func() { defer close(watched); w.watch(done) }()
	err := w.engine.Queue.Run(ctx, w.engine.Lanes, w.handle)
	close(done)
	<-watched
	return err
}

// watch stops what was ended without a hint that reached us: by another process, or before its handler was registered.
func (w *worker) watch(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-done:
			return
		}
	}
}

func (w *worker) look() {
	w.engine.cutRemoved(w.ctx)
	for user, tasks := range w.tasks() {
		found, err := w.engine.Store.Reader.Tasks(w.ctx, TaskQuery{User: user, IDs: tasks})
		if err != nil {
			return // the next look is in a second
		}
		over := map[ID]bool{}
		for _, id := range tasks {
			over[id] = true
		}
		for _, t := range found {
			over[t.ID] = t.Status.Ended()
		}
		for id, over := range over {
			if over {
				w.interrupt(id) // not its downloads: it may be one that has just finished
			}
		}
	}
}

// tasks returns what runs here, by user.
func (w *worker) tasks() map[UserID][]ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	tasks := map[UserID][]ID{}
	for ref, a := range w.running {
		tasks[a.user] = append(tasks[a.user], ref.Task)
	}
	return tasks
}

// cancel stops what is at work on a task that was cancelled or deleted, or on a stored file that was; downloads included.
func (w *worker) cancel(task ID) {
	w.interrupt(task)
	w.engine.gone.close(task)
	w.engine.removed.close(task)
}

func (w *worker) interrupt(task ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref, a := range w.running {
		if ref.Task == task {
			a.cancel(ErrCanceled)
		}
	}
}

// handle runs one claimed task and tells the store how it ended.
func (w *worker) handle(held context.Context, c Claim) {
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	defer context.AfterFunc(held, func() { cancel(context.Cause(held)) })()
	w.mu.Lock()
	w.running[c.Ref] = attempt{c.User, cancel} // not by the task: its next attempt may begin before this one is taken off
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.running, c.Ref)
		w.mu.Unlock()
	}()
	w.end(ctx, c, w.attempt(ctx, c))
}

// outcome is what an attempt came to.
type outcome struct {
	result  Result
	created []BlobID
	noted   bool
	err     error
}

// attempt prepares a run, calls the handler and cleans up.
func (w *worker) attempt(ctx context.Context, c Claim) outcome {
	op, params, err := w.decode(c)
	if err != nil {
		return outcome{err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.budget(params.common), ErrTimedOut)
	defer cancel()
	run := w.newRun(c, op)
	defer run.clean()
	result, err := call(ctx, op, run, params.own)
	if err != nil && errors.Is(context.Cause(ctx), ErrTimedOut) {
		err = ErrTimedOut // the handler may only have seen its echo
	}
	return outcome{result: result, created: run.created, noted: run.noted, err: err}
}

// decoded are a task's parameters: those of its operation and those that all have.
type decoded struct {
	own    any
	common common
}

func (w *worker) decode(c Claim) (Operation, decoded, error) {
	op, ok := w.engine.Catalog.Find(c.Operation)
	if !ok {
		return op, decoded{}, Errorf(Invalid, "This server cannot run the operation %q any more.", c.Operation)
	}
	raw, err := w.engine.Sealer.Unseal(c.Payload, string(c.Task))
	if err != nil {
		return op, decoded{}, lostKey(err)
	}
	params, problems := op.Params.Decode(raw)
	settings, _ := commonSpec.Decode(raw)
	if len(problems) > 0 {
		return op, decoded{}, InvalidParams(problems)
	}
	return op, decoded{own: params, common: settings.(common)}, nil
}

func lostKey(err error) error {
	return Wrap(err, Invalid, "The task's parameters cannot be read: the server's key file is not the one that sealed them. "+
		"Submit the job again.")
}

func (w *worker) budget(c common) time.Duration {
	limit := w.engine.Limits.Run
	if c.Timeout > 0 && c.Timeout < int(limit/time.Second) { // in seconds: any number can be asked for
		return time.Duration(c.Timeout) * time.Second
	}
	return limit
}

func (w *worker) newRun(c Claim, op Operation) *Run {
	return &Run{
		Ref: c.Ref, Job: c.Job, User: c.User, Name: c.Name,
		Log: w.engine.Log.With("job", c.Job, "task", c.Task, "operation", c.Operation, "attempt", c.Attempt),

		operation: op, tool: c.Tool, offered: func() []Row { return w.engine.Rows(op) },
		files: w.engine.Files, reader: w.engine.Store.Reader, graph: w.engine.Store.Graph, limits: w.engine.Limits,
		workDir: w.engine.WorkDir,
		retryOf: c.RetryOf, leftovers: w.engine.Store.Leftovers, sealer: w.engine.Sealer,
		store: w.engine.Store,
	}
}

// call runs the handler; a panic fails the attempt, not the process.
func call(ctx context.Context, op Operation, run *Run, params any) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return op.Run(ctx, run, params)
}

// end says to the store how the attempt ended: finished, failed, to be tried again, or handed back.
func (w *worker) end(ctx context.Context, c Claim, o outcome) {
	switch cause := context.Cause(ctx); {
	case o.err == nil:
		w.settle(c, Settlement{Ref: c.Ref, Result: o.result, Created: o.created, Noted: o.noted})
		return
	case errors.Is(cause, ErrCanceled):
		w.discard(c, o.created) // its end is written already
		return
	case errors.Is(cause, ErrLeaseLost), errors.Is(cause, ErrShuttingDown): // a lost one may still be ours to hand back
		w.discard(c, o.created)
		w.postpone(c, Postponement{Ref: c.Ref})
		return
	}
	var on handOn
	if errors.As(o.err, &on) {
		w.discard(c, o.created)
		w.postpone(c, Postponement{Ref: c.Ref, Tool: on.tool})
		return
	}
	failure := w.failure(c, o.err)
	if wait, again := retry(failure, c.Tries+1); again && !errors.Is(failure, ErrTimedOut) {
		w.discard(c, o.created)
		w.postpone(c, Postponement{Ref: c.Ref, NotBefore: w.engine.now().Add(wait), Try: true, Message: failure.Message})
		return
	}
	w.settle(c, Settlement{Ref: c.Ref, Err: failure, Result: o.result, Created: o.created, Noted: o.noted})
}

// discard removes the bytes that an attempt made and that no settlement was ever asked to keep.
func (w *worker) discard(c Claim, made []BlobID) {
	for _, b := range made {
		if err := w.engine.Files.Remove(context.WithoutCancel(w.ctx), b); err != nil {
			w.engine.Log.Warn("bytes of an attempt stay until a later sweep", "job", c.Job, "task", c.Task,
				"attempt", c.Attempt, "error", err)
		}
	}
}

// failure is err as it is kept. What nobody foresaw is logged whole and shown as internal.
func (w *worker) failure(c Claim, err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Code != Internal {
		return e
	}
	w.engine.Log.Error("task failed unexpectedly", "job", c.Job, "task", c.Task, "operation", c.Operation,
		"attempt", c.Attempt, "error", err)
	return Wrap(err, CodeOf(err), "%s", MessageOf(err))
}

func (w *worker) settle(c Claim, end Settlement) {
	w.insist(c, func(ctx context.Context) error { return w.engine.Store.Graph.Settle(ctx, end) })
}

func (w *worker) postpone(c Claim, back Postponement) {
	w.insist(c, func(ctx context.Context) error { return w.engine.Store.Graph.Postpone(ctx, back) })
}

// insist repeats a change until the store takes it or knows better: a full disk must not lose finished work. When the
// process stops first, the task is run again after the start.
func (w *worker) insist(c Claim, change func(context.Context) error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := change(context.WithoutCancel(w.ctx))
		if err == nil || errors.Is(err, ErrStale) {
			return
		}
		w.engine.Log.Error("the store does not take the end of a task; trying again",
			"job", c.Job, "task", c.Task, "attempt", c.Attempt, "error", err)
		select {
		case <-time.After(wait):
		case <-w.ctx.Done():
			return
		}
	}
}
