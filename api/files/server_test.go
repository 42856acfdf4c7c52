package files_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/apitest"
	"github.com/gantry-engine/gantry/api/files"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// client calls a server as a user who is a member of one organisation.
type client struct {
	*apitest.Client
	organisation engine.ID
}

// start returns clients of two organisations at one server.
func start(t *testing.T) (mine, theirs *client) {
	t.Helper()
	s := enginetest.Start(t, append(imports.All(http.DefaultClient), export.File())...)
	c := apitest.Serve(t, s, "", func(p apitest.Parts) []api.Route {
		return files.Routes(files.Config{Engine: p.Engine, Links: p.Links, Signer: p.Signer, PublicURL: p.PublicURL})
	})
	other := *c
	mine, theirs = &client{Client: c}, &client{Client: &other}
	mine.join(t, "me", engine.Scopes()...)
	theirs.join(t, "them", engine.Scopes()...)
	return mine, theirs
}

// join makes the client a user with a key and an organisation of its own.
func (c *client) join(t *testing.T, name string, scopes ...string) {
	t.Helper()
	c.Token = c.Key(t, name, scopes...)
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

// metadata is a file on the wire.
type metadata struct {
	Name       string `json:"name"`
	Filename   string `json:"filename"`
	MIMEType   string `json:"mime_type"`
	SizeBytes  string `json:"size_bytes"`
	CreateTime string `json:"create_time"`
}

func (m metadata) id() string { return m.Name[strings.LastIndexByte(m.Name, '/')+1:] }

// metadataOf decodes an answer.
func metadataOf(t *testing.T, a apitest.Answer) metadata {
	t.Helper()
	var m metadata
	if err := json.Unmarshal([]byte(a.Body), &m); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s (%v)", a.Status, a.Body, err)
	}
	return m
}

// text is a member of the answer that is a string.
func text(t *testing.T, a apitest.Answer, name string) string {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal([]byte(a.Body), &members); err != nil || members[name] == "" {
		t.Fatalf("got %d %s, want a %s", a.Status, a.Body, name)
	}
	return members[name]
}

// files is the path of the organisation's files, with more behind it.
func (c *client) files(more string) string {
	return "/api/v1/organizations/" + string(c.organisation) + "/files" + more
}

// upload stores a file.
func (c *client) upload(t *testing.T, name, content string) metadata {
	t.Helper()
	return metadataOf(t, c.Call(t, "POST", c.files(":upload?filename="+name), content, "Content-Type", "text/plain"))
}
