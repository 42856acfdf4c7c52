package v2

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

const (
	priority      = 10 // of every task: nobody can ask for another
	awaitsUpload  = "Waiting for file upload"
	timestampForm = "2006-01-02T15:04:05"
)

// Links renders what signed links a result shows. It is safe for concurrent use.
type Links interface {
	// Download returns the address of a task's file of that name, good until the given time.
	Download(task engine.ID, name string, until time.Time) string

	// Form returns where to send a task's file and the form fields that must come before it, in their order.
	Form(task engine.ID, until time.Time) (address string, parameters []link.Field)
}

// Renderer shows jobs and tasks as the API does, to answers, events and webhooks alike. It is safe for concurrent use.
type Renderer struct {
	PublicURL string
	Links     Links
}

// Job is a job on the wire.
type Job struct {
	ID        engine.ID     `json:"id"`
	Tag       *string       `json:"tag"`
	Status    engine.Status `json:"status"`
	CreatedAt timestamp     `json:"created_at"`
	StartedAt *timestamp    `json:"started_at"`
	EndedAt   *timestamp    `json:"ended_at"`
	Tasks     []Task        `json:"tasks,omitzero"` // nil where they were not asked for
	Links     self          `json:"links"`
}

// Task is a task on the wire, with its fields in the order of the original. What is absent there is absent here: some
// clients fail on null, others on a field they did not ask for.
type Task struct {
	ID        engine.ID     `json:"id"`
	Name      string        `json:"name,omitempty"`
	JobID     *engine.ID    `json:"job_id"`
	Status    engine.Status `json:"status"`
	Credits   *int          `json:"credits"`
	Code      *engine.Code  `json:"code"`
	Message   *string       `json:"message"`
	Percent   int           `json:"percent"`
	Operation string        `json:"operation"`
	*engines
	Payload          json.RawMessage `json:"payload,omitzero"`
	Result           *Result         `json:"result"`
	CreatedAt        timestamp       `json:"created_at"`
	StartedAt        *timestamp      `json:"started_at"`
	EndedAt          *timestamp      `json:"ended_at"`
	RetryOfTaskID    *engine.ID      `json:"retry_of_task_id"`
	CopyOfTaskID     *engine.ID      `json:"copy_of_task_id"`
	UserID           engine.UserID   `json:"user_id"`
	Priority         int             `json:"priority"`
	HostName         *string         `json:"host_name"`
	Storage          *string         `json:"storage"`
	DependsOnTaskIDs []engine.ID     `json:"depends_on_task_ids"`
	DependsOnTasks   []Task          `json:"depends_on_tasks,omitzero"`
	Retries          []Task          `json:"retries,omitzero"`
	Job              *Job            `json:"job,omitempty"`
	Links            self            `json:"links"`
}

// engines is what processing operations alone have: null until one was chosen.
type engines struct {
	Engine        *string `json:"engine"`
	EngineVersion *string `json:"engine_version"`
}

type self struct {
	Self string `json:"self"`
}

// timestamp is a moment in UTC, to the second.
type timestamp time.Time

// MarshalJSON writes the one form that every client reads.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return []byte(`"` + time.Time(t).UTC().Format(timestampForm) + `+00:00"`), nil
}

// Schema describes the form.
func (timestamp) Schema() map[string]any {
	return map[string]any{"type": "string", "format": "date-time"}
}

func (r Renderer) base() string { return strings.TrimSuffix(r.PublicURL, "/") + "/v2" }

// Job shows a job, with its tasks unless they are nil.
func (r Renderer) Job(j engine.Job) Job {
	out := Job{
		ID: j.ID, Tag: orNull(j.Tag), Status: j.Status, CreatedAt: timestamp(j.CreatedAt),
		StartedAt: moment(j.StartedAt), EndedAt: moment(j.EndedAt), Links: self{r.base() + "/jobs/" + string(j.ID)},
	}
	if j.Tasks != nil {
		out.Tasks = r.Tasks(j.Tasks)
	}
	return out
}

// Tasks shows tasks in their order; it is never nil.
func (r Renderer) Tasks(tasks []engine.Task) []Task {
	out := make([]Task, len(tasks))
	for i, t := range tasks {
		out[i] = r.Task(t)
	}
	return out
}

// Task shows a task without anything that has to be asked for.
func (r Renderer) Task(t engine.Task) Task {
	out := Task{
		ID: t.ID, Status: t.Status, Credits: credits(t), Message: orNull(t.Message), Percent: 100, Operation: t.Operation,
		Result: r.result(t), CreatedAt: timestamp(t.CreatedAt), StartedAt: moment(t.StartedAt), EndedAt: moment(t.EndedAt),
		RetryOfTaskID: orNull(t.RetryOf), CopyOfTaskID: orNull(t.RetryOf), UserID: t.User, Priority: priority,
		DependsOnTaskIDs: append([]engine.ID{}, t.Inputs...), Links: self{r.base() + "/tasks/" + string(t.ID)},
	}
	if !t.Hidden {
		out.Name, out.JobID = t.Name, &t.Job
	}
	if processes(t.Operation) {
		out.engines = &engines{orNull(t.Engine), orNull(t.EngineVersion)}
	}
	switch {
	case t.Status == engine.StatusProcessing:
		out.Percent = t.Percent
	case t.Status == engine.StatusFailed:
		out.Code = &t.Code
	case awaits(t) && t.Message == "":
		out.Message = orNull(awaitsUpload)
	}
	return out
}

// credits are never charged; a number says that the task has ended.
func credits(t engine.Task) *int {
	if !t.Status.Ended() {
		return nil
	}
	n := 0
	if t.Status == engine.StatusFinished && processes(t.Operation) {
		n = 1
	}
	return &n
}

// processes reports whether an operation makes new files, rather than moving them in or out.
func processes(operation string) bool {
	return !strings.HasPrefix(operation, "import/") && !strings.HasPrefix(operation, "export/")
}

func awaits(t engine.Task) bool { return t.AwaitsUpload && t.Status == engine.StatusWaiting }

func orNull[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

func moment(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}
