package sqlstore

import (
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// links remembers which files tasks show links for, as a file that is fetched once is often fetched again. What an ended
// task shows never changes until it is removed, so it is enough to forget everything when anything is. That is only known
// where no other process removes tasks. A nil *links remembers nothing.
type links struct {
	mu    sync.RWMutex
	epoch int // how often everything was forgotten
	known map[linkKey]linked
}

type linkKey struct {
	task engine.ID
	name string
}

type linked struct {
	file  engine.File
	until time.Time
}

const maxLinks = 4096

// find returns what is known, and the epoch for keep: what is read after it may be kept.
func (l *links) find(k linkKey) (f linked, epoch int, ok bool) {
	if l == nil {
		return f, 0, false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	f, ok = l.known[k]
	return f, l.epoch, ok
}

// keep remembers what was read, unless something has been removed since.
func (l *links) keep(k linkKey, f linked, epoch int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch != epoch {
		return
	}
	if l.known == nil || len(l.known) >= maxLinks {
		l.known = map[linkKey]linked{}
	}
	l.known[k] = f
}

// forget is called when tasks are removed, after the commit and before anybody is told of it.
func (l *links) forget() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	l.known = nil
}
