package localqueue

import (
	"context"
	"sync"

	"github.com/gantry-engine/gantry/engine"
)

// Bus carries hints within the process.
type Bus struct {
	mu       sync.Mutex
	jobs     map[engine.ID]map[chan struct{}]struct{}
	canceled func(engine.ID)
}

// NewBus returns a bus without subscribers.
func NewBus() *Bus { return &Bus{jobs: map[engine.ID]map[chan struct{}]struct{}{}} }

// Publish implements engine.Bus.
func (b *Bus) Publish(_ context.Context, tx engine.Tx, changed []engine.Hint) error {
	if len(changed) > 0 {
		tx.After(func() { b.Deliver(changed) }, func() {})
	}
	return nil
}

// Deliver tells the subscribers at once.
func (b *Bus) Deliver(changed []engine.Hint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range changed {
		for ch := range b.jobs[h.Job] {
			select {
			case ch <- struct{}{}:
			default: // it has one to read already
			}
		}
		if h.Task != "" && b.canceled != nil {
			b.canceled(h.Task)
		}
	}
}

// Subscribe implements engine.Bus.
func (b *Bus) Subscribe(job engine.ID) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.jobs[job] == nil {
		b.jobs[job] = map[chan struct{}]struct{}{}
	}
	b.jobs[job][ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if delete(b.jobs[job], ch); len(b.jobs[job]) == 0 {
			delete(b.jobs, job)
		}
	}
}

// Canceled implements engine.Bus.
func (b *Bus) Canceled(f func(engine.ID)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.canceled = f
}
