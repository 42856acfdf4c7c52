package engine

import (
	"encoding/json"
	"time"
)

// Status is how far a job or task is. The API knows no others; a task that is ready to run is still StatusWaiting.
type Status string

// The statuses. Finished and Failed are terminal.
const (
	StatusWaiting    Status = "waiting"
	StatusProcessing Status = "processing"
	StatusFinished   Status = "finished"
	StatusFailed     Status = "error"
)

// Ended reports whether nothing can change the status any more.
func (s Status) Ended() bool { return s == StatusFinished || s == StatusFailed }

// Submission is a job as a user asks for it.
type Submission struct {
	Tag            string
	Hidden         bool       // the home of one stand-alone task: not listed, not shown
	Tasks          []TaskSpec // in the order of the document, which is kept
	WebhookURL     string
	IdempotencyKey string // with Digest: the same key and digest give the same job for 24 h
	Digest         string
	File           ID // the stored file that the job exports; there is one job with this and Tag at a time. Empty for most
}

// TaskSpec is a task as a user asks for it.
type TaskSpec struct {
	Name        string
	Operation   string // in the spelling of the client, which is echoed
	Input       []string
	IgnoreError bool
	Params      json.RawMessage // the object without name, operation, input and ignore_error
	RetryOf     ID
}

// Job is a job as it stands.
type Job struct {
	ID        ID
	User      UserID
	Tag       string
	File      ID // the stored file that it exports; empty for most
	Hidden    bool
	Status    Status
	CreatedAt time.Time
	StartedAt time.Time // zero until a task started
	EndedAt   time.Time // zero until it ended
	Tasks     []Task    // in the order of the document; nil where tasks were not asked for
}

// Task is a task as it stands.
type Task struct {
	ID, Job       ID
	Hidden        bool // in a hidden job: shown without name and job
	User          UserID
	Name          string
	Operation     string
	Status        Status
	Code          Code
	Message       string
	Percent       int
	Engine        string
	EngineVersion string
	Payload       json.RawMessage // redacted, with the inputs as given
	Inputs        []ID
	Result        *Result // nil until it ended; files only where it failed half-way
	CreatedAt     time.Time
	StartedAt     time.Time
	EndedAt       time.Time
	ExpiresAt     time.Time // when it, its files and its links go; zero until it ended
	RetryOf       ID
	AwaitsUpload  bool // its file has to come from outside, until UploadUntil
	UploadUntil   time.Time
}

// Result is what an operation made.
type Result struct {
	Files    []File            // in order; those with a Blob are what dependants read
	KeepIn   ID                // an organisation that keeps the files from then on, each under its ID, which must be fresh
	Metadata map[string]string // shown as result.metadata
	Output   *string           // what a command printed, where it was asked for
	Message  string            // a remark for the person; kept on the task
	Engine   string
	Version  string // of Engine
}
