package workspaces_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/api/workspaces"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// client calls a server as a user with a computer.
type client struct {
	*enginetest.Server
	url, token, home string
	workspace        engine.Workspace
}

func start(t *testing.T) *client {
	t.Helper()
	s := enginetest.Start(t, imports.Workspace(sftp.Definition().Reading, exporters.Env{}))
	signer, err := link.New(link.Key{ID: "k", Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	log := slog.New(slog.DiscardHandler)
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	links, err := downloads.NewLinks(signer, base)
	if err != nil {
		t.Fatal(err)
	}
	server.Config = api.Server(ctx, api.New(api.Config{
		Engine: s.Engine, Log: log, PublicURL: base, Storage: downloads.New(s.Engine, links, downloads.Options{}),
		Routes: workspaces.Routes(workspaces.Config{Engine: s.Engine, Links: links}),
	}), log)
	server.Start()
	t.Cleanup(server.Close)
	c := &client{Server: s, url: base, home: t.TempDir()}
	c.token = c.key(t, "tester", engine.Scopes()...)
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

func (c *client) key(t *testing.T, user string, scopes ...string) string {
	t.Helper()
	token := engine.NewToken()
	if _, err := c.CreateKey(t.Context(), user, token, scopes, time.Time{}); err != nil {
		t.Fatal(err)
	}
	return token
}

// call sends a request and returns the answer with its body.
func (c *client) call(t *testing.T, method, address, body, authorization string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestExport(t *testing.T) {
	c := start(t)
	for _, path := range []string{"/api/files/export", "/files/export"} {
		for _, id := range []string{"desk", string(c.workspace.ID)} {
			resp, body := c.call(t, "POST", c.url+path, `{"desktopId":"`+id+`","path":"Desktop/results.txt"}`, c.token)
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
			if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 {
				t.Fatalf("got %d %s", resp.StatusCode, body)
			}
			_, known := engine.ParseID(got.File.ID)
			_, err := time.Parse(time.RFC3339, got.File.CreatedAt)
			if !got.Success || !known || got.File.Filename != "results.txt" || got.File.SizeBytes != 7 || got.File.ContentType != "text/plain" || err != nil {
				t.Errorf("got %s", body)
			}
			if resp, body := c.call(t, "GET", got.URL, "", ""); resp.StatusCode != 200 || body != "results" {
				t.Errorf("its URL: got %d %s", resp.StatusCode, body)
			}
			c.Clock.Advance(59 * time.Minute)
			if resp, _ := c.call(t, "GET", got.URL, "", ""); resp.StatusCode != 200 {
				t.Errorf("its URL after 59 minutes: got %d", resp.StatusCode)
			}
			c.Clock.Advance(2 * time.Minute)
			if resp, _ := c.call(t, "GET", got.URL, "", ""); resp.StatusCode != 403 {
				t.Errorf("its URL after an hour: got %d", resp.StatusCode)
			}
		}
	}
	_, body := c.call(t, "POST", c.url+"/files/export", `{"desktopId":"desk","path":"~","archive":true}`, c.token)
	if !strings.Contains(body, `"filename":"user.zip"`) || !strings.Contains(body, `"content_type":"application/zip"`) {
		t.Errorf("archive: got %s", body)
	}
}

func TestRefusals(t *testing.T) {
	c := start(t)
	if _, err := c.RegisterWorkspace(t.Context(), engine.Workspace{Name: "off", Owner: c.User, Home: c.home + "/none", HomeAs: "/home/user"}, nil); err != nil {
		t.Fatal(err)
	}
	stranger, reader := c.key(t, "stranger", engine.Scopes()...), c.key(t, "tester", engine.ScopeFileWrite)
	for _, tt := range []struct {
		name, body, key string
		status          int
		says            string
	}{
		{"no JSON", "{", c.token, 400, "JSON object"},
		{"no body", "", c.token, 400, "JSON object"},
		{"nothing asked", "{}", c.token, 400, "desktopId is required; path is required."},
		{"of another type", `{"desktopId":"desk","path":7}`, c.token, 400, "JSON object"},
		{"no workspace", `{"desktopId":"none","path":"x"}`, c.token, 404, "no such workspace"},
		{"a stranger's", `{"desktopId":"desk","path":"Desktop/results.txt"}`, stranger, 404, "no such workspace"},
		{"a stranger's by id", `{"desktopId":"` + string(c.workspace.ID) + `","path":"Desktop/results.txt"}`, stranger, 404, "no such workspace"},
		{"no file", `{"desktopId":"desk","path":"none"}`, c.token, 404, "no file"},
		{"outside", `{"desktopId":"desk","path":"/etc/passwd"}`, c.token, 403, "outside"},
		{"dots", `{"desktopId":"desk","path":"\u002e\u002e/x"}`, c.token, 403, "outside"},
		{"a folder", `{"desktopId":"desk","path":"Desktop"}`, c.token, 400, "folder"},
		{"a pattern is a name", `{"desktopId":"desk","path":"Desktop/*"}`, c.token, 404, "no file"},
		{"away", `{"desktopId":"off","path":"x"}`, c.token, 409, "The computer is not running."},
		{"no key", `{"desktopId":"desk","path":"x"}`, "", 401, "Unauthenticated."},
		{"no scope", `{"desktopId":"desk","path":"x"}`, reader, 403, "file:read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := c.call(t, "POST", c.url+"/api/files/export", tt.body, tt.key)
			var got struct {
				Success *bool
				Error   string
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || got.Success == nil || *got.Success {
				t.Fatalf("got %s", body)
			}
			if resp.StatusCode != tt.status || !strings.Contains(got.Error, tt.says) {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
			if strings.Contains(body, c.home) {
				t.Errorf("a path of the machine: %s", body)
			}
		})
	}
	if resp, body := c.call(t, "GET", c.url+"/api/files/export", "", c.token); resp.StatusCode != 405 || !strings.Contains(body, `"success":false`) {
		t.Errorf("GET: got %d %s", resp.StatusCode, body)
	}
}
