package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	statusCancelled = 499     // of a session; in no standard
	maxComplaint    = 1 << 20 // bytes of a refusal that are read
)

// refusal is an answer that refuses, for the log: without the address, which can be a session's.
type refusal struct {
	status          int
	reason, message string
}

// Error implements error.
func (r *refusal) Error() string {
	return strings.TrimRight(fmt.Sprintf("google answered %d %s: %s", r.status, r.reason, r.message), " :")
}

// statusOf is the status of the answer that err is; 0 if it is none.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// hidden stands for an error that would show an address.
func hidden() error { return errors.New("make a request for google") }

// byReason are the reasons whose status says too little, or the wrong thing. What is left out goes by its status.
var byReason = map[string]engine.Code{
	"rateLimitExceeded": engine.RateLimited, "userRateLimitExceeded": engine.RateLimited, "quotaExceeded": engine.RateLimited,
	"dailyLimitExceeded": engine.RateLimited, "backendError": engine.Unavailable, "internalError": engine.Unavailable,
	"uploadTooLarge": engine.TooLarge, "userProjectMissing": engine.Denied,
}

// advice are texts for what persons can do something about. The rest is told as the service tells it.
var advice = map[string]string{
	"userProjectMissing":     "The bucket is one whose readers pay, and that is not offered here.",
	"retentionPolicyNotMet":  "The object that exists may not be replaced yet: the bucket's retention policy keeps it.",
	"objectUnderActiveHold":  "The object that exists may not be replaced: there is a hold on it.",
	"accountDisabled":        "The project's account is disabled.",
	"accessNotConfigured":    "The project does not have the Cloud Storage API switched on.",
	"insufficientPermission": "The token's scope does not allow this.",
}

// rights are what each kind of call needs.
var rights = map[string]string{
	"write": "The service account may not create objects in the bucket: it needs storage.objects.create there, and " +
		"storage.objects.delete to replace one that exists.",
	"replace": "There is an object of that name, and the service account may not replace it: it needs storage.objects.get and " +
		"storage.objects.delete.",
	"read":  "The service account may not read the object: it needs storage.objects.get.",
	"list":  "The service account may not list the bucket: it needs storage.objects.list to find objects by their beginning.",
	"abort": "Google does not let the upload be cancelled; it ends after a week.",
}

// refused returns the error for an answer that refuses a call, with what the call was to do: one of the rights.
func (c *client) refused(resp *http.Response, verb string) error {
	r := c.complaint(resp)
	code, known := byReason[r.reason]
	switch {
	case isDamaged(r), r.status == http.StatusPreconditionFailed && verb == "write":
		code = engine.Unavailable
	case !known:
		code = exporters.Classify(r.status)
	}
	failure := engine.Wrap(r, code, "%s", r.explain(code, verb))
	if engine.Retryable(failure) {
		failure.RetryAfter = exporters.RetryAfter(resp.Header.Get("Retry-After"))
	}
	return failure
}

// complaint reads what an answer says, in either of Google's ways: as a document, or as a line of text.
func (c *client) complaint(resp *http.Response) *refusal {
	r := &refusal{status: resp.StatusCode}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxComplaint))
	if err != nil {
		return r // the status is enough
	}
	var said struct {
		Error struct {
			Message string `json:"message"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) == nil {
		r.message = said.Error.Message
		if len(said.Error.Errors) > 0 {
			r.reason = said.Error.Errors[0].Reason
		}
	} else if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		r.message = string(body[:min(len(body), 200)])
	}
	r.message, _, _ = strings.Cut(c.scrub(resp, r.message), "\n")
	return r
}

// scrub takes out of a text what gives access: the token, and the address of a session and its parts.
func (c *client) scrub(resp *http.Response, text string) string {
	secrets := []string{c.place.PrivateKey.Reveal()}
	if resp.Request != nil {
		secrets = append(secrets, strings.TrimPrefix(resp.Request.Header.Get("Authorization"), "Bearer "))
		if id := resp.Request.URL.Query().Get("upload_id"); id != "" {
			secrets = append(secrets, resp.Request.URL.String(), id)
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return text
}

// isDamaged reports whether an answer says that the sums do not agree.
func isDamaged(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusBadRequest && strings.Contains(r.message, "doesn't match calculated")
}

func (r *refusal) explain(code engine.Code, verb string) string {
	switch {
	case advice[r.reason] != "":
		return advice[r.reason]
	case isDamaged(r):
		return "The file was damaged on its way to Google."
	case r.status == http.StatusUnauthorized:
		return "Google does not take the token that it gave for the key."
	case code == engine.Denied && verb == "write" && strings.Contains(r.message, "storage.objects.delete"):
		return rights["replace"]
	case code == engine.Denied && rights[verb] != "":
		return rights[verb]
	case r.status == http.StatusNotFound && (verb == "write" || verb == "list" || strings.Contains(r.message, "bucket")):
		return "There is no bucket of that name. It has to be made first."
	case r.status == http.StatusNotFound:
		return "There is no such object."
	case r.status == http.StatusPreconditionFailed && verb == "write":
		return "Somebody else has written the object meanwhile."
	case r.status == http.StatusPreconditionFailed:
		return changed
	case r.status >= 300 && r.status < 400:
		return "The endpoint sends requests elsewhere, which is not followed. Set endpoint to where it leads."
	}
	return strings.TrimRight(fmt.Sprintf("Google answered %d %s: %s", r.status, r.reason, r.message), " :.") + "."
}

const changed = "The object was changed while it was read."
