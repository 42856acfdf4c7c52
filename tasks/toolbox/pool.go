package toolbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// PoolConfig says what a Pool keeps alive.
type PoolConfig struct {
	Name   string                                     // as messages call it
	Size   int                                        // workers at a time; 1 if not given
	Uses   int                                        // after which a worker is replaced; 100 if not given
	Memory int64                                      // bytes of all its processes above which it is replaced after a use; 600 MiB if not given
	Idle   time.Duration                              // after which an unused worker ends; 10 minutes if not given
	Frame  int                                        // bytes of the largest answer; 1 MiB if not given
	End    byte                                       // ends every answer; if not given a line feed, or a zero byte with Pipes
	Pipes  bool                                       // the program reads from file 3 and answers on 4, not on its standard input and output
	Set    func(c *Command)                           // completes the command of a new worker: Tool, Args, Bounds; Wall and CPU are for each use
	Ready  func(ctx context.Context, w *Worker) error // waits until a worker can be used, a new one or, while nobody else waits, one that was used; nil if it can be at once
}

// Pool keeps programs running between tasks. Each works for one task at a time, in a sandbox of its own; one that fails,
// grows or has done enough is replaced. It is safe for concurrent use.
type Pool struct {
	box    *Box
	config PoolConfig
	slots  chan struct{}

	mu     sync.Mutex
	idle   []*Worker
	deaths map[string]int // of workers, by key
	order  []string       // of the keys, oldest first
	closed bool
	all    sync.WaitGroup
}

// How a Pool treats input that ends its workers.
const (
	mostDeaths = 3
	mostKeys   = 10_000
)

// Pool returns a pool that has no worker yet: the first use starts one. The Box closes it.
func (b *Box) Pool(c PoolConfig) *Pool {
	c.Size, c.Uses = cmp.Or(c.Size, 1), cmp.Or(c.Uses, 100)
	c.Memory, c.Idle = cmp.Or(c.Memory, 600<<20), cmp.Or(c.Idle, 10*time.Minute)
	c.Frame = cmp.Or(c.Frame, 1<<20)
	if !c.Pipes {
		c.End = cmp.Or(c.End, '\n')
	}
	p := &Pool{box: b, config: c, slots: make(chan struct{}, c.Size), deaths: map[string]int{}}
	b.Defer(p.Close)
	return p
}

// Use lends a worker to work, waiting for one until ctx ends. The context of work also ends when the worker does. A worker
// for which work returns an error is not used again. Key stands for the input, such as its hash: when a worker dies, the
// error is ErrDied and has the code engine.Unavailable, so the task is tried again; after three deaths over one key it is
// engine.Invalid, at once and from then on.
func (p *Pool) Use(ctx context.Context, key string, work func(ctx context.Context, w *Worker) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if p.quarantined(key) {
		return p.fatal()
	}
	w, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = w.use(ctx, work)
	if died := w.death(); died != nil && ctx.Err() == nil {
		w.discard()
		return p.mourn(key, died)
	}
	if err != nil || ctx.Err() != nil {
		if ctx.Err() == nil && w.process.room() < leastRoom {
			err = w.process.diskFull()
		}
		w.discard()
		return err
	}
	p.give(w)
	return nil
}

func (p *Pool) fatal() error {
	return engine.Wrap(ErrDied, engine.Invalid, "%s crashed on this file %d times.", p.config.Name, mostDeaths)
}

func (p *Pool) quarantined(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaths[key] >= mostDeaths
}

// mourn counts a death. One by a bound is the end of the matter: it would come again.
func (p *Pool) mourn(key string, died error) error {
	var known *engine.Error
	if errors.As(died, &known) {
		return died
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaths[key]++; p.deaths[key] == 1 {
		p.order = append(p.order, key)
	}
	if len(p.order) > mostKeys {
		delete(p.deaths, p.order[0])
		p.order = p.order[1:]
	}
	if p.deaths[key] >= mostDeaths {
		return p.fatal()
	}
	return engine.Wrap(fmt.Errorf("%w: %w", ErrDied, died), engine.Unavailable, "%s crashed on this file.", p.config.Name)
}

// take returns an idle worker or starts one.
func (p *Pool) take(ctx context.Context) (*Worker, error) {
	for {
		w, err := p.pick()
		if err != nil {
			return nil, err
		}
		if w == nil {
			return p.start(ctx)
		}
		select {
		case <-w.fit:
		case <-ctx.Done():
			p.keep(w, func() {})
			return nil, context.Cause(ctx)
		}
		if w.rest.Stop() && w.death() == nil {
			if renew := w.process.command.renew; renew != nil {
				renew() // each use has an allowance of its own
			}
			return w, nil
		}
		w.discard() // it died on its own, or is about to be sent away
	}
}

// pick takes an idle worker out, nil if there is none: the last that is fit for use, or else the last.
func (p *Pool) pick() (*Worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, engine.ErrShuttingDown
	}
	at := len(p.idle) - 1
	if at < 0 {
		return nil, nil
	}
	for i, w := range p.idle {
		select {
		case <-w.fit:
			at = i
		default:
		}
	}
	w := p.idle[at]
	p.idle = slices.Delete(p.idle, at, at+1)
	return w, nil
}

// give takes a worker back that was used.
func (p *Pool) give(w *Worker) {
	w.uses++
	w.fit = make(chan struct{})
	w.rest = time.AfterFunc(p.config.Idle, w.discard)
	p.keep(w, func() { p.all.Go(func() { p.refit(w) }) })
}

// keep lays a worker by, or ends it where the Pool is closed.
func (p *Pool) keep(w *Worker, kept func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go w.discard()
		return
	}
	p.idle = append(p.idle, w)
	kept()
}

// refitting is how long a worker may take to be ready once more.
const refitting = 30 * time.Second

// refit makes a worker fit for its next use, or ends it. Whose use was before does not wait for that, and has no part in it.
func (p *Pool) refit(w *Worker) {
	defer close(w.fit)
	ctx, cancel := context.WithTimeout(context.Background(), refitting)
	defer cancel()
	if w.uses >= p.config.Uses || p.config.Ready != nil && w.use(ctx, p.config.Ready) != nil ||
		w.size() > p.config.Memory || w.clear() != nil {
		w.discard()
	}
}

// Close ends all workers, also those at work, and waits for their end.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.discard()
	}
	p.all.Wait()
}

// ErrDied is in the error of a use whose worker died over its input.
var ErrDied = errors.New("the worker died")

// ErrNotStarted is in the error of a use for which no worker could be started; work was not called then.
var ErrNotStarted = errors.New("the worker did not start")

// start starts a worker and waits until it is ready.
func (p *Pool) start(ctx context.Context) (*Worker, error) {
	w, err := p.newWorker(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", p.config.Name, ErrNotStarted, err)
	}
	if p.config.Ready == nil {
		return w, nil
	}
	err = w.use(ctx, p.config.Ready)
	if died := w.death(); died != nil && ctx.Err() == nil {
		err = died
	}
	if err != nil {
		w.discard()
		return nil, fmt.Errorf("%s: %w: %w", p.config.Name, ErrNotStarted, err)
	}
	return w, nil
}
