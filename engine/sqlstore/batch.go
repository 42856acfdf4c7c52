package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// batch is what one transaction does. Each entry has an err of its own: what its caller is told if the commit succeeds.
type batch struct {
	submits   []*submit
	arrivals  []*arrival
	deletes   []*deletion
	cancels   []*cancellation
	settles   []*settlement
	postpones []*postponement
	claims    []*claim
	others    []*other
	progress  map[engine.Ref]note

	replies []reply
	weight  int // about the tasks it touches
}

type reply struct {
	to  chan error
	err *error
}

type submit struct {
	job engine.NewJob
	id  engine.ID // of the job that stands for it: its own, or the one known under its key
	err error
}

type arrival struct {
	task engine.ID
	file engine.File
	err  error
}

type deletion struct {
	job, task engine.ID
	err       error
}

type cancellation struct {
	task   engine.ID
	reason *engine.Error
	err    error
}

type settlement struct {
	engine.Settlement
	err error
}

type postponement struct {
	engine.Postponement
	err error
}

type claim struct {
	node  engine.ID
	ref   engine.Ref
	found *engine.Claim // nil if it was not to be had
	err   error
}

// other is a change that is not made often enough to be gathered.
type other struct {
	do  func(context.Context, *tx) error
	err error
}

func newBatch() *batch { return &batch{} }

func (b *batch) take(it item) {
	before := len(b.replies)
	it.add(b)
	for i := before; i < len(b.replies); i++ {
		b.replies[i].to = it.reply
	}
	if before == len(b.replies) { // nothing but a turn for the queue
		b.replies = append(b.replies, reply{to: it.reply, err: new(error)})
	}
}

// expect notes that the item is answered with *err; weight is about how many tasks it touches.
func (b *batch) expect(err *error, weight int) {
	b.replies = append(b.replies, reply{err: err})
	b.weight += weight
}

func (b *batch) failAll(err error) {
	for _, r := range b.replies {
		*r.err = err
	}
}

// reset forgets what a try came to.
func (b *batch) reset() {
	for _, r := range b.replies {
		*r.err = nil
	}
}

func (b *batch) answer() {
	for _, r := range b.replies {
		r.to <- *r.err
	}
}

// note is the newest progress of an attempt.
type note struct {
	percent int
	message string
}

// progress gathers what is to ride along with a later batch. It rides once a second at most: each note becomes an event,
// and an eager handler under a busy store would make thousands.
type progress struct {
	mu    sync.Mutex
	notes map[engine.Ref]note
	taken time.Time
}

func (p *progress) put(ref engine.Ref, n note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.notes == nil {
		p.notes = map[engine.Ref]note{}
	}
	p.notes[ref] = n
}

func (p *progress) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready()
}

func (p *progress) ready() bool { return len(p.notes) > 0 && time.Since(p.taken) >= progressEvery }

func (p *progress) take() map[engine.Ref]note {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ready() {
		return nil
	}
	notes := p.notes
	p.notes, p.taken = nil, time.Now()
	return notes
}
