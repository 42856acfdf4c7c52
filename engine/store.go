package engine

import (
	"context"
	"encoding/json"
	"time"
)

// Store is where truth lives: the tables, split by noun. Each part is safe for concurrent use. Changes are durable when a
// method returns nil; a failed commit is Unavailable to all who shared it. A context only bounds how long its caller waits:
// a change once accepted may still happen.
type Store struct {
	Graph     Graph
	Reader    Reader
	Keeper    Keeper
	Accounts  Accounts
	Leftovers Leftovers

	Connections Connections
	HostKeys    HostKeys

	Organisations Organisations
	Workspaces    Workspaces
}

// Graph changes jobs and tasks. Calls made at the same time are committed together.
type Graph interface {
	// Submit stores a checked job. A job whose key and digest are known already is returned instead; a known key with
	// another digest is a Conflict. So is a job about a stored file that is gone, or that a job with the same tag is about and
	// has not ended.
	Submit(ctx context.Context, job NewJob) (ID, error)

	// Settle ends the attempt, tells the dependants, and makes ready what waited for it. ErrStale if it is not current. A
	// result that refers to a blob which no longer lives ends the attempt InputFailed, one to be kept in an organisation that
	// is gone NotFound.
	Settle(ctx context.Context, end Settlement) error

	// Postpone gives the attempt back, to be claimed again from the given time on. ErrStale if it is not current.
	Postpone(ctx context.Context, back Postponement) error

	// Arrive closes the open dependency of a task that waits for the outside. A second one is a Conflict.
	Arrive(ctx context.Context, task ID, file File) error

	// Cancel ends a task that has not ended, for the reason given. One that has is a Conflict.
	Cancel(ctx context.Context, task ID, reason *Error) error

	// Delete removes a job with all it has, or a single task; what waits for one of its tasks ends InputFailed.
	Delete(ctx context.Context, job, task ID) error

	// Progress notes how far an attempt is. It rides along with the next commit and is never waited for.
	Progress(ref Ref, percent int, message string)

	// Turn commits a batch, empty if need be, so that the queue gets a turn to claim.
	Turn(ctx context.Context) error
}

// NewJob is a checked submission, ready to be stored.
type NewJob struct {
	ID         ID
	User       UserID
	Submission Submission
	Tasks      []NewTask
	CreatedAt  time.Time
}

// NewTask is a checked task, ready to be stored.
type NewTask struct {
	ID          ID
	Name        string
	Operation   string // canonical
	Spelling    string // the client's
	Tool        string // that it needs, as Kind has it
	Lane        string
	Priority    int
	IgnoreError bool
	Inputs      []ID // tasks of this job or of others of the same user
	Needs       []ID // further tasks it depends on, whose files are not its input
	Awaits      bool // starts with an open dependency on the outside
	UploadUntil time.Time
	Arrived     *File // content that came with the submission
	Payload     []byte
	Redacted    json.RawMessage
	RetryOf     ID
}

// Settlement is how an attempt ended.
type Settlement struct {
	Ref     Ref
	Err     *Error   // nil if it finished
	Result  Result   // of an attempt that failed half-way: the files that arrived
	Created []BlobID // made by this attempt; files of the result refer to these or to blobs that live already
	Noted   bool     // the task has notes: all go when it finished, else those that are done
}

// Postponement gives an attempt back.
type Postponement struct {
	Ref       Ref
	NotBefore time.Time // zero: at once
	Try       bool      // spends one of the task's tries
	Message   string    // why, for the person; empty keeps the old one
	Tool      string    // that the task turned out to need; empty keeps the old one
}

// Reader answers questions. What it returns was true at one moment.
type Reader interface {
	// Job returns a job with its tasks; NotFound if there is none. The caller compares the user.
	Job(ctx context.Context, job ID) (Job, error)

	// Jobs returns jobs that are not hidden, newest first.
	Jobs(ctx context.Context, q JobQuery) ([]Job, error)

	// Task returns a task; NotFound if there is none.
	Task(ctx context.Context, task ID) (Task, error)

	// Tasks returns tasks, newest first.
	Tasks(ctx context.Context, q TaskQuery) ([]Task, error)

	// Inputs returns what a task reads: its inputs in order, each with its files, then the file that arrived for it.
	Inputs(ctx context.Context, task ID) ([]Input, error)

	// Payload returns the sealed payload of a task and the file that arrived for it, nil if none did.
	Payload(ctx context.Context, task ID) ([]byte, *File, error)

	// Events returns the job's events after number n, in order.
	Events(ctx context.Context, job ID, n int64) ([]Event, error)

	// Downloadable returns the file of that name that a task shows a link for, and when the link ends. NotFound if the task
	// has none, has expired, or is gone.
	Downloadable(ctx context.Context, task ID, name string) (File, time.Time, error)
}

// JobQuery selects jobs. Zero fields select all.
type JobQuery struct {
	User      UserID
	Status    Status
	Tag       string
	WithTasks bool
	Page
}

// TaskQuery selects tasks. Zero fields select all.
type TaskQuery struct {
	User      UserID
	Job       ID
	Status    Status
	Operation string
	RetryOf   []ID
	IDs       []ID
	Page
}

// Page cuts a list. The zero Page is all of it.
type Page struct {
	Limit, Offset int
}

// Input is what a task reads from another task.
type Input struct {
	Task  ID     // empty for what arrived from the outside
	Name  string // the other task's name
	Files []File
	Need  bool // not among the inputs, but needed
	Gone  bool // it was deleted or has expired
}

// Keeper is what keeps the tables true over time. Its methods are called by the engine's own loop.
type Keeper interface {
	// Recover makes whatever this store's dead workers were at claimable again, once more lost; from the third loss on it
	// ends WorkerLost. It returns how many were found.
	Recover(ctx context.Context) (int, error)

	// Wake makes postponed tasks claimable whose time has come, and ends those whose upload form has expired. It returns when
	// it wants to be called next.
	Wake(ctx context.Context, now time.Time) (next time.Time, err error)

	// Expire removes tasks whose time has come and which nothing waiting or running reads, and jobs with their last task.
	Expire(ctx context.Context, now time.Time) (int, error)

	// Unreferenced marks up to n blobs dying to which no file refers, and returns all that are; Forget drops them when their
	// bytes are gone.
	Unreferenced(ctx context.Context, n int) ([]BlobID, error)
	Forget(ctx context.Context, blobs []BlobID) error

	// Unknown returns those of blobs of which the tables know nothing.
	Unknown(ctx context.Context, blobs []BlobID) ([]BlobID, error)
}

// User is somebody with keys and jobs.
type User struct {
	ID        UserID
	Name      string
	CreatedAt time.Time
}

// Key is an API key without its token, which is kept as a hash only.
type Key struct {
	ID        ID
	User      UserID
	UserName  string
	Hash      string // SHA-256 of the token, lower-case hex
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: not revoked
}

// Accounts keeps users and their keys.
type Accounts interface {
	// EnsureUser returns the user of that name, made if need be.
	EnsureUser(ctx context.Context, name string) (User, error)

	// User returns a user; NotFound if there is none.
	User(ctx context.Context, id UserID) (User, error)

	// AddKey stores a key; one with the same hash is replaced.
	AddKey(ctx context.Context, key Key) error

	// Key returns the key with that hash, expired and revoked ones included; NotFound if there is none.
	Key(ctx context.Context, hash string) (Key, error)

	// Keys returns all keys, oldest first.
	Keys(ctx context.Context) ([]Key, error)

	// RevokeKey ends a key; NotFound if there is none.
	RevokeKey(ctx context.Context, id ID) error
}
