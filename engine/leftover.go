package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Note is what an attempt keeps about something it does outside, so that a later attempt can go on with it. What is not
// done when the task ends is a leftover: it is discarded by Operation.Discard.
type Note struct {
	Number int // which of the task's; the same number replaces
	State  []byte
	Done   bool // it came to its end, of which State tells; there is nothing to discard
}

// Leftover is a note as the store keeps it. It has no tie to the task's job: it outlives both.
type Leftover struct {
	Task      ID
	Number    int
	User      UserID
	Operation string // canonical
	Payload   []byte // of the task, sealed
	State     []byte // sealed
	Done      bool
	Tries     int // of discarding it
	CreatedAt time.Time
}

// Leftovers keeps what attempts have begun outside. It is part of Store.
type Leftovers interface {
	// Note keeps the states of the attempt, sealed. ErrStale if it is not current.
	Note(ctx context.Context, ref Ref, sealed []Note) error

	// Noted returns what the attempts of a task kept.
	Noted(ctx context.Context, task ID) ([]Leftover, error)

	// Current returns nil if the attempt is the task's current one, else ErrStale.
	Current(ctx context.Context, ref Ref) error

	// Due returns up to n leftovers of tasks that have ended or are gone, none of them noted or put off just now.
	Due(ctx context.Context, now time.Time, n int) ([]Leftover, error)

	// PutOff notes that a leftover could not be discarded, and keeps it from being due until then.
	PutOff(ctx context.Context, task ID, number int, until time.Time) error

	// Drop forgets a leftover.
	Drop(ctx context.Context, task ID, number int) error
}

// Keep stores the notes; they are durable when it returns nil. It fails with ErrLeaseLost when the task is no longer
// this attempt's.
func (r *Run) Keep(ctx context.Context, notes ...Note) error {
	if len(notes) == 0 {
		return nil
	}
	sealed := make([]Note, len(notes))
	for i, n := range notes {
		state, err := r.sealer.Seal(n.State, noteBind(r.Task, n.Number))
		if err != nil {
			return fmt.Errorf("seal a note: %w", err)
		}
		sealed[i] = Note{Number: n.Number, State: state, Done: n.Done}
	}
	r.remember()
	return lost(r.leftovers.Note(ctx, r.Ref, sealed))
}

// Kept returns the notes of this and earlier attempts of the task, by their numbers.
func (r *Run) Kept(ctx context.Context) (map[int]Note, error) {
	if r.Attempt <= 1 {
		return nil, nil
	}
	list, err := r.leftovers.Noted(ctx, r.Task)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	r.remember()
	notes := make(map[int]Note, len(list))
	for _, l := range list {
		state, err := r.sealer.Unseal(l.State, noteBind(r.Task, l.Number))
		if err != nil {
			return nil, lostKey(err)
		}
		notes[l.Number] = Note{Number: l.Number, State: state, Done: l.Done}
	}
	return notes, nil
}

// Drop forgets a note: what it tells of is gone.
func (r *Run) Drop(ctx context.Context, number int) error {
	return r.leftovers.Drop(ctx, r.Task, number)
}

// Current returns ErrLeaseLost when the task is no longer this attempt's. Ask right before what others will see.
func (r *Run) Current(ctx context.Context) error { return lost(r.leftovers.Current(ctx, r.Ref)) }

// Earlier returns the files that the task of which this one is a retry had delivered before it failed; none if it is no
// retry or that task is gone.
func (r *Run) Earlier(ctx context.Context) ([]File, error) {
	if r.retryOf == "" {
		return nil, nil
	}
	old, err := r.reader.Task(ctx, r.retryOf)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil || old.Status != StatusFailed || old.Result == nil {
		return nil, err
	}
	return old.Result.Files, nil
}

// remember makes the settlement look after notes.
func (r *Run) remember() {
	r.mu.Lock()
	r.noted = true
	r.mu.Unlock()
}

func lost(err error) error {
	if err == ErrStale { //nolint:errorlint // the store's own answer, never wrapped
		return ErrLeaseLost
	}
	return err
}

func noteBind(task ID, number int) string { return "note " + string(task) + " " + strconv.Itoa(number) }
