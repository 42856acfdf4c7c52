// Package engine holds Gantry's nouns: jobs, tasks, operations, files, errors, the graph they form and the worker that
// runs it. It knows neither SQL nor HTTP; those stand at the edge and are handed in.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Engine ties the parts together. Its exported fields are set before the first call and not changed; its methods are safe
// for concurrent use. Methods that take a user see that user's jobs only: another's are NotFound.
type Engine struct {
	Catalog *Catalog
	Store   Store
	Queue   Queue
	Bus     Bus
	Fleet   Fleet // nil: this process is alone
	Files   Files
	Sealer  Sealer
	Limits  Limits
	Lanes   []Lane
	WorkDir string        // for the private folders of running tasks; emptied at start
	Drain   time.Duration // for which running tasks may go on after Run was asked to stop
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now

	gone, removed watchers // downloads of tasks, and of stored files
}

// Sealer keeps what is secret unreadable at rest. Bind ties a sealed value to its place: elsewhere it does not open.
type Sealer interface {
	Seal(plain []byte, bind string) ([]byte, error)
	Unseal(sealed []byte, bind string) ([]byte, error)
}

func (e *Engine) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// Run does the work until ctx ends, then drains. It first takes up what an earlier process left behind. Submissions are
// taken, and wait, while Run is not running.
func (e *Engine) Run(ctx context.Context) error {
	found, err := e.Store.Keeper.Recover(ctx)
	if err != nil && ctx.Err() != nil {
		return nil // stopped before there was anything to drain
	}
	if err != nil {
		return err
	}
	if found > 0 {
		e.Log.Info("taking up tasks that were running when the server stopped", "tasks", found)
	}
	e.emptyWorkDir()
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	kept.Go(func() { e.keep(keep) })
	kept.Go(func() { e.discardLeftovers(keep) })
	err = newWorker(e).work(ctx)
	stop()
	kept.Wait()
	return err
}

// Submit stores a job and returns it as it was submitted. It is durable then. Every mistake in it is reported at once as
// problems of an Invalid error, and nothing is stored.
func (e *Engine) Submit(ctx context.Context, user UserID, s Submission) (Job, error) {
	if err := e.room(ctx); err != nil {
		return Job{}, err
	}
	d, err := e.check(ctx, user, s)
	if err != nil {
		return Job{}, err
	}
	if err := d.seal(ctx); err != nil {
		return Job{}, err
	}
	job := NewJob{ID: NewID(), User: user, Submission: s, Tasks: d.tasks, CreatedAt: e.now()}
	id, err := e.Store.Graph.Submit(context.WithoutCancel(ctx), job) // its outcome says whether the content is needed
	if err != nil {
		d.discard(ctx)
		return Job{}, err
	}
	if id != job.ID { // the key was known; the job may be a hidden one
		d.discard(ctx)
		return e.Store.Reader.Job(ctx, id)
	}
	return job.asSubmitted(), nil
}

// Check returns what Submit would refuse the job with for its mistakes; nil if there are none. It stores nothing.
func (e *Engine) Check(ctx context.Context, user UserID, s Submission) error {
	_, err := e.check(ctx, user, s)
	return err
}

// room refuses new work before the disk is full.
func (e *Engine) room(ctx context.Context) error {
	free, err := e.Files.Free(ctx)
	if err != nil || free < 0 || free >= e.Limits.FreeSpace {
		return nil // work that finds no room says so itself
	}
	return &Error{Code: Unavailable, RetryAfter: time.Minute,
		Message: "The server's disk is almost full. It takes new work again when old files have expired or were deleted."}
}

// asSubmitted is the job as its sender sees it first: everything waits, whatever has started since.
func (n NewJob) asSubmitted() Job {
	job := Job{ID: n.ID, User: n.User, Tag: n.Submission.Tag, File: n.Submission.File, Hidden: n.Submission.Hidden,
		Status: StatusWaiting, CreatedAt: n.CreatedAt}
	for _, t := range n.Tasks {
		job.Tasks = append(job.Tasks, Task{
			ID: t.ID, Job: n.ID, Hidden: n.Submission.Hidden, User: n.User, Name: t.Name, Operation: t.Spelling,
			Status: StatusWaiting, Percent: 100, Payload: t.Redacted, Inputs: slices.Concat(t.Inputs, t.Needs),
			CreatedAt: n.CreatedAt, RetryOf: t.RetryOf, AwaitsUpload: t.Awaits, UploadUntil: t.UploadUntil,
		})
	}
	return job
}

// Job returns a job with its tasks.
func (e *Engine) Job(ctx context.Context, user UserID, id ID) (Job, error) {
	job, err := e.Store.Reader.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	if job.User != user || job.Hidden {
		return Job{}, noJob()
	}
	return job, nil
}

