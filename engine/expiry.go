package engine

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

const (
	sweepEvery  = time.Minute
	walkEvery   = time.Hour      // through all stored bytes, which a bucket charges for
	orphanAfter = 24 * time.Hour // bytes unknown to the tables; longer than any transfer may take
	blobsAtOnce = 500
)

// keep wakes what is due and sweeps what has expired, until ctx ends.
func (e *Engine) keep(ctx context.Context) {
	wake, sweep, walk := time.NewTimer(0), time.NewTimer(0), time.NewTimer(0)
	defer wake.Stop()
	defer sweep.Stop()
	defer walk.Stop()
	for {
		select {
		case <-wake.C:
			wake.Reset(e.wake(ctx))
		case <-sweep.C:
			if err := e.expire(ctx); err != nil && ctx.Err() == nil {
				e.Log.Error("sweep failed; it is repeated in a minute", "error", err)
			}
			sweep.Reset(sweepEvery)
		case <-walk.C:
			if err := e.removeOrphans(ctx); err != nil && ctx.Err() == nil {
				e.Log.Error("the look for bytes without an owner failed; it is repeated in an hour", "error", err)
			}
			walk.Reset(walkEvery)
		case <-ctx.Done():
			return
		}
	}
}

// wake makes what is due claimable and returns how long to sleep: never over a second, since a postponement may come any time.
func (e *Engine) wake(ctx context.Context) time.Duration {
	next, err := e.Store.Keeper.Wake(ctx, e.now())
	if err != nil {
		if ctx.Err() == nil {
			e.Log.Error("postponed tasks could not be woken; trying again", "error", err)
		}
		return time.Second
	}
	if until := next.Sub(e.now()); !next.IsZero() && until < time.Second {
		return max(until, 10*time.Millisecond)
	}
	return time.Second
}

// Sweep removes what has expired, then the bytes to which nothing refers any more. It may be called at any time.
func (e *Engine) Sweep(ctx context.Context) error {
	if err := e.expire(ctx); err != nil {
		return err
	}
	return e.removeOrphans(ctx)
}

// expire removes what has expired, and the bytes of which it was the last to refer to them.
func (e *Engine) expire(ctx context.Context) error {
	for {
		n, err := e.Store.Keeper.Expire(ctx, e.now())
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	return e.removeBlobs(ctx)
}

// removeBlobs removes bytes without references: marked first, so that no reference is made to what is about to go.
func (e *Engine) removeBlobs(ctx context.Context) error {
	for {
		blobs, err := e.Store.Keeper.Unreferenced(ctx, blobsAtOnce)
		if err != nil || len(blobs) == 0 {
			return err
		}
		for _, b := range blobs {
			if err := e.Files.Remove(ctx, b); err != nil {
				return err
			}
		}
		if err := e.Store.Keeper.Forget(ctx, blobs); err != nil {
			return err
		}
	}
}

// removeOrphans removes bytes that were stored by an attempt that never settled.
func (e *Engine) removeOrphans(ctx context.Context) error {
	var old []BlobID
	before := e.now().Add(-orphanAfter)
	err := e.Files.Walk(ctx, func(b BlobID, at time.Time) error {
		if at.Before(before) {
			old = append(old, b)
		}
		return nil
	})
	for err == nil && len(old) > 0 {
		some := old[:min(blobsAtOnce, len(old))]
		old = old[len(some):]
		err = e.removeUnknown(ctx, some)
	}
	return err
}

func (e *Engine) removeUnknown(ctx context.Context, blobs []BlobID) error {
	unknown, err := e.Store.Keeper.Unknown(ctx, blobs)
	for _, b := range unknown {
		if err := e.Files.Remove(ctx, b); err != nil {
			return err
		}
	}
	return err
}

// emptyWorkDir removes what tasks of a dead process left in the work folder.
func (e *Engine) emptyWorkDir() {
	left, _ := filepath.Glob(filepath.Join(e.WorkDir, "task-*"))
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			e.Log.Warn("an old work folder stays", "error", err)
		}
	}
}
