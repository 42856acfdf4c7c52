package riverqueue

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// lease is this process's place among the nodes.
type lease struct {
	queue *Queue
	node  sqlstore.Node
	stop  context.CancelFunc
	done  sync.WaitGroup

	last    time.Time // of the last beat
	healthy time.Time // since when beats came without a gap
	lost    bool      // the work of this process was given up
}

// join lists this process as a node and keeps it there until leave.
func (q *Queue) join(ctx context.Context, lanes []engine.Lane) (*lease, error) {
	l := &lease{queue: q,
		node: sqlstore.Node{ID: q.store.Node(), Host: hostname(), Version: q.options.Version}}
	for _, lane := range lanes {
		if lane.Slots > 0 {
			l.node.Lanes = append(l.node.Lanes, lane)
		}
	}
	for _, op := range q.catalog.All() {
		if slices.ContainsFunc(l.node.Lanes, func(lane engine.Lane) bool { return lane.Name == op.Lane }) {
			l.node.Kinds = append(l.node.Kinds, op.Kinds()...)
		}
	}
	if err := q.Announce(ctx, lanes); err != nil {
		return nil, err
	}
	l.node.Catalog = q.fleet.own.Digest
	if _, err := q.store.Beat(ctx, l.node); err != nil {
		return nil, err
	}
	l.last = time.Now()
	l.healthy = l.last
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.done.Go(func() { every(keep, q.options.Beat, l.beat) })
	l.done.Go(func() { every(keep, q.options.Beat/4, l.guard) })
	l.done.Go(func() { every(keep, q.options.Beat*2, l.mend) })
	return l, nil
}

// leave takes the process off the list.
func (l *lease) leave() {
	l.stop()
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), l.queue.options.Lease)
	defer cancel()
	if err := l.queue.store.Leave(ctx, l.node.ID); err != nil {
		l.queue.options.Log.Warn("this node stays listed until the others notice that it is gone", "node", l.node.ID, "error", err)
	}
}

// every calls do again and again until ctx ends.
func every(ctx context.Context, pause time.Duration, do func(context.Context)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// beat says that this process lives, gives up what others have taken or ended, and looks for nodes that are silent.
func (l *lease) beat(ctx context.Context) {
	q := l.queue
	ctx, cancel := context.WithTimeout(ctx, q.options.Lease/2)
	defer cancel()
	sent := time.Now()
	listed, err := q.store.Beat(ctx, l.node)
	if err != nil {
		if ctx.Err() == nil {
			q.options.Log.Warn("this node could not say that it lives", "node", l.node.ID, "error", err)
		}
		return
	}
	q.mu.Lock()
	if sent.Sub(l.last) > q.options.Lease/2 || !listed {
		l.healthy = sent
	}
	l.last, l.lost = sent, false
	steady := sent.Sub(l.healthy) > q.options.Lease
	q.mu.Unlock()
	l.giveUpStale(ctx)
	// Who was away itself, or saw the database away, knows nothing of the others yet.
	if steady {
		l.reap(ctx)
	}
}

func (l *lease) reap(ctx context.Context) {
	found, err := l.queue.store.Reap(ctx, l.queue.options.Lease)
	if err != nil && ctx.Err() == nil {
		l.queue.options.Log.Error("the tasks of dead nodes could not be taken up; trying again", "error", err)
	}
	if found > 0 {
		l.queue.options.Log.Info("taking up tasks of nodes that are gone", "tasks", found)
	}
}

// giveUpStale ends the attempts here that are not current any more, in case nobody said so.
func (l *lease) giveUpStale(ctx context.Context) {
	q := l.queue
	q.mu.Lock()
	refs := make([]engine.Ref, 0, len(q.running))
	for ref := range q.running {
		refs = append(refs, ref)
	}
	q.mu.Unlock()
	if len(refs) == 0 {
		return
	}
	stale, err := q.store.Stale(ctx, refs)
	if err != nil {
		return // the next beat asks again
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for ref, ended := range stale {
		if s, ok := q.running[ref]; ok && ended {
			s.lose(engine.ErrCanceled)
		} else if ok {
			s.lose(engine.ErrLeaseLost)
		}
	}
}

// guard gives up all work when this process has not been able to say that it lives, before others take it up.
func (l *lease) guard(context.Context) {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.lost || time.Since(l.last) < q.options.Lease*3/4 {
		return
	}
	l.lost = true
	if len(q.running) > 0 {
		q.options.Log.Error("giving up all tasks", "node", l.node.ID, "tasks", len(q.running), "error", errNoLease)
	}
	for _, s := range q.running {
		s.lose(engine.ErrLeaseLost)
	}
}

// mend keeps what is known of the others fresh. The oldest node also looks for what fell between River and the tables.
func (l *lease) mend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.queue.options.Lease*4)
	defer cancel()
	log := l.queue.options.Log
	if err := l.queue.offer(ctx); err != nil && ctx.Err() == nil {
		log.Error("what other processes offer could not be read; trying again", "error", err)
	}
	nodes, err := l.queue.store.Nodes(ctx)
	if err != nil || len(nodes) == 0 || nodes[0].ID != l.node.ID {
		return // the next call asks again
	}
	if err := l.requeue(ctx); err != nil && ctx.Err() == nil {
		log.Error("ready tasks that no node holds could not be queued again; trying again", "error", err)
	}
	if err := l.strand(ctx, nodes); err != nil && ctx.Err() == nil {
		log.Error("tasks that no node can run could not be ended; trying again", "error", err)
	}
}

// requeue queues again the ready tasks whose River job was fetched but never led to a claim: the process died in between,
// or the answer to its fetch was lost. A claim that is merely slow then finds the task gone.
func (l *lease) requeue(ctx context.Context) error {
	params := river.NewJobListParams().States(rivertype.JobStateRunning).First(1000).
		Where("attempted_at < now() - @lease::interval", river.NamedArgs{"lease": l.queue.options.Lease.String()})
	for { // what died with its process stays on River's list for a day
		list, err := l.queue.inserts.JobList(ctx, params)
		if err != nil || len(list.Jobs) == 0 {
			return err
		}
		var refs []engine.Ref
		for _, job := range list.Jobs {
			var a args
			if json.Unmarshal(job.EncodedArgs, &a) == nil {
				refs = append(refs, engine.Ref{Task: a.Task, Attempt: a.Attempt})
			}
		}
		lost, err := l.queue.store.Unclaimed(ctx, refs)
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			if _, err := l.queue.store.Requeue(ctx, lost); err != nil {
				return err
			}
		}
		params = params.After(list.LastCursor)
	}
}

// strand ends ready tasks for which no node has been there for a long time.
func (l *lease) strand(ctx context.Context, nodes []sqlstore.Node) error {
	q := l.queue
	wanted, err := q.store.Wanted(ctx)
	if err != nil {
		return err
	}
	var absent []sqlstore.Want
	for _, w := range wanted {
		if !slices.ContainsFunc(nodes, func(n sqlstore.Node) bool { return slices.Contains(n.Kinds, w.Kind()) }) {
			absent = append(absent, w)
		}
	}
	overdue, err := q.store.Absent(ctx, absent, q.options.Strand)
	if err != nil {
		return err
	}
	for _, w := range overdue {
		if err := q.store.Refuse(ctx, w, nobody(w)); err != nil {
			return err
		}
	}
	return nil
}

func nobody(w sqlstore.Want) *engine.Error {
	with := ""
	if w.Tool != "" {
		with = " with " + w.Tool
	}
	return engine.Errorf(engine.Unavailable, "No worker that is running can do %q%s. Submit the job again when one is.", w.Operation, with)
}