// Task returns a task.
func (e *Engine) Task(ctx context.Context, user UserID, id ID) (Task, error) {
	task, err := e.Store.Reader.Task(ctx, id)
	if err != nil {
		return Task{}, err
	}
	if task.User != user {
		return Task{}, noTask()
	}
	return task, nil
}

func noJob() error {
	return Errorf(NotFound, "There is no such job. Jobs are removed some time after they end.")
}
func noTask() error {
	return Errorf(NotFound, "There is no such task. Tasks are removed some time after they end.")
}

// Jobs lists the user's jobs, newest first.
func (e *Engine) Jobs(ctx context.Context, q JobQuery) ([]Job, error) {
	return e.Store.Reader.Jobs(ctx, q)
}

// Tasks lists the user's tasks, newest first.
func (e *Engine) Tasks(ctx context.Context, q TaskQuery) ([]Task, error) {
	return e.Store.Reader.Tasks(ctx, q)
}

// Cancel ends a task that has not ended yet, whatever its worker is doing, and returns it.
func (e *Engine) Cancel(ctx context.Context, user UserID, id ID) (Task, error) {
	if _, err := e.Task(ctx, user, id); err != nil {
		return Task{}, err
	}
	if err := e.Store.Graph.Cancel(ctx, id, ErrCanceled); err != nil {
		return Task{}, err
	}
	return e.Task(ctx, user, id)
}

// Retry submits an ended task once more, as a stand-alone task with the same parameters and inputs, and returns the new one.
func (e *Engine) Retry(ctx context.Context, user UserID, id ID) (Task, error) {
	old, err := e.Task(ctx, user, id)
	if err != nil {
		return Task{}, err
	}
	if !old.Status.Ended() {
		return Task{}, Errorf(Conflict, "The task has not ended yet; cancel it first or wait for its end.")
	}
	return e.again(ctx, old)
}

// DeleteJob removes a job with its tasks, files and links, whatever it is doing.
func (e *Engine) DeleteJob(ctx context.Context, user UserID, id ID) error {
	if _, err := e.Job(ctx, user, id); err != nil {
		return err
	}
	return e.Store.Graph.Delete(ctx, id, "")
}

// DeleteTask removes a task with its files and links. What waits for it ends InputFailed.
func (e *Engine) DeleteTask(ctx context.Context, user UserID, id ID) error {
	if _, err := e.Task(ctx, user, id); err != nil {
		return err
	}
	return e.Store.Graph.Delete(ctx, "", id)
}

// WaitJob returns the job when it has ended, or the context's error.
func (e *Engine) WaitJob(ctx context.Context, user UserID, id ID) (Job, error) {
	job, seen := Job{}, int64(-1)
	err := e.wait(ctx, id, func() (ended bool, err error) {
		var goesOn bool
		if goesOn, seen, err = e.goesOn(ctx, id, seen); err != nil || goesOn {
			return false, err
		}
		job, err = e.Job(ctx, user, id)
		return job.Status.Ended(), err
	})
	return job, err
}

// goesOn reports whether the events after number seen tell that the job has not ended, and the last number. They are few,
// where the job itself may have a thousand tasks and a hint for each. A job without news may be gone.
func (e *Engine) goesOn(ctx context.Context, id ID, seen int64) (bool, int64, error) {
	if seen < 0 {
		return false, 0, nil
	}
	news, err := e.Store.Reader.Events(ctx, id, seen)
	for _, n := range news {
		if n.Kind == JobFinished || n.Kind == JobFailed {
			return false, n.N, err
		}
		seen = n.N
	}
	return len(news) > 0, seen, err
}

// WaitTask returns the task when it has ended, or the context's error.
func (e *Engine) WaitTask(ctx context.Context, user UserID, id ID) (Task, error) {
	task, err := e.Task(ctx, user, id)
	if err != nil {
		return Task{}, err
	}
	err = e.wait(ctx, task.Job, func() (ended bool, err error) {
		task, err = e.Task(ctx, user, id)
		return task.Status.Ended(), err
	})
	return task, err
}

// wait asks ended at once, after every hint about the job, and every second, since hints can be lost.
func (e *Engine) wait(ctx context.Context, job ID, ended func() (bool, error)) error {
	hints, unsubscribe := e.Bus.Subscribe(job)
	defer unsubscribe()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if done, err := ended(); done || err != nil {
			return err
		}
		select {
		case <-hints:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Events returns the events of a job after number n.
func (e *Engine) Events(ctx context.Context, user UserID, job ID, n int64) ([]Event, error) {
	if _, err := e.Job(ctx, user, job); err != nil {
		return nil, err
	}
	return e.Store.Reader.Events(ctx, job, n)
}

// isNotFound reports whether err says that something is not there.
func isNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == NotFound
}
