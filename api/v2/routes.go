// Package v2 is the CloudConvert API, version 2: jobs, tasks, operations and users as its clients know them. The
// rules it keeps to are those the clients break over; the tests name them.
package v2

import (
	"net/http"
	"strings"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// Config is what the API stands on.
type Config struct {
	Engine    *engine.Engine
	Links     Links
	PublicURL string // under which clients reach the server, without /v2
}

// handlers answers the routes.
type handlers struct {
	engine *engine.Engine
	render Renderer
	base   string // of all addresses of the API, ending in /v2
}

// Routes returns the routes of the API, with one for each operation of the engine's catalog and for each of its
// aliases.
func Routes(config Config) []api.Route {
	render := Renderer{PublicURL: config.PublicURL, Links: config.Links}
	h := &handlers{engine: config.Engine, render: render, base: render.base()}
	routes := append(h.jobRoutes(), h.taskRoutes()...)
	routes = append(routes,
		api.Route{Method: http.MethodGet, Path: "/v2/users/me", Scope: engine.ScopeUserRead,
			Summary: "Show who the key belongs to", Answer: data[User]{}, Handle: h.me},
		api.Route{Method: http.MethodGet, Path: "/v2/operations", Scope: api.Public,
			Summary: "List what this server can do", Query: operationQuery, Answer: rows{}, Handle: h.operations},
		api.Route{Method: http.MethodGet, Path: "/v2/convert/formats", Scope: api.Public,
			Summary: "List the conversions of this server", Query: operationQuery, Answer: rows{}, Handle: h.formats},
	)
	for _, op := range config.Engine.Catalog.All() {
		for _, name := range append([]string{op.Name}, op.Aliases...) {
			routes = append(routes, h.operationRoute(op, name))
			if op.Preflight != nil {
				routes = append(routes, h.checkRoute(op, name))
			}
		}
	}
	return routes
}

func (h *handlers) jobRoutes() []api.Route {
	read, write := engine.ScopeTaskRead, engine.ScopeTaskWrite
	redirect := api.Query{Name: "redirect", Doc: "true: answer with the address of the first exported file."}
	return []api.Route{
		{Method: http.MethodPost, Path: "/v2/jobs", Scope: write, Summary: "Create a job",
			Body: jobSchema(h.engine.Catalog), Status: http.StatusCreated, Answer: data[Job]{}, Handle: h.createJob},
		{Method: http.MethodGet, Path: "/v2/jobs", Scope: read, Summary: "List jobs, newest first",
			Query: jobQuery, Answer: list[Job]{}, Handle: h.listJobs},
		{Method: http.MethodGet, Path: "/v2/jobs/{id}", Scope: read, Summary: "Show a job",
			Query: []api.Query{redirect}, Answer: data[Job]{}, Handle: h.showJob},
		{Method: http.MethodGet, Path: "/v2/jobs/{id}/wait", Scope: read, Summary: "Show a job when it has ended",
			Query: []api.Query{redirect}, Answer: data[Job]{}, Handle: waiting(h.showJob)},
		{Method: http.MethodDelete, Path: "/v2/jobs/{id}", Scope: write, Summary: "Delete a job with its tasks and files",
			Status: http.StatusNoContent, Handle: h.deleteJob},
	}
}

func (h *handlers) taskRoutes() []api.Route {
	read, write := engine.ScopeTaskRead, engine.ScopeTaskWrite
	include := []api.Query{includeQuery}
	return []api.Route{
		{Method: http.MethodGet, Path: "/v2/tasks", Scope: read, Summary: "List tasks, newest first",
			Query: taskQuery, Answer: list[Task]{}, Handle: h.listTasks},
		{Method: http.MethodGet, Path: "/v2/tasks/{id}", Scope: read, Summary: "Show a task",
			Query: include, Answer: data[Task]{}, Handle: h.showTask},
		{Method: http.MethodGet, Path: "/v2/tasks/{id}/wait", Scope: read, Summary: "Show a task when it has ended",
			Query: include, Answer: data[Task]{}, Handle: waiting(h.showTask)},
		{Method: http.MethodPost, Path: "/v2/tasks/{id}/cancel", Scope: write, Summary: "Cancel a task that has not ended",
			Answer: data[Task]{}, Handle: h.cancelTask},
		{Method: http.MethodPost, Path: "/v2/tasks/{id}/retry", Scope: write,
			Summary: "Run an ended task once more, as a new one",
			Status:  http.StatusCreated, Answer: data[Task]{}, Handle: h.retryTask},
		{Method: http.MethodDelete, Path: "/v2/tasks/{id}", Scope: write, Summary: "Delete a task with its files",
			Status: http.StatusNoContent, Handle: h.deleteTask},
	}
}

// waiting makes a handler wait for the end of what it shows, as on the sync host.
func waiting(handle func(*api.Call) error) func(*api.Call) error {
	return func(c *api.Call) error {
		c.Sync = true
		return handle(c)
	}
}

func (h *handlers) operationRoute(op engine.Operation, name string) api.Route {
	schema := op.Params.Schema()
	if !op.Source {
		schema["properties"].(map[string]any)["input"] = inputSchema
	}
	return api.Route{Method: http.MethodPost, Path: "/v2/" + name, Scope: engine.ScopeTaskWrite,
		Summary: strings.TrimSuffix(op.Summary, "."), Body: schema, Status: http.StatusCreated, Answer: data[Task]{},
		Handle: func(c *api.Call) error { return h.createTask(c, name) }}
}

// pathID returns the id in the path. What is no id is not there.
func pathID(c *api.Call) (engine.ID, error) {
	id, ok := engine.ParseID(c.Param("id"))
	if !ok {
		return "", engine.Errorf(engine.NotFound, "There is nothing with this id.")
	}
	return id, nil
}
