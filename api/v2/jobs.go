package v2

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

const (
	exportURL         = "export/url"
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
	unlimited         = "1000000" // what the rate-limit headers say where there is no limit
)

var jobQuery = []api.Query{
	{Name: "filter[status]", Doc: "waiting, processing, finished or error."},
	{Name: "filter[tag]", Doc: "The tag, exactly."},
	{Name: "include", Doc: "tasks: with the tasks of each job."},
	{Name: "per_page", Doc: "From 1 to 1000; 100 if not given."},
	{Name: "page", Doc: "From 1."},
}

func (h *handlers) createJob(c *api.Call) error {
	var job engine.Job
	var redirect bool
	err := c.WithBody(func(body []byte) (err error) {
		job, redirect, err = h.submitJob(c, body)
		return err
	})
	if err != nil {
		return err
	}
	unlimit(c)
	if c.Sync {
		job, err = h.engine.WaitJob(c.Request.Context(), c.Key.User, job.ID)
	}
	if err != nil {
		return err
	}
	return h.answerJob(c, http.StatusCreated, job, redirect)
}

// submitJob also returns whether the answer is to be a redirect.
func (h *handlers) submitJob(c *api.Call, body []byte) (job engine.Job, redirect bool, err error) {
	doc, err := parseJob(body)
	if err != nil {
		return job, false, h.everyMistake(c, doc.Submission, err)
	}
	if err := identify(c, body, &doc.Submission); err != nil {
		return job, false, err
	}
	redirect = doc.redirect && c.Sync
	if redirect && !slices.ContainsFunc(doc.Tasks, func(t engine.TaskSpec) bool { return t.Operation == exportURL }) {
		return job, false, invalid("redirect", "needs a task with the operation export/url")
	}
	job, err = h.engine.Submit(c.Request.Context(), c.Key.User, doc.Submission)
	return job, redirect, err
}

// everyMistake adds to the mistakes in a document's form those that the engine finds in the rest, so that one answer has
// them all. What is wrong already in form is not complained about twice.
func (h *handlers) everyMistake(c *api.Call, s engine.Submission, found error) error {
	var form, rest *engine.Error
	if !errors.As(found, &form) || len(form.Problems) == 0 {
		return found
	}
	if !errors.As(h.engine.Check(c.Request.Context(), c.Key.User, s), &rest) {
		return found
	}
	problems := form.Problems
	for _, p := range rest.Problems {
		known := slices.ContainsFunc(form.Problems, func(q param.Problem) bool {
			return q.Field == p.Field || strings.HasPrefix(p.Field, q.Field+".")
		})
		if !known && len(problems) < maxProblems {
			problems = append(problems, p)
		}
	}
	return engine.InvalidParams(problems)
}

func (h *handlers) showJob(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	find := h.engine.Job
	if c.Sync {
		find = h.engine.WaitJob
	}
	job, err := find(c.Request.Context(), c.Key.User, id)
	if err != nil {
		return err
	}
	return h.answerJob(c, http.StatusOK, job, ask(c).is("redirect"))
}

func (h *handlers) answerJob(c *api.Call, status int, job engine.Job, redirect bool) error {
	if !redirect {
		return c.Reply(status, data[Job]{h.render.Job(job)})
	}
	address, err := h.firstExport(job)
	if err != nil {
		return err
	}
	return c.SeeOther(address)
}

// firstExport returns the address of the first file that a job exports by a link.
func (h *handlers) firstExport(job engine.Job) (string, error) {
	if !job.Status.Ended() {
		return "", engine.Errorf(engine.Conflict,
			"The job has not ended yet. Ask the sync host, or /wait, to wait for its end.")
	}
	for _, t := range job.Tasks {
		if job.Status == engine.StatusFailed && t.Status == engine.StatusFailed {
			return "", engine.Errorf(engine.Invalid, "The job failed in its task %q: %s (%s)", t.Name, t.Message, t.Code)
		}
		if job.Status != engine.StatusFinished || t.Operation != exportURL || t.Result == nil {
			continue
		}
		for _, f := range h.render.files(t) {
			if f.url != "" {
				return f.url, nil
			}
		}
	}
	return "", engine.Errorf(engine.Invalid, "The job has no file of an export/url task to redirect to.")
}

func (h *handlers) listJobs(c *api.Call) error {
	q := ask(c)
	var found []engine.Job
	if status, known := q.status(); known {
		var err error
		found, err = h.engine.Jobs(c.Request.Context(), engine.JobQuery{
			User: c.Key.User, Status: status, Tag: q.filter("tag"), WithTasks: q.includes("tasks"), Page: q.page(),
		})
		if err != nil {
			return err
		}
	}
	shown, more := cut(q, found)
	jobs := make([]Job, len(shown))
	for i, job := range shown {
		jobs[i] = h.render.Job(job)
	}
	return c.Reply(http.StatusOK, enlist(q, h.base+"/jobs", jobs, more))
}

func (h *handlers) deleteJob(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if err := h.engine.DeleteJob(c.Request.Context(), c.Key.User, id); err != nil {
		return err
	}
	return c.Empty()
}

// identify gives a submission the key under which a repetition of the request is known, if the client sent one.
func identify(c *api.Call, body []byte, s *engine.Submission) error {
	key := c.Request.Header.Get(idempotencyHeader)
	if key == "" {
		return nil
	}
	printable := !slices.ContainsFunc([]byte(key), func(b byte) bool { return b < ' ' || b > '~' })
	if len(key) > maxIdempotencyKey || !printable {
		return invalid(idempotencyHeader, "may have up to %d printable ASCII characters", maxIdempotencyKey)
	}
	digest := sha256.Sum256(slices.Concat([]byte(c.Route.Method+" "+c.Route.Path+"\n"), body))
	s.IdempotencyKey, s.Digest = key, hex.EncodeToString(digest[:])
	return nil
}

func unlimit(c *api.Call) {
	c.Header("X-RateLimit-Limit", unlimited)
	c.Header("X-RateLimit-Remaining", unlimited)
}

func invalid(field, format string, args ...any) error {
	return engine.InvalidParams([]param.Problem{param.Problemf(field, format, args...)})
}
