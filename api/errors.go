package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// ErrMalformed is the cause of an Invalid error about a request that is not of the wanted form at all, such as a body that
// is no JSON: it is answered with 400.
var ErrMalformed = errors.New("not of the expected form")

// refusal is an answer for which the engine has no word.
type refusal struct {
	status        int
	code, message string
}

func (r refusal) Error() string { return r.message }

// Failure is an error as HTTP shows it.
type Failure struct {
	Status     int
	Code       string
	Message    string
	Problems   []param.Problem
	RetryAfter time.Duration // of 429 and 503, at least a second
}

// failures is the one table from the engine's codes to HTTP. Where the wire has another code than a task shows, it is
// here.
var failures = map[engine.Code]struct {
	status int
	code   string
}{
	engine.Invalid:         {status: http.StatusUnprocessableEntity},
	engine.Unsupported:     {status: http.StatusUnprocessableEntity},
	engine.NoFiles:         {status: http.StatusUnprocessableEntity},
	engine.InvalidFilename: {status: http.StatusUnprocessableEntity},
	engine.Unauthorized:    {status: http.StatusUnauthorized, code: "UNAUTHENTICATED"},
	engine.Denied:          {status: http.StatusForbidden},
	engine.NotFound:        {status: http.StatusNotFound},
	engine.Conflict:        {status: http.StatusConflict},
	engine.TooLarge:        {status: http.StatusRequestEntityTooLarge},
	engine.Canceled:        {status: http.StatusConflict},
	engine.InputFailed:     {status: http.StatusConflict},
	engine.UploadExpired:   {status: http.StatusConflict},
	engine.RateLimited:     {status: http.StatusTooManyRequests, code: "TOO_MANY_REQUESTS"},
	engine.Unavailable:     {status: http.StatusServiceUnavailable},
	engine.Timeout:         {status: http.StatusGatewayTimeout},
	engine.Internal:        {status: http.StatusInternalServerError},
	engine.WorkerLost:      {status: http.StatusInternalServerError},
}

// FailureOf returns how HTTP shows err. A cancelled context is the server's shutdown: a client that went away reads
// nothing.
func FailureOf(err error) Failure {
	var own refusal
	if errors.As(err, &own) {
		return Failure{Status: own.status, Code: own.code, Message: own.message}
	}
	if errors.Is(err, context.Canceled) {
		err = engine.ErrShuttingDown
	}
	code := engine.CodeOf(err)
	entry, known := failures[code]
	if !known {
		code, entry = engine.Internal, failures[engine.Internal]
	}
	f := Failure{Status: entry.status, Code: entry.code, Message: engine.MessageOf(err)}
	if f.Code == "" {
		f.Code = string(code)
	}
	return f.refine(err)
}

// refine adds what the table does not say.
func (f Failure) refine(err error) Failure {
	var e *engine.Error
	if errors.As(err, &e) {
		f.Problems, f.RetryAfter = e.Problems, e.RetryAfter
	}
	if errors.Is(err, ErrMalformed) {
		f.Status = http.StatusBadRequest
	}
	switch f.Status {
	case http.StatusUnauthorized:
		f.Message = "Unauthenticated."
	case http.StatusInternalServerError:
		f.Message = engine.MessageOf(nil)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		f.RetryAfter = max(f.RetryAfter, time.Second)
		return f
	}
	f.RetryAfter = 0
	return f
}

// Manner is how an API treats its callers.
type Manner int

// The manners. V2 is that of the CloudConvert API.
const (
	V2 Manner = iota
	Files
	Exports
	Workspaces
)

// manners says what each is.
var manners = map[Manner]struct {
	bareToken  bool // an Authorization header may be the token alone
	badRequest bool // what is invalid is a 400, where V2 says 422
	component  string
	body       func(Failure) Object
}{
	V2:         {component: "Error", body: byFields},
	Files:      {bareToken: true, badRequest: true, component: "Error", body: byFields},
	Exports:    {bareToken: true, badRequest: true, component: "ExportError", body: coded},
	Workspaces: {bareToken: true, badRequest: true, component: "WorkspaceError", body: unsuccessful},
}

// byFields is {"message","code","errors"}.
func byFields(f Failure) Object {
	body := Object{{"message", f.Message}, {"code", f.Code}}
	if len(f.Problems) > 0 {
		body = append(body, Member{"errors", byField(f.Problems)})
	}
	return body
}

// coded is {"code","message"}, with codes such as 404NotFound. Clients know eight of them.
func coded(f Failure) Object {
	return Object{{"code", strconv.Itoa(f.Status) + strings.ReplaceAll(http.StatusText(f.Status), " ", "")}, {"message", f.sentence()}}
}

// unsuccessful is {"success","error"}.
func unsuccessful(f Failure) Object { return Object{{"success", false}, {"error", f.sentence()}} }

// sentence is the message with every complaint in it.
func (f Failure) sentence() string {
	if len(f.Problems) == 0 {
		return f.Message
	}
	complaints := make([]string, len(f.Problems))
	for i, p := range f.Problems {
		complaints[i] = p.Field + " " + p.Message
	}
	return strings.Join(complaints, "; ") + "."
}

// FailureOf returns how the API shows err.
func (m Manner) FailureOf(err error) Failure {
	f := FailureOf(err)
	if manners[m].badRequest && f.Status == http.StatusUnprocessableEntity {
		f.Status = http.StatusBadRequest
	}
	if m != Exports {
		return f
	}
	switch f.Status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout, http.StatusUnsupportedMediaType:
		f.Status = http.StatusBadRequest
	case http.StatusGatewayTimeout:
		f.Status, f.RetryAfter = http.StatusServiceUnavailable, time.Second
	}
	return f
}

// Body returns the failure as the API writes it.
func (m Manner) Body(f Failure) Object { return manners[m].body(f) }

// MarshalJSON is the body of the failure in the CloudConvert API.
func (f Failure) MarshalJSON() ([]byte, error) { return V2.Body(f).MarshalJSON() }

// byField lists the complaints under their fields, in the order of the first complaint about each.
func byField(problems []param.Problem) Object {
	var fields Object
	at := map[string]int{}
	for _, p := range problems {
		i, seen := at[p.Field]
		if !seen {
			i, at[p.Field] = len(fields), len(fields)
			fields = append(fields, Member{p.Field, []string{}})
		}
		fields[i].Value = append(fields[i].Value.([]string), p.Message)
	}
	return fields
}

// Refusal returns an error for which the engine has no word, with the status and code it is to be answered with.
func Refusal(status int, code, message string) error { return refusal{status, code, message} }

// Fail answers with an error in the CloudConvert API.
func Fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	V2.Fail(w, r, log, err)
}

// Fail answers with an error. What nobody foresaw is logged whole and shown as internal.
func (m Manner) Fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	f := m.FailureOf(err)
	if f.Status == http.StatusInternalServerError {
		log.Error("request failed unexpectedly", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	header := w.Header()
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	if f.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	body, _ := m.Body(f).MarshalJSON() // strings alone: it cannot fail
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.Status)
	_, _ = w.Write(body)
}
