package v2

import (
	"net/http"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// Check is what came of trying an operation.
type Check struct {
	Operation string    `json:"operation"`
	OK        bool      `json:"ok"` // whether every finding is
	Findings  []Finding `json:"findings"`
}

// Finding is one line of a check.
type Finding struct {
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

func (h *handlers) checkRoute(op engine.Operation, name string) api.Route {
	return api.Route{Method: http.MethodPost, Path: "/v2/" + name + "/check", Scope: engine.ScopeTaskWrite,
		Summary: "Try whether " + name + " would work with these parameters, and leave nothing behind", Body: op.Params.Schema(),
		Answer: data[Check]{}, Handle: func(c *api.Call) error { return h.check(c, name) }}
}

// check tries an operation.
func (h *handlers) check(c *api.Call, operation string) error {
	var spec engine.TaskSpec
	err := c.WithBody(func(body []byte) (err error) {
		spec, err = parseTask(operation, body)
		return err
	})
	if err != nil {
		return err
	}
	found, err := h.engine.Preflight(c.Request.Context(), c.Key.User, operation, spec.Params)
	if err != nil {
		return err
	}
	out := Check{Operation: operation, OK: true, Findings: make([]Finding, len(found))}
	for i, f := range found {
		out.OK = out.OK && f.OK
		out.Findings[i] = Finding{OK: f.OK, Message: f.Text}
	}
	return c.Reply(http.StatusOK, data[Check]{out})
}
