package engine

import "time"

// Event is one transition of a job or task. N counts from 1 within the job, without gaps.
type Event struct {
	Job  ID
	N    int64
	Task ID // empty for an event of the job itself
	Kind EventKind
	At   time.Time
}

// EventKind is the name of a transition, as subscribers know it.
type EventKind string

// The kinds of events.
const (
	JobCreated   EventKind = "job.created"
	JobUpdated   EventKind = "job.updated"
	JobFinished  EventKind = "job.finished"
	JobFailed    EventKind = "job.failed"
	TaskCreated  EventKind = "task.created"
	TaskUpdated  EventKind = "task.updated"
	TaskFinished EventKind = "task.finished"
	TaskFailed   EventKind = "task.failed"
)
