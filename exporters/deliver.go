package exporters

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	parallel     = 4 // deliveries of one task at once, where the definition says nothing
	cleanUpTime  = 30 * time.Second
	keepDoneTime = 10 * time.Second
)

// Deliver brings files to one destination, several at once. The result has them in order, as the receipts describe them;
// what arrived before an error is returned with it, and is not sent again by a later attempt or a retry of the task.
func Deliver(ctx context.Context, run *engine.Run, def Definition, env Env, params any, files []engine.File) (engine.Result, error) {
	names, err := def.names(params, files)
	if err != nil {
		return engine.Result{}, err
	}
	s := &shipment{run: run, def: def, env: env, params: params, files: files, names: names, receipts: make([]*Receipt, len(files))}
	s.meter = &meter{show: func(percent int) { run.Progress(percent, "") }}
	for _, f := range files {
		s.meter.total += f.Size
	}
	if err := s.recall(ctx); err != nil {
		return engine.Result{}, err
	}
	if err := s.rest(ctx); err != nil {
		s.keepDone(ctx, err)
		return s.result(), err
	}
	return s.result(), nil
}

// shipment is all deliveries of one task.
type shipment struct {
	run      *engine.Run
	def      Definition
	env      Env
	params   any
	files    []engine.File
	names    []string
	exporter Exporter
	meter    *meter
	begun    map[int]record // by earlier attempts

	mu       sync.Mutex
	receipts []*Receipt // nil where nothing arrived yet
	noted    map[int]bool
}

// recall finds out what arrived already: by earlier attempts of this task, or by the task of which this one is a retry.
func (s *shipment) recall(ctx context.Context) error {
	notes, err := s.run.Kept(ctx)
	if err != nil {
		return err
	}
	s.begun, s.noted = map[int]record{}, map[int]bool{}
	for number, note := range notes {
		var r record
		if err := json.Unmarshal(note.State, &r); err != nil {
			return fmt.Errorf("read a checkpoint: %w", err)
		}
		same := number < len(s.files) && r.isOf(s.files[number], s.names[number])
		switch {
		case same && r.Receipt != nil:
			s.arrive(number, *r.Receipt)
			s.noted[number] = true
		case same:
			s.begun[number] = r
		case r.State != nil && s.def.Discard != nil: // of a file that the task does not have any more
			if err := s.def.Discard(ctx, s.env, s.params, r.State); err != nil {
				return err
			}
		}
	}
	return s.recallRetried(ctx)
}

func (s *shipment) recallRetried(ctx context.Context) error {
	earlier, err := s.run.Earlier(ctx)
	for i, f := range s.files {
		at := slices.IndexFunc(earlier, func(old engine.File) bool {
			return old.Facts[factName] == s.names[i] && old.SHA256 == f.SHA256 && old.Size == f.Size
		})
		if at >= 0 && s.receipts[i] == nil {
			s.arrive(i, Receipt{Facts: earlier[at].Facts})
		}
	}
	return err
}

func (s *shipment) arrive(i int, r Receipt) {
	s.mu.Lock()
	s.receipts[i] = &r
	s.mu.Unlock()
	s.meter.add(s.files[i].Size)
}

