package engine

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/gantry-engine/gantry/engine/param"
)

// Code says to a program what kind of failure an Error is. It is what a task shows as its code.
type Code string

// The codes. Those from RateLimited to Timeout are worth another try (see Retryable).
const (
	Invalid         Code = "INVALID_DATA"
	Unsupported     Code = "UNSUPPORTED_CONVERSION"
	NoFiles         Code = "NO_FILES"
	InvalidFilename Code = "INVALID_FILENAME"
	Unauthorized    Code = "UNAUTHORIZED"
	Denied          Code = "FORBIDDEN"
	NotFound        Code = "NOT_FOUND"
	Conflict        Code = "CONFLICT"
	TooLarge        Code = "TOO_LARGE"
	Canceled        Code = "CANCELLED"
	InputFailed     Code = "INPUT_TASK_FAILED"
	UploadExpired   Code = "UPLOAD_EXPIRED"
	RateLimited     Code = "RATE_LIMITED"
	Unavailable     Code = "UNAVAILABLE"
	Timeout         Code = "TIMEOUT"
	Internal        Code = "INTERNAL"
	WorkerLost      Code = "WORKER_LOST"
)

// Error is the one error of the project: a code for the program, a message for the person, a cause for the log. The
// message holds no secret, no signed URL and no path of the machine.
type Error struct {
	Code       Code
	Message    string
	Problems   []param.Problem // of Invalid: every mistake at once, by field
	RetryAfter time.Duration   // of RateLimited and Unavailable: what the other side asked for; 0 if nothing
	Err        error           // the cause, never shown
}

// Error returns the message, followed by the cause: it is for logs. Persons see Message alone.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a formatted message; the message is for the person who sent the task.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error with a formatted message for the person and err as its cause for the log.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// InvalidParams returns the Error that lists problems.
func InvalidParams(problems []param.Problem) *Error {
	return &Error{Code: Invalid, Message: "The given data was invalid.", Problems: problems}
}

// CodeOf returns the code of the first Error in err's chain. Without one a deadline is Timeout, a cancelled context
// Canceled, a full disk Unavailable, and all else Internal.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	case isFull(err):
		return Unavailable
	}
	return Internal
}

// MessageOf returns what a person may read of err. The text of an error without an Error in its chain is for the log alone.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	if isFull(err) {
		return "The server's disk is full."
	}
	return "An internal error occurred. The server's log has the details."
}

// isFull reports whether err says that a disk, or someone's share of it, is full.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// Retryable reports whether another try of what failed with err may succeed.
func Retryable(err error) bool {
	switch CodeOf(err) {
	case RateLimited, Unavailable, Timeout:
		return true
	}
	return false
}

// The causes with which the engine ends a handler's context; ask context.Cause which it was.
var (
	ErrCanceled     = Errorf(Canceled, "The task was cancelled.")
	ErrTimedOut     = Errorf(Timeout, "The task took longer than its time limit allows.")
	ErrLeaseLost    = Errorf(WorkerLost, "The task was given to another worker.")
	ErrShuttingDown = Errorf(Unavailable, "The server is shutting down.")
)

// ErrStale is returned when an attempt is no longer the current one: whatever it had to say changes nothing.
var ErrStale = errors.New("the attempt is not the task's current one")
