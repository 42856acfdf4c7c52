// Package exports is the API of long-running exports of one stored file: a request makes an ordinary job, an operation tells
// how far it is, and its resource is the result. No link without a key leads to it.
package exports

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
)

// Config is what the API stands on.
type Config struct {
	Engine    *engine.Engine
	PublicURL string // under which clients reach the server
}

type handlers struct {
	engine *engine.Engine
	base   string // of all addresses of the API
}

const (
	prefix        = "/prototype/platform"
	operationPath = prefix + "/operations/{operationId}"

	versionHeader = "X-Version"
	version       = "2022-01-01" // the only one there is

	pollAfter = "1" // seconds
)

// Routes returns the routes of the API.
func Routes(config Config) []api.Route {
	h := &handlers{engine: config.Engine, base: strings.TrimRight(config.PublicURL, "/") + prefix}
	read, write := engine.ScopeFileRead, engine.ScopeFileWrite
	routes := []api.Route{
		{Method: http.MethodPost, Path: prefix + "/files/{fileId}/export", Scope: write, Summary: "Export a stored file",
			Body: bodySchema, Status: http.StatusAccepted, Handle: h.export},
		{Method: http.MethodGet, Path: operationPath, Scope: write, OrScope: read, Summary: "Show how far an export is",
			Answer: OperationStatus{}, Handle: h.operation},
		{Method: http.MethodGet, Path: operationPath + "/resource", Scope: write, OrScope: read,
			Summary: "Download what an export made", Answer: api.Bytes{}, Handle: h.resource},
	}
	for i := range routes {
		routes[i].Manner, routes[i].Handle = api.Exports, versioned(routes[i].Handle)
		routes[i].Headers = []api.Query{{Name: versionHeader, Doc: version + ", the only one there is."}}
	}
	return routes
}

// versioned refuses versions of the API that there are not.
func versioned(handle func(*api.Call) error) func(*api.Call) error {
	return func(c *api.Call) error {
		if asked := c.GetHeader(versionHeader); asked != "" && asked != version {
			return invalid("There is no such version of this API. Leave X-Version out, or set it to %s.", version)
		}
		return handle(c)
	}
}

func invalid(format string, args ...any) error {
	return engine.Wrap(api.ErrMalformed, engine.Invalid, format, args...)
}

// OperationStatus is how far an export is, on the wire.
type OperationStatus struct {
	ID          engine.ID `json:"id"`
	Status      status    `json:"status"`
	ResourceURL *string   `json:"resourceUrl"`
	Error       *problem  `json:"error"`
	Created     string    `json:"created"`
	Updated     string    `json:"updated"`
}

// status is how far an operation is.
type status string

// Schema lists the statuses that clients know.
func (status) Schema() map[string]any {
	return map[string]any{"type": "string",
		"enum": []status{"acknowledged", "queued", "started", "completed", "failed", "cancelled"}}
}

// problem is why an operation failed, in the form of the API's errors.
type problem struct{ body api.Object }

// MarshalJSON writes the error.
func (p problem) MarshalJSON() ([]byte, error) { return p.body.MarshalJSON() }

// Schema describes the error.
func (problem) Schema() map[string]any {
	return map[string]any{"$ref": "#/components/schemas/ExportError"}
}

// export makes the job.
func (h *handlers) export(c *api.Call) error {
	f, err := h.file(c)
	if err != nil {
		return err
	}
	var want wish
	err = c.WithBody(func(body []byte) (err error) {
		want, err = parse(body)
		return err
	})
	if err != nil {
		return err
	}
	job, err := h.plan(c.Request.Context(), f, want)
	if err != nil {
		return err
	}
	made, err := h.engine.Submit(c.Request.Context(), c.Key.User, job)
	if err != nil {
		return err
	}
	c.Header("Location", h.base+"/operations/"+string(made.ID))
	c.Header("Retry-After", pollAfter)
	c.Status(http.StatusAccepted)
	c.Writer.WriteHeaderNow()
	return nil
}

// file returns that of the path, if it is one of the caller's organisations.
func (h *handlers) file(c *api.Call) (engine.StoredFile, error) {
	id, ok := engine.ParseID(c.Param("fileId"))
	if !ok {
		return engine.StoredFile{}, engine.Errorf(engine.NotFound, "There is no such file.")
	}
	return h.engine.StoredFile(c.Request.Context(), c.Key.User, id)
}

