package engine

import (
	"context"
	"time"
)

const (
	discardEvery  = time.Minute
	discardWithin = time.Minute // for one leftover
	discardsDue   = 100         // taken up at once
	giveUpAfter   = 7 * 24 * time.Hour
)

// discardLeftovers discards what is due every minute, until ctx ends. It is not part of the sweep: the other side may be
// slow, and nobody shall wait for it.
func (e *Engine) discardLeftovers(ctx context.Context) {
	tick := time.NewTicker(discardEvery)
	defer tick.Stop()
	for {
		if err := e.Discard(ctx); err != nil && ctx.Err() == nil {
			e.Log.Error("leftovers could not be read; trying again in a minute", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Discard removes at destinations what tasks that have ended left there. What cannot be removed now is tried again, less
// and less often, and given up after seven days. It may be called at any time.
func (e *Engine) Discard(ctx context.Context) error {
	for {
		due, err := e.Store.Leftovers.Due(ctx, e.now(), discardsDue)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, l := range due {
			if err := e.discard(ctx, l); err != nil {
				return err
			}
		}
	}
}

// discard removes one leftover or puts it off. Its error is the store's.
func (e *Engine) discard(ctx context.Context, l Leftover) error {
	err := e.tryDiscard(ctx, l)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	log := e.Log.With("task", l.Task, "operation", l.Operation, "leftover", l.Number)
	switch {
	case err == nil:
		return e.Store.Leftovers.Drop(ctx, l.Task, l.Number)
	case e.now().Sub(l.CreatedAt) > giveUpAfter:
		log.Error("giving up on something left at a destination; remove it there", "error", err)
		return e.Store.Leftovers.Drop(ctx, l.Task, l.Number)
	}
	log.Warn("something left at a destination could not be removed; trying again later", "error", err)
	wait := min(time.Minute<<(2*min(l.Tries, 5)), 6*time.Hour)
	return e.Store.Leftovers.PutOff(ctx, l.Task, l.Number, e.now().Add(wait))
}

func (e *Engine) tryDiscard(ctx context.Context, l Leftover) error {
	if l.Done {
		return nil
	}
	op, ok := e.Catalog.Find(l.Operation)
	if !ok || op.Discard == nil {
		return Errorf(Invalid, "This server cannot run the operation %q any more.", l.Operation)
	}
	raw, err := e.Sealer.Unseal(l.Payload, string(l.Task))
	if err != nil {
		return lostKey(err)
	}
	state, err := e.Sealer.Unseal(l.State, noteBind(l.Task, l.Number))
	if err != nil {
		return lostKey(err)
	}
	params, problems := op.Params.Decode(raw)
	if len(problems) > 0 {
		return InvalidParams(problems)
	}
	ctx, cancel := context.WithTimeout(ctx, discardWithin)
	defer cancel()
	return op.Discard(ctx, l, params, state)
}
