package engine

import (
	"context"
	"time"
)

// Ref names one attempt of a task. Attempt is the fence: it grows with every claim, and whoever names an older one changes
// nothing.
type Ref struct {
	Task    ID
	Attempt int
}

// Ready is a task that can be claimed.
type Ready struct {
	Ref       Ref // with the attempt before the claim
	Job       ID
	Operation string
	Tool      string // that it needs, as Kind has it
	Lane      string
	Priority  int  // the lowest goes first; a queue of many machines tells only those below zero from the rest
	Follows   bool // its job has begun: it goes before the first steps of others
	Alone     bool // it has outlived too many workers: nothing else runs beside it in the process that takes it
}

// Lane is a pool of slots for one kind of work.
type Lane struct {
	Name  string
	Slots int
}

// Claim is a claimed task with what its handler needs.
type Claim struct {
	Ref
	Job       ID
	User      UserID
	Name      string
	Operation string
	Tool      string
	Lane      string
	Tries     int // spent before this attempt
	Losses    int
	Payload   []byte // sealed
	StartedAt time.Time
	RetryOf   ID // the task of which this one is a retry; empty if it is none
}

// Tx is an open transaction of the store in the hands of Queue and Bus: what they do with it commits with the tables, or
// not at all. It is valid until they return, and for one goroutine.
type Tx interface {
	// ClaimNext claims for node up to n ready tasks of the lane: the lowest priority number first, of these the oldest job,
	// of these the first task. With alone it claims those that run alone, else the others.
	ClaimNext(ctx context.Context, node ID, lane string, n int, alone bool) ([]Claim, error)

	// ClaimRefs claims those of refs that are still ready under the same attempt.
	ClaimRefs(ctx context.Context, node ID, refs []Ref) ([]Claim, error)

	// Settled lists the attempts whose own worker ended or gave them back in this transaction: their slots are free.
	Settled() []Ref

	// After calls commit once the transaction is durable, or rollback once it is known to have failed.
	After(commit, rollback func())
}

// Queue is what differs between one machine and many: how ready tasks reach workers.
type Queue interface {
	// Enqueue takes part in every transaction of the graph, after its changes: ready lists what became claimable in it, and
	// may be empty. It may claim through tx. A transaction that others were in the way of is rolled back and tried again,
	// Enqueue included; a store with several transactions at a time calls it from several goroutines.
	Enqueue(ctx context.Context, tx Tx, ready []Ready) error

	// Run calls handle in a goroutine for each task it has durably claimed, never more at once than the lane has slots, until
	// ctx ends; then it claims no more and returns when the last handle has. The context of handle ends when the attempt is
	// no longer this process's: with the cause ErrCanceled if its end is written, else ErrLeaseLost.
	Run(ctx context.Context, lanes []Lane, handle func(context.Context, Claim)) error
}

// Hint says that something of a job changed. It carries no state: who hears it reads the tables.
type Hint struct {
	Job  ID
	Task ID // of a task that was cancelled or deleted while it ran; empty otherwise
}

// Bus carries hints. A hint can be lost when a process dies, never the state it speaks of.
type Bus interface {
	// Publish delivers the hints after tx commits.
	Publish(ctx context.Context, tx Tx, changed []Hint) error

	// Subscribe returns a channel that gets a value soon after a hint about the job; hints may be merged. The function ends it.
	Subscribe(job ID) (<-chan struct{}, func())

	// Canceled sets what is called with each task that was cancelled or deleted while it may have been running. It must not
	// block. Only the last one set is called.
	Canceled(func(task ID))
}
