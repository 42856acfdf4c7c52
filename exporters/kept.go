package exporters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	saveEvery  = 2 * time.Second
	saveWithin = 10 * time.Second
)

// Kept is what a driver knows of one delivery that it makes in several steps, and keeps in its checkpoint as JSON. State may
// be read and changed freely where nothing else runs; goroutines that run at once change it by Note.
type Kept[S any] struct {
	State S

	checkpoint Checkpoint
	mu         sync.Mutex
	noted      time.Time // when a change was last saved by Note
}

// Recall takes up what an earlier try or attempt saved; if nothing was, State is zero. It is called first.
func (k *Kept[S]) Recall(ctx context.Context, c Checkpoint) error {
	k.checkpoint = c
	saved, err := c.Load(ctx)
	if err != nil || saved == nil {
		return err
	}
	if err := json.Unmarshal(saved, &k.State); err != nil {
		return fmt.Errorf("read the state of an upload: %w", err)
	}
	return nil
}

// Save keeps the state as it is now, durably.
func (k *Kept[S]) Save(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, err := json.Marshal(k.State)
	if err != nil {
		return err
	}
	return k.checkpoint.Save(ctx, raw)
}

// Note changes the state, and saves it if that was not done for two seconds. The first one is always saved: on a fast network
// a worker may not live for two seconds, and its upload is gone on with all the same.
func (k *Kept[S]) Note(ctx context.Context, change func(*S)) error {
	k.mu.Lock()
	change(&k.State)
	due := time.Since(k.noted) > saveEvery
	if due {
		k.noted = time.Now()
	}
	k.mu.Unlock()
	if !due {
		return nil
	}
	return k.Save(ctx)
}

// Keep saves the state after the steps that failed says the end of, nil if they did not fail, also when ctx has ended. It
// returns failed, with what went wrong in saving; a task that is not ours any more has nothing to save.
func (k *Kept[S]) Keep(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	err := k.Save(ctx)
	if failed != nil && errors.Is(err, engine.ErrLeaseLost) {
		return failed
	}
	return errors.Join(failed, err)
}

// Each calls do for every number, so many at once, until one fails, which ends the context of the others. It returns why when
// none is under way any more.
func Each(ctx context.Context, atOnce int, numbers []int, do func(ctx context.Context, i int) error) error {
	doing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(atOnce, len(numbers)) {
		wg.Go(func() {
			for i := range next {
				if err := do(doing, i); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, i := range numbers {
		select {
		case next <- i:
		case <-doing.Done():
		}
		if doing.Err() != nil {
			break
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(doing)
}