// plan is the job that makes of the file what is wanted.
func (h *handlers) plan(ctx context.Context, f engine.StoredFile, want wish) (engine.Submission, error) {
	source, err := json.Marshal(map[string]string{"file": string(f.ID)})
	if err != nil {
		return engine.Submission{}, err
	}
	job := engine.Submission{File: f.ID, Tag: strings.TrimSpace(want.kind + " " + want.format),
		Tasks: []engine.TaskSpec{{Name: "file", Operation: "import/file", Params: source}}}
	if want.format == "" || want.format == formatOf(f) {
		return job, nil
	}
	params, err := json.Marshal(map[string]string{"output_format": want.format})
	if err != nil {
		return engine.Submission{}, err
	}
	possible, err := h.possible(ctx, f, want.formats())
	if err != nil {
		return engine.Submission{}, err
	}
	if !possible[want.format] {
		return engine.Submission{}, impossible(f, want, possible)
	}
	job.Tasks = append(job.Tasks, engine.TaskSpec{Name: "export", Operation: convert, Input: []string{"file"}, Params: params})
	return job, nil
}

// job returns that of the operation in the path. Other jobs of the caller are no operations.
func (h *handlers) job(c *api.Call) (engine.Job, error) {
	none := engine.Errorf(engine.NotFound, "There is no such operation. Operations are removed some time after they end.")
	id, ok := engine.ParseID(c.Param("operationId"))
	if !ok {
		return engine.Job{}, none
	}
	job, err := h.engine.Job(c.Request.Context(), c.Key.User, id)
	if engine.CodeOf(err) == engine.NotFound && err != nil || err == nil && job.File == "" {
		return engine.Job{}, none
	}
	return job, err
}

func (h *handlers) operation(c *api.Call) error {
	job, err := h.job(c)
	if err != nil {
		return err
	}
	if !job.Status.Ended() {
		c.Header("Retry-After", pollAfter)
	}
	return c.Reply(http.StatusOK, h.show(job))
}

func (h *handlers) show(job engine.Job) OperationStatus {
	updated := job.CreatedAt
	for _, at := range []time.Time{job.StartedAt, job.EndedAt} {
		if at.After(updated) {
			updated = at
		}
	}
	op := OperationStatus{ID: job.ID, Status: "queued",
		Created: job.CreatedAt.UTC().Format(time.RFC3339), Updated: updated.UTC().Format(time.RFC3339)}
	switch job.Status {
	case engine.StatusProcessing:
		op.Status = "started"
	case engine.StatusFinished:
		address := h.base + "/operations/" + string(job.ID) + "/resource"
		op.Status, op.ResourceURL = "completed", &address
	case engine.StatusFailed:
		op.Status, op.Error = "failed", why(job)
		if firstFailed(job).Code == engine.Canceled {
			op.Status = "cancelled"
		}
	}
	return op
}

// why is the failure of the first task that failed.
func why(job engine.Job) *problem {
	t := firstFailed(job)
	return &problem{api.Exports.Body(api.Exports.FailureOf(engine.Errorf(t.Code, "%s", t.Message)))}
}

func firstFailed(job engine.Job) engine.Task {
	for _, t := range job.Tasks {
		if t.Status == engine.StatusFailed {
			return t
		}
	}
	return engine.Task{Code: engine.Internal} // it has expired already
}

// resource hands out what the export made, while the file exists of which it was made.
func (h *handlers) resource(c *api.Call) error {
	job, err := h.job(c)
	if err != nil {
		return err
	}
	if job.Status != engine.StatusFinished {
		return engine.Errorf(engine.Conflict, "The export has not been completed. Its operation tells how far it is.")
	}
	ctx := c.Request.Context()
	f, err := h.engine.StoredFile(ctx, c.Key.User, job.File)
	if err != nil {
		return err
	}
	d, err := h.engine.OpenStored(ctx, f.ID)
	if last := job.Tasks[len(job.Tasks)-1]; len(job.Tasks) > 1 && err == nil {
		d.Close()
		if last.Result == nil || len(last.Result.Files) == 0 {
			return engine.Errorf(engine.NotFound, "The export is gone. Exports are removed some time after they end.")
		}
		d, err = h.engine.OpenResult(ctx, last, last.Result.Files[0])
	}
	if err != nil {
		return err
	}
	return downloads.Serve(c.Direct(), c.Request, h.engine, d)
}
