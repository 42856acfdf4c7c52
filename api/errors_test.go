package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

func TestFailureOf(t *testing.T) {
	const internal = "An internal error occurred. The server's log has the details."
	tests := []struct {
		name string
		err  error
		want api.Failure
	}{
		{"invalid", engine.Errorf(engine.Invalid, "m"), api.Failure{Status: 422, Code: "INVALID_DATA", Message: "m"}},
		{"not JSON", engine.Wrap(api.ErrMalformed, engine.Invalid, "m"), api.Failure{Status: 400, Code: "INVALID_DATA", Message: "m"}},
		{"unsupported", engine.Errorf(engine.Unsupported, "m"), api.Failure{Status: 422, Code: "UNSUPPORTED_CONVERSION", Message: "m"}},
		{"no files", engine.Errorf(engine.NoFiles, "m"), api.Failure{Status: 422, Code: "NO_FILES", Message: "m"}},
		{"file name", engine.Errorf(engine.InvalidFilename, "m"), api.Failure{Status: 422, Code: "INVALID_FILENAME", Message: "m"}},
		{"unauthorized", engine.Errorf(engine.Unauthorized, "m"), api.Failure{Status: 401, Code: "UNAUTHENTICATED", Message: "Unauthenticated."}},
		{"denied", engine.Errorf(engine.Denied, "m"), api.Failure{Status: 403, Code: "FORBIDDEN", Message: "m"}},
		{"not found", engine.Errorf(engine.NotFound, "m"), api.Failure{Status: 404, Code: "NOT_FOUND", Message: "m"}},
		{"conflict", engine.Errorf(engine.Conflict, "m"), api.Failure{Status: 409, Code: "CONFLICT", Message: "m"}},
		{"too large", engine.Errorf(engine.TooLarge, "m"), api.Failure{Status: 413, Code: "TOO_LARGE", Message: "m"}},
		{"cancelled task", engine.ErrCanceled, api.Failure{Status: 409, Code: "CANCELLED", Message: "The task was cancelled."}},
		{"input failed", engine.Errorf(engine.InputFailed, "m"), api.Failure{Status: 409, Code: "INPUT_TASK_FAILED", Message: "m"}},
		{"upload expired", engine.Errorf(engine.UploadExpired, "m"), api.Failure{Status: 409, Code: "UPLOAD_EXPIRED", Message: "m"}},
		{"rate limited", &engine.Error{Code: engine.RateLimited, Message: "m", RetryAfter: time.Minute},
			api.Failure{Status: 429, Code: "TOO_MANY_REQUESTS", Message: "m", RetryAfter: time.Minute}},
		{"unavailable", engine.Errorf(engine.Unavailable, "m"),
			api.Failure{Status: 503, Code: "UNAVAILABLE", Message: "m", RetryAfter: time.Second}},
		{"shutdown", engine.ErrShuttingDown,
			api.Failure{Status: 503, Code: "UNAVAILABLE", Message: "The server is shutting down.", RetryAfter: time.Second}},
		{"cancelled request", fmt.Errorf("waiting: %w", context.Canceled),
			api.Failure{Status: 503, Code: "UNAVAILABLE", Message: "The server is shutting down.", RetryAfter: time.Second}},
		{"timeout", engine.Errorf(engine.Timeout, "m"), api.Failure{Status: 504, Code: "TIMEOUT", Message: "m"}},
		{"internal", engine.Errorf(engine.Internal, "secret"), api.Failure{Status: 500, Code: "INTERNAL", Message: internal}},
		{"unforeseen", errors.New("secret"), api.Failure{Status: 500, Code: "INTERNAL", Message: internal}},
		{"unknown code", engine.Errorf("NEW", "secret"), api.Failure{Status: 500, Code: "INTERNAL", Message: internal}},
		{"worker lost", engine.Errorf(engine.WorkerLost, "m"), api.Failure{Status: 500, Code: "WORKER_LOST", Message: internal}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := api.FailureOf(tt.err)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFailureBody(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unauthenticated", engine.Errorf(engine.Unauthorized, "x"), `{"message":"Unauthenticated.","code":"UNAUTHENTICATED"}`},
		{"problems", engine.InvalidParams([]param.Problem{{Field: "b", Message: "1"}, {Field: "a\"\x00", Message: "<2>"}, {Field: "b", Message: "3"}}),
			`{"message":"The given data was invalid.","code":"INVALID_DATA","errors":{"b":["1","3"],"a\"\u0000":["<2>"]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := api.Encode(api.FailureOf(tt.err))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
}