// rest delivers what has not arrived. The first failure keeps further deliveries from starting; those under way go on.
func (s *shipment) rest(ctx context.Context) (err error) {
	var todo []int
	for i, r := range s.receipts {
		if r == nil {
			todo = append(todo, i)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	if s.exporter, err = s.def.Open(ctx, s.env, s.params); err != nil {
		return err
	}
	defer func() {
		if cerr := s.exporter.Close(); cerr != nil {
			s.env.Log.Warn("an exporter did not close well", "error", cerr)
		}
	}()
	arrived, noted := make(chan int, len(todo)), make(chan error, 1)
	go func() { noted <- s.note(ctx, arrived) }()
	err = s.all(ctx, todo, arrived)
	close(arrived)
	return cmp.Or(err, <-noted)
}

// all makes deliveries, several at once, and tells which of them arrived and have to be noted.
func (s *shipment) all(ctx context.Context, todo []int, arrived chan<- int) error {
	workers := s.def.Parallel
	if workers <= 0 {
		workers = parallel
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	failures := map[int]error{}
	next := make(chan int)
	for range min(workers, len(todo)) {
		wg.Go(func() {
			for i := range next {
				if failed := s.one(ctx, i, arrived); failed != nil {
					mu.Lock()
					failures[i] = failed
					mu.Unlock()
				}
			}
		})
	}
	for _, i := range todo {
		mu.Lock()
		stop := len(failures) > 0
		mu.Unlock()
		if stop {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return s.worst(failures)
}

// note notes deliveries that arrived while others are under way: at each time all that have arrived since the last.
func (s *shipment) note(ctx context.Context, arrived <-chan int) (err error) {
	for i := range arrived {
		which := []int{i}
		for len(arrived) > 0 {
			which = append(which, <-arrived)
		}
		err = cmp.Or(err, s.noteDone(ctx, which...))
	}
	return err
}

// worst is the failure that decides what becomes of the task: one that another try cannot mend before one that it can.
func (s *shipment) worst(failures map[int]error) (err error) {
	for i := range s.files {
		failed, ok := failures[i]
		if ok && (err == nil || engine.Retryable(err) && !engine.Retryable(failed)) {
			err = s.named(i, failed)
		}
	}
	return err
}

// named says which of several files a failure is of.
func (s *shipment) named(i int, failed error) error {
	failed = fmt.Errorf("export %q: %w", s.files[i].Name, failed)
	var e *engine.Error
	if len(s.files) == 1 || !errors.As(failed, &e) {
		return failed
	}
	named := *e
	named.Message, named.Err = fmt.Sprintf("%s: %s", s.files[i].Name, e.Message), failed
	return &named
}

// one delivers one file, as often as it takes, and cleans up if that will not be taken up again.
func (s *shipment) one(ctx context.Context, i int, arrived chan<- int) error {
	d := s.delivery(i)
	receipt, err := d.persist(ctx)
	if err != nil {
		s.cleanUp(ctx, d, err)
		return err
	}
	s.mu.Lock()
	s.receipts[i] = &receipt
	s.mu.Unlock()
	if d.checkpoint.state != nil && len(s.files) > 1 { // else its settlement looks after it, or there is nothing to look after
		arrived <- i
	}
	return nil
}

func (s *shipment) delivery(i int) *delivery {
	begun := s.begun[i]
	d := &delivery{shipment: s, share: &share{meter: s.meter}}
	d.body = &body{
		file: s.files[i], seen: begun.Seen,
		open:    func(ctx context.Context) (io.ReadSeekCloser, error) { return s.run.Open(ctx, s.files[i]) },
		current: s.run.Current,
		sent:    func(n int) { d.share.add(n); d.beat() },
		last:    func() { d.committing.Store(true); d.beat() },
	}
	d.checkpoint = &checkpoint{run: s.run, number: i, name: s.names[i], body: d.body, state: begun.State, pulse: d.beat}
	d.Delivery = Delivery{ID: fmt.Sprintf("%s-%d", s.run.Task, i), File: s.files[i], Name: s.names[i],
		Checkpoint: d.checkpoint, body: d.body}
	return d
}

// cleanUp removes what a delivery left that nobody will take up again. What cannot be removed now is the sweeper's.
func (s *shipment) cleanUp(ctx context.Context, d *delivery, err error) {
	cause := context.Cause(ctx)
	resumed := errors.Is(cause, engine.ErrShuttingDown) || ctx.Err() == nil && engine.Retryable(err)
	if d.checkpoint.state == nil || s.def.Discard == nil || resumed || errors.Is(cause, engine.ErrLeaseLost) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if err := s.def.Discard(ctx, s.env, s.params, d.checkpoint.state); err != nil {
		s.env.Log.Warn("what a failed delivery left cannot be removed now; it is tried again later", "error", err)
		return
	}
	if err := s.run.Drop(ctx, d.checkpoint.number); err != nil {
		s.env.Log.Warn("a leftover was removed, which could not be noted", "error", err)
	}
	d.checkpoint.state = nil
}

// keepDone notes what arrived before a failure that another attempt will take up.
func (s *shipment) keepDone(ctx context.Context, err error) {
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, engine.ErrShuttingDown) || cause == nil && !engine.Retryable(err) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepDoneTime)
	defer cancel()
	var done []int
	for i, r := range s.receipts {
		if r != nil && !s.noted[i] {
			done = append(done, i)
		}
	}
	if err := s.noteDone(ctx, done...); err != nil {
		s.env.Log.Warn("what was delivered could not be noted; it will be sent again", "error", err)
	}
}

// noteDone notes that files arrived.
func (s *shipment) noteDone(ctx context.Context, which ...int) error {
	notes := make([]engine.Note, len(which))
	s.mu.Lock()
	for at, i := range which {
		r := recordOf(s.files[i], s.names[i])
		r.Receipt = s.receipts[i]
		notes[at], _ = r.note(i) // strings and numbers only
		s.noted[i] = true
	}
	s.mu.Unlock()
	return s.run.Keep(ctx, notes...)
}

// factName is the fact that says what a file is called at its destination.
const factName = "key"

// result is what has arrived, in the order of the files.
func (s *shipment) result() engine.Result {
	var result engine.Result
	for i, r := range s.receipts {
		if r == nil {
			continue
		}
		result.Files = append(result.Files, r.file(s.files[i], s.names[i]))
		if result.Message == "" {
			result.Message = r.Remark
		}
	}
	return result
}

// file is the delivered file as the task shows it.
func (r Receipt) file(f engine.File, name string) engine.File {
	if r.Kept {
		f.Name, f.Dir, f.Link, f.Inline = name, "", true, r.Inline
		return f
	}
	facts := map[string]string{"sha256": f.SHA256, factName: name}
	for k, v := range r.Facts {
		if v != "" {
			facts[k] = v
		}
	}
	f.Blob, f.Facts, f.Link, f.Inline = "", facts, false, false
	return f
}

// guarded calls a driver: its panic fails the delivery, not the process.
func guarded(export func() (Receipt, error)) (r Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return export()
}
