// Package localqueue is the queue and the bus of a single process: slots and subscriptions in memory, and everything that
// must survive in the tables.
package localqueue

import (
	"context"
	"sync"

	"github.com/gantry-engine/gantry/engine"
)

// Queue hands ready tasks to the slots of this process. It claims in the transaction that made a task ready, so that
// nothing is committed between the end of a task and the start of the next. It holds no tasks itself: which come next is
// asked of the tables.
type Queue struct {
	node engine.ID
	turn func(context.Context) error

	mu      sync.Mutex
	idle    *sync.Cond
	lanes   map[string]*lane
	running map[engine.Ref]*lane // claimed, with their slots
	handles int                  // goroutines
	alone   bool                 // there may be a ready task that runs alone
	barred  bool                 // one is running
	handle  func(context.Context, engine.Claim)
	ctx     context.Context
}

// lane is a pool of slots.
type lane struct {
	name string
	free int
	more bool // there may be a ready task
}

// New returns a queue that claims for node. Turn is called when a slot became free without a commit; it commits one.
func New(node engine.ID, turn func(context.Context) error) *Queue {
	q := &Queue{node: node, turn: turn, running: map[engine.Ref]*lane{}}
	q.idle = sync.NewCond(&q.mu)
	return q
}

// Enqueue implements engine.Queue.
func (q *Queue) Enqueue(ctx context.Context, tx engine.Tx, ready []engine.Ready) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	freed, alone := q.release(tx.Settled()), q.alone
	for _, r := range ready {
		if l, ok := q.lanes[r.Lane]; ok {
			l.more = true
		}
		q.alone = q.alone || r.Alone
	}
	claims, err := q.claim(ctx, tx)
	for _, c := range claims {
		l := q.lanes[c.Lane]
		q.running[c.Ref] = l
		l.free--
	}
	handlers, handle := q.ctx, q.handle // as of the claim: when the commit is done, Run may have ended
	tx.After(func() { q.start(handlers, handle, claims) }, func() { q.undo(freed, claims, alone) })
	return err
}

// release frees the slots of attempts that settled, and returns those it held.
func (q *Queue) release(settled []engine.Ref) map[engine.Ref]*lane {
	freed := map[engine.Ref]*lane{}
	for _, ref := range settled {
		if l, ok := q.running[ref]; ok {
			delete(q.running, ref)
			l.free++
			freed[ref] = l
		}
	}
	return freed
}

func (q *Queue) claim(ctx context.Context, tx engine.Tx) (claims []engine.Claim, err error) {
	if q.handle == nil {
		return nil, nil
	}
	if len(q.running) == 0 {
		q.barred = false
	}
	if q.alone {
		if len(q.running) > 0 {
			return nil, nil // what runs ends first
		}
		if claims, err = q.claimAlone(ctx, tx); err != nil || len(claims) > 0 {
			q.barred = len(claims) > 0
			return claims, err
		}
		q.alone = false
	}
	if q.barred {
		return nil, nil
	}
	for _, l := range q.lanes {
		if !l.more || l.free <= 0 {
			continue
		}
		got, err := tx.ClaimNext(ctx, q.node, l.name, l.free, false)
		if err != nil {
			return claims, err
		}
		l.more = len(got) == l.free
		claims = append(claims, got...)
	}
	return claims, nil
}

func (q *Queue) claimAlone(ctx context.Context, tx engine.Tx) ([]engine.Claim, error) {
	for _, l := range q.lanes {
		if claims, err := tx.ClaimNext(ctx, q.node, l.name, 1, true); err != nil || len(claims) > 0 {
			return claims, err
		}
	}
	return nil, nil
}

// start runs what was claimed, now that the claims are durable.
func (q *Queue) start(ctx context.Context, handle func(context.Context, engine.Claim), claims []engine.Claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handles += len(claims)
	for _, c := range claims {
		go q.run(ctx, handle, c)
	}
}

// undo takes back what a failed transaction did. Alone is not simply set: as long as something runs, that would keep
// everything else from being claimed.
func (q *Queue) undo(freed map[engine.Ref]*lane, claims []engine.Claim, alone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ref, l := range freed {
		q.running[ref] = l
		l.free--
	}
	for _, c := range claims {
		delete(q.running, c.Ref)
		q.lanes[c.Lane].free++
	}
	q.alone = alone
	for _, l := range q.lanes {
		l.more = true
	}
	q.idle.Broadcast()
}

func (q *Queue) run(ctx context.Context, handle func(context.Context, engine.Claim), c engine.Claim) {
	handle(ctx, c)
	q.mu.Lock()
	l, held := q.running[c.Ref]
	if held { // it was ended by others, so that no transaction has freed its slot
		delete(q.running, c.Ref)
		l.free++
	}
	turn := held && q.handle != nil
	q.mu.Unlock()
	if turn {
		_ = q.turn(ctx) // an error means that the store is closed or fails; then every later commit is a turn too
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handles--
	q.idle.Broadcast()
}

// Run implements engine.Queue. It is called once at a time.
func (q *Queue) Run(ctx context.Context, lanes []engine.Lane, handle func(context.Context, engine.Claim)) error {
	q.open(context.WithoutCancel(ctx), lanes, handle)
	defer q.drain()
	if err := q.turn(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// drain claims no more and returns when everything that was claimed has ended.
func (q *Queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handle = nil
	for len(q.running) > 0 || q.handles > 0 {
		q.idle.Wait()
	}
}

func (q *Queue) open(ctx context.Context, lanes []engine.Lane, handle func(context.Context, engine.Claim)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ctx, q.handle, q.lanes, q.alone = ctx, handle, map[string]*lane{}, true
	for _, l := range lanes {
		q.lanes[l.Name] = &lane{name: l.Name, free: l.Slots, more: true}
	}
}
