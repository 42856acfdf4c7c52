package workspaces_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/apitest"
	"github.com/gantry-engine/gantry/api/workspaces"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// client calls a server as a user with a computer.
type client struct {
	*apitest.Client
	home      string
	workspace engine.Workspace
}

func start(t *testing.T) *client {
	t.Helper()
	s := enginetest.Start(t, imports.Workspace(sftp.Definition().Reading, exporters.Env{}))
	c := &client{home: t.TempDir(), Client: apitest.Serve(t, s, "", func(p apitest.Parts) []api.Route {
		return workspaces.Routes(workspaces.Config{Engine: p.Engine, Links: p.Links})
	})}
	var err error
	c.workspace, err = c.RegisterWorkspace(t.Context(), engine.Workspace{Name: "desk", Owner: c.User, Home: c.home, HomeAs: "/home/user"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Desktop/results.txt": "results", "page.html": "<script>1</script>"} {
		at := filepath.Join(c.home, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestExport(t *testing.T) {
	c := start(t)
	for _, path := range []string{"/api/files/export", "/files/export"} {
		for _, id := range []string{"desk", string(c.workspace.ID)} {
			a := c.Call(t, "POST", c.URL+path, `{"desktopId":"`+id+`","path":"Desktop/results.txt"}`, "Authorization", c.Token)
			var got struct {
				Success bool
				File    struct {
					ID          string
					Filename    string
					SizeBytes   int    `json:"size_bytes"`
					ContentType string `json:"content_type"`
					CreatedAt   string `json:"created_at"`
				}
				URL string
			}
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != 200 {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			_, known := engine.ParseID(got.File.ID)
			_, err := time.Parse(time.RFC3339, got.File.CreatedAt)
			if !got.Success || !known || got.File.Filename != "results.txt" || got.File.SizeBytes != 7 || got.File.ContentType != "text/plain" || err != nil {
				t.Errorf("got %s", a.Body)
			}
			if a := c.Call(t, "GET", got.URL, "", "Authorization", ""); a.Status != 200 || a.Body != "results" {
				t.Errorf("its URL: got %d %s", a.Status, a.Body)
			}
			c.Clock.Advance(59 * time.Minute)
			if a := c.Call(t, "GET", got.URL, "", "Authorization", ""); a.Status != 200 {
				t.Errorf("its URL after 59 minutes: got %d", a.Status)
			}
			c.Clock.Advance(2 * time.Minute)
			if a := c.Call(t, "GET", got.URL, "", "Authorization", ""); a.Status != 403 {
				t.Errorf("its URL after an hour: got %d", a.Status)
			}
		}
	}
	a := c.Call(t, "POST", c.URL+"/files/export", `{"desktopId":"desk","path":"~","archive":true}`, "Authorization", c.Token)
	if !strings.Contains(a.Body, `"filename":"user.zip"`) || !strings.Contains(a.Body, `"content_type":"application/zip"`) {
		t.Errorf("archive: got %s", a.Body)
	}
}

func TestRefusals(t *testing.T) {
	c := start(t)
	if _, err := c.RegisterWorkspace(t.Context(), engine.Workspace{Name: "off", Owner: c.User, Home: c.home + "/none", HomeAs: "/home/user"}, nil); err != nil {
		t.Fatal(err)
	}
	stranger, reader := c.Key(t, "stranger", engine.Scopes()...), c.Key(t, "tester", engine.ScopeFileWrite)
	for _, tt := range []struct {
		name, body, key string
		status          int
		says            string
	}{
		{"no JSON", "{", c.Token, 400, "JSON object"},
		{"no body", "", c.Token, 400, "JSON object"},
		{"nothing asked", "{}", c.Token, 400, "desktopId is required; path is required."},
		{"of another type", `{"desktopId":"desk","path":7}`, c.Token, 400, "JSON object"},
		{"no workspace", `{"desktopId":"none","path":"x"}`, c.Token, 404, "no such workspace"},
		{"a stranger's", `{"desktopId":"desk","path":"Desktop/results.txt"}`, stranger, 404, "no such workspace"},
		{"a stranger's by id", `{"desktopId":"` + string(c.workspace.ID) + `","path":"Desktop/results.txt"}`, stranger, 404, "no such workspace"},
		{"no file", `{"desktopId":"desk","path":"none"}`, c.Token, 404, "no file"},
		{"outside", `{"desktopId":"desk","path":"/etc/passwd"}`, c.Token, 403, "outside"},
		{"dots", `{"desktopId":"desk","path":"\u002e\u002e/x"}`, c.Token, 403, "outside"},
		{"a folder", `{"desktopId":"desk","path":"Desktop"}`, c.Token, 400, "folder"},
		{"a pattern is a name", `{"desktopId":"desk","path":"Desktop/*"}`, c.Token, 404, "no file"},
		{"away", `{"desktopId":"off","path":"x"}`, c.Token, 409, "The computer is not running."},
		{"no key", `{"desktopId":"desk","path":"x"}`, "", 401, "Unauthenticated."},
		{"no scope", `{"desktopId":"desk","path":"x"}`, reader, 403, "file:read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := c.Call(t, "POST", c.URL+"/api/files/export", tt.body, "Authorization", tt.key)
			var got struct {
				Success *bool
				Error   string
			}
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || got.Success == nil || *got.Success {
				t.Fatalf("got %s", a.Body)
			}
			if a.Status != tt.status || !strings.Contains(got.Error, tt.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			if strings.Contains(a.Body, c.home) {
				t.Errorf("a path of the machine: %s", a.Body)
			}
		})
	}
	if a := c.Call(t, "GET", c.URL+"/api/files/export", "", "Authorization", c.Token); a.Status != 405 || !strings.Contains(a.Body, `"success":false`) {
		t.Errorf("GET: got %d %s", a.Status, a.Body)
	}
}
