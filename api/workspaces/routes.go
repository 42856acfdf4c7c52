// Package workspaces is the API that exports a file from the home of a registered computer: one request, answered when the
// file is here, with a signed URL to it.
package workspaces

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// Links renders the addresses of exported files.
type Links interface {
	Download(task engine.ID, name string, until time.Time) string
}

// Config is what the API stands on.
type Config struct {
	Engine *engine.Engine
	Links  Links
}

type handlers struct {
	engine *engine.Engine
	links  Links
}

// urlLife is how long the URL of an exported file lives.
const urlLife = time.Hour

// Routes returns the routes of the API.
func Routes(config Config) []api.Route {
	h := &handlers{engine: config.Engine, links: config.Links}
	var routes []api.Route
	for _, path := range []string{"/api/files/export", "/files/export"} {
		routes = append(routes, api.Route{Method: http.MethodPost, Path: path, Scope: engine.ScopeFileRead, Manner: api.Workspaces,
			Summary: "Export a file from a computer's home", Body: bodySchema, Answer: Export{}, Handle: h.export})
	}
	return routes
}

var bodySchema = map[string]any{"type": "object", "required": []string{"desktopId", "path"}, "properties": map[string]any{
	"desktopId": map[string]any{"type": "string", "description": "The name or id of a workspace."},
	"path":      map[string]any{"type": "string", "description": "From the home, after ~/ or in full."},
	"archive":   map[string]any{"type": "boolean", "description": "Whether a folder comes as a ZIP file."},
}}

// Export is the answer.
type Export struct {
	Success bool         `json:"success"`
	File    ExportedFile `json:"file"`
	URL     string       `json:"url"`
}

// ExportedFile is a file on the wire.
type ExportedFile struct {
	ID          engine.ID `json:"id"`
	Filename    string    `json:"filename"`
	SizeBytes   int64     `json:"size_bytes"`
	ContentType string    `json:"content_type"`
	CreatedAt   string    `json:"created_at"`
}

// request is the body.
type request struct {
	DesktopID string `json:"desktopId"`
	Path      string `json:"path"`
	Archive   bool   `json:"archive"`
}

func parse(body []byte) (r request, err error) {
	if json.Unmarshal(body, &r) != nil {
		return r, engine.Wrap(api.ErrMalformed, engine.Invalid,
			"The request body must be a JSON object with the texts desktopId and path.")
	}
	var problems []param.Problem
	if r.DesktopID == "" {
		problems = append(problems, param.Problemf("desktopId", "is required"))
	}
	if r.Path == "" {
		problems = append(problems, param.Problemf("path", "is required"))
	}
	if len(problems) > 0 {
		return r, engine.InvalidParams(problems)
	}
	return r, nil
}

func (h *handlers) export(c *api.Call) error {
	var asked request
	err := c.WithBody(func(body []byte) (err error) {
		asked, err = parse(body)
		return err
	})
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if _, err := h.engine.Store.Workspaces.Workspace(ctx, c.Key.User, asked.DesktopID); err != nil {
		return err
	}
	t, err := h.fetch(ctx, c.Key.User, asked)
	if err != nil {
		return err
	}
	if t.Status != engine.StatusFinished || t.Result == nil || len(t.Result.Files) == 0 {
		return engine.Errorf(t.Code, "%s", t.Message)
	}
	f := t.Result.Files[0]
	return c.Reply(http.StatusOK, Export{Success: true, URL: h.links.Download(t.ID, f.Name, h.now().Add(urlLife)), File: ExportedFile{
		ID: f.ID, Filename: f.Name, SizeBytes: f.Size, ContentType: f.MIME, CreatedAt: t.EndedAt.UTC().Format(time.RFC3339)}})
}

func (h *handlers) now() time.Time {
	if h.engine.Now == nil {
		return time.Now()
	}
	return h.engine.Now()
}

// fetch runs an ordinary task that imports the file, and waits for its end. Nobody else waits for it: when the caller goes
// away, it is cancelled.
func (h *handlers) fetch(ctx context.Context, user engine.UserID, asked request) (engine.Task, error) {
	params, err := json.Marshal(map[string]any{"workspace": asked.DesktopID, "path": asked.Path, "archive": asked.Archive, "single": true})
	if err != nil {
		return engine.Task{}, err
	}
	job, err := h.engine.Submit(ctx, user, engine.Submission{Hidden: true,
		Tasks: []engine.TaskSpec{{Operation: "import/workspace", Params: params}}})
	if err != nil {
		return engine.Task{}, err
	}
	t, err := h.engine.WaitTask(ctx, user, job.Tasks[0].ID)
	if ctx.Err() != nil {
		_, _ = h.engine.Cancel(context.WithoutCancel(ctx), user, job.Tasks[0].ID) // it may have ended, which is as well
	}
	return t, err
}
