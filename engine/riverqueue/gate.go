package riverqueue

import (
	"sync"
	"time"
)

// gate lets tasks into a process: any number beside each other, or one that runs alone. Who runs alone waits for those
// inside, and they who come later for it.
type gate struct {
	mu      sync.Mutex
	free    *sync.Cond
	inside  int
	alone   bool // one that runs alone is inside
	waiting int  // of those that run alone
	opened  bool // nobody is held any more: the process stops
}

// enter returns true when the task is inside. One that is held for longer than patience is sent away; one that runs
// alone is not, since elsewhere it would have to wait as well.
func (g *gate) enter(alone bool, patience time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if alone {
		g.waiting++
		defer func() { g.waiting-- }()
		for (g.inside > 0 || g.alone) && !g.opened {
			g.free.Wait()
		}
		g.alone = true
		return true
	}
	late := false
	timer := time.AfterFunc(patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		late = true
		g.free.Broadcast()
	})
	defer timer.Stop()
	for (g.alone || g.waiting > 0) && !g.opened {
		if late {
			return false
		}
		g.free.Wait()
	}
	g.inside++
	return true
}

func (g *gate) leave(alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if alone {
		g.alone = false
	} else {
		g.inside--
	}
	g.free.Broadcast()
}

// barred reports whether somebody waits to run alone, so that nothing more is to start.
func (g *gate) barred() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting > 0 || g.alone
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = true
	g.free.Broadcast()
}
