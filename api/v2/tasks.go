package v2

import (
	"context"
	"net/http"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

var (
	includeQuery = api.Query{Name: "include",
		Doc: "Any of payload, retries, depends_on_tasks, job, with commas between them."}
	taskQuery = []api.Query{
		{Name: "filter[job_id]", Doc: "The id of a job."},
		{Name: "filter[status]", Doc: "waiting, processing, finished or error."},
		{Name: "filter[operation]", Doc: "Such as import/url."},
		includeQuery,
		{Name: "per_page", Doc: "From 1 to 1000; 100 if not given."},
		{Name: "page", Doc: "From 1."},
	}
)

// createTask submits a stand-alone task, which lives in a job of its own that nobody sees.
func (h *handlers) createTask(c *api.Call, operation string) error {
	var job engine.Job
	err := c.WithBody(func(body []byte) error {
		spec, err := parseTask(operation, body)
		s := engine.Submission{Hidden: true, Tasks: []engine.TaskSpec{spec}}
		if err != nil {
			return h.everyMistake(c, s, err)
		}
		if err := identify(c, body, &s); err != nil {
			return err
		}
		job, err = h.engine.Submit(c.Request.Context(), c.Key.User, s)
		return err
	})
	if err != nil {
		return err
	}
	unlimit(c)
	return c.Reply(http.StatusCreated, data[Task]{h.render.Task(job.Tasks[0])})
}

func (h *handlers) showTask(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	find := h.engine.Task
	if c.Sync {
		find = h.engine.WaitTask
	}
	task, err := find(c.Request.Context(), c.Key.User, id)
	if err != nil {
		return err
	}
	shown, err := h.show(c, ask(c), []engine.Task{task})
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, data[Task]{shown[0]})
}

func (h *handlers) listTasks(c *api.Call) error {
	q := ask(c)
	query, possible := h.taskQuery(c.Key.User, q)
	var found []engine.Task
	if possible {
		var err error
		if found, err = h.engine.Tasks(c.Request.Context(), query); err != nil {
			return err
		}
	}
	found, more := cut(q, found)
	tasks, err := h.show(c, q, found)
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, enlist(q, h.base+"/tasks", tasks, more))
}

// taskQuery says what is asked for, and whether any task can be like that.
func (h *handlers) taskQuery(user engine.UserID, q question) (query engine.TaskQuery, possible bool) {
	status, known := q.status()
	job, valid := engine.ParseID(q.filter("job_id"))
	query = engine.TaskQuery{User: user, Job: job, Status: status, Operation: q.filter("operation"), Page: q.page()}
	if op, ok := h.engine.Catalog.Find(query.Operation); ok {
		query.Operation = op.Name
	}
	return query, known && (valid || q.filter("job_id") == "")
}

func (h *handlers) cancelTask(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	task, err := h.engine.Cancel(c.Request.Context(), c.Key.User, id)
	if engine.CodeOf(err) == engine.Conflict {
		return invalid("status", "Cannot change status: task already completed.")
	}
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, data[Task]{h.render.Task(task)})
}

func (h *handlers) retryTask(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	task, err := h.engine.Retry(c.Request.Context(), c.Key.User, id)
	if err != nil {
		return err
	}
	unlimit(c)
	return c.Reply(http.StatusCreated, data[Task]{h.render.Task(task)})
}

func (h *handlers) deleteTask(c *api.Call) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if err := h.engine.DeleteTask(c.Request.Context(), c.Key.User, id); err != nil {
		return err
	}
	return c.Empty()
}

// show renders tasks with what the question includes; each kind is asked for once for all of them.
func (h *handlers) show(c *api.Call, q question, tasks []engine.Task) ([]Task, error) {
	ctx, shown := c.Request.Context(), h.render.Tasks(tasks)
	if q.includes("payload") {
		for i := range tasks {
			shown[i].Payload = tasks[i].Payload
		}
	}
	for name, add := range map[string]func(context.Context, engine.UserID, []engine.Task, []Task) error{
		"retries": h.addRetries, "depends_on_tasks": h.addInputs, "job": h.addJobs,
	} {
		if !q.includes(name) || len(tasks) == 0 {
			continue
		}
		if err := add(ctx, c.Key.User, tasks, shown); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

func (h *handlers) addRetries(ctx context.Context, user engine.UserID, tasks []engine.Task, shown []Task) error {
	ids := make([]engine.ID, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	retries, err := h.engine.Tasks(ctx, engine.TaskQuery{User: user, RetryOf: ids})
	for i, t := range tasks {
		shown[i].Retries = []Task{}
		for _, retry := range retries {
			if retry.RetryOf == t.ID {
				shown[i].Retries = append(shown[i].Retries, h.render.Task(retry))
			}
		}
	}
	return err
}

func (h *handlers) addInputs(ctx context.Context, user engine.UserID, tasks []engine.Task, shown []Task) error {
	var ids []engine.ID
	for _, t := range tasks {
		ids = append(ids, t.Inputs...)
	}
	inputs := map[engine.ID]Task{}
	if len(ids) > 0 {
		found, err := h.engine.Tasks(ctx, engine.TaskQuery{User: user, IDs: ids})
		if err != nil {
			return err
		}
		for _, t := range found {
			inputs[t.ID] = h.render.Task(t)
		}
	}
	for i, t := range tasks {
		shown[i].DependsOnTasks = []Task{}
		for _, id := range t.Inputs {
			if input, kept := inputs[id]; kept {
				shown[i].DependsOnTasks = append(shown[i].DependsOnTasks, input)
			}
		}
	}
	return nil
}

// addJobs shows each task's job without its tasks. One that went meanwhile is absent.
func (h *handlers) addJobs(ctx context.Context, user engine.UserID, tasks []engine.Task, shown []Task) error {
	jobs := map[engine.ID]*Job{}
	for i, t := range tasks {
		if t.Hidden {
			continue
		}
		if _, known := jobs[t.Job]; !known {
			job, err := h.engine.Job(ctx, user, t.Job)
			switch {
			case err == nil:
				job.Tasks = nil
				rendered := h.render.Job(job)
				jobs[t.Job] = &rendered
			case engine.CodeOf(err) == engine.NotFound:
				jobs[t.Job] = nil
			default:
				return err
			}
		}
		shown[i].Job = jobs[t.Job]
	}
	return nil
}
