package files_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/api/files"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// client calls a server as a user who is a member of one organisation.
type client struct {
	*enginetest.Server
	url, token   string
	organisation engine.ID
}

// start returns clients of two organisations at one server.
func start(t *testing.T) (mine, theirs *client) {
	t.Helper()
	s := enginetest.Start(t, append(imports.All(http.DefaultClient), export.File())...)
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
		Routes: files.Routes(files.Config{Engine: s.Engine, Links: links, Signer: signer, PublicURL: base}),
	}), log)
	server.Start()
	t.Cleanup(server.Close)
	mine = &client{Server: s, url: base}
	other := *mine
	theirs = &other
	mine.join(t, "me", engine.Scopes()...)
	theirs.join(t, "them", engine.Scopes()...)
	return mine, theirs
}

// join makes the client a user with a key and an organisation of its own.
func (c *client) join(t *testing.T, name string, scopes ...string) {
	t.Helper()
	c.token = c.key(t, name, scopes...)
	user, err := c.UserNamed(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.CreateOrganisation(t.Context(), name+"'s", user.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.organisation = o.ID
}

func (c *client) key(t *testing.T, user string, scopes ...string) string {
	t.Helper()
	token := engine.NewToken()
	if _, err := c.CreateKey(t.Context(), user, token, scopes, time.Time{}); err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// metadata is a file on the wire.
type metadata struct {
	Name       string `json:"name"`
	Filename   string `json:"filename"`
	MIMEType   string `json:"mime_type"`
	SizeBytes  string `json:"size_bytes"`
	CreateTime string `json:"create_time"`
}

func (m metadata) id() string { return m.Name[strings.LastIndexByte(m.Name, '/')+1:] }

func (a answer) metadata(t *testing.T) metadata {
	t.Helper()
	var m metadata
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 {
		t.Fatalf("got %d %s (%v)", a.status, a.body, err)
	}
	return m
}

// text is a member of the answer that is a string.
func (a answer) text(t *testing.T, name string) string {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal([]byte(a.body), &members); err != nil || members[name] == "" {
		t.Fatalf("got %d %s, want a %s", a.status, a.body, name)
	}
	return members[name]
}

// files is the path of the organisation's files, with more behind it.
func (c *client) files(more string) string {
	return "/api/v1/organizations/" + string(c.organisation) + "/files" + more
}

// call sends a request. Headers are pairs of name and value. Addresses without a host are those of the server.
func (c *client) call(t *testing.T, method, address, body string, headers ...string) answer {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = c.url + address
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// upload stores a file.
func (c *client) upload(t *testing.T, name, content string) metadata {
	t.Helper()
	return c.call(t, "POST", c.files(":upload?filename="+name), content, "Content-Type", "text/plain").metadata(t)
}
