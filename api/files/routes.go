// Package files is the API of files that belong to an organisation: raw uploads and downloads, metadata, and signed URLs for
// those without a key. Its bodies are those of protobuf messages in JSON.
package files

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

// Config is what the API stands on.
type Config struct {
	Engine    *engine.Engine
	Links     *downloads.Links // to what is downloaded
	Signer    *link.Signer     // of the URLs for uploads
	PublicURL string           // under which clients reach the server
}

type handlers struct {
	engine *engine.Engine
	links  *downloads.Links
	signer *link.Signer
	base   string
}

const (
	prefix   = "/api/v1/organizations/{organization_id}/files"
	incoming = "/api/v1/uploads/{organization_id}/{file}"
)

// Routes returns the routes of the API.
func Routes(config Config) []api.Route {
	h := &handlers{engine: config.Engine, links: config.Links, signer: config.Signer, base: strings.TrimRight(config.PublicURL, "/")}
	read, write := engine.ScopeFileRead, engine.ScopeFileWrite
	name := api.Query{Name: "filename", Doc: "The file's name; by default that of the Content-Disposition, else file."}
	alt := api.Query{Name: "alt", Doc: "media: the body is the file, also when it is JSON."}
	put := "Upload the file of an upload URL"
	routes := []api.Route{
		{Method: http.MethodPost, Path: prefix + ":upload", Scope: write, Summary: "Upload a file", Raw: true, Body: bodySchema,
			Query: []api.Query{name, alt}, Answer: Metadata{}, Handle: h.upload},
		{Method: http.MethodGet, Path: prefix + "/{file}:download", Scope: read, Summary: "Download a file",
			Answer: api.Bytes{}, Handle: h.download},
		{Method: http.MethodGet, Path: prefix + "/{file}/metadata", Scope: read, Summary: "Show what is known of a file",
			Answer: Metadata{}, Handle: h.metadata},
		{Method: http.MethodDelete, Path: prefix + "/{file}", Scope: write, Summary: "Delete a file",
			Answer: struct{}{}, Handle: h.remove},
		{Method: http.MethodPost, Path: prefix + ":generateUploadUrl", Scope: write,
			Summary: "Make a URL to which one file can be uploaded without a key", Body: durationSchema, Answer: uploadURL{},
			Handle: h.uploadURL},
		{Method: http.MethodPost, Path: prefix + "/{file}:generateDownloadUrl", Scope: read,
			Summary: "Make a URL from which a file can be downloaded without a key", Body: durationSchema, Answer: downloadURL{},
			Handle: h.downloadURL},
		{Method: http.MethodPut, Path: incoming, Scope: api.Public, Summary: put, Raw: true, Query: []api.Query{name},
			Answer: Metadata{}, Handle: h.arrive},
		{Method: http.MethodPost, Path: incoming, Scope: api.Public, Summary: put, Raw: true, Query: []api.Query{name},
			Answer: Metadata{}, Handle: h.arrive},
	}
	for i := range routes {
		routes[i].Manner = api.Files
	}
	return routes
}

// Metadata is what is known of a file, on the wire.
type Metadata struct {
	Name       string     `json:"name"` // organizations/ID/files/ID
	Filename   string     `json:"filename"`
	MIMEType   string     `json:"mime_type"`
	SizeBytes  sizeBytes  `json:"size_bytes"`
	CreateTime createTime `json:"create_time"`
}

// sizeBytes is an int64 of protobuf: a string in JSON.
type sizeBytes int64

// MarshalJSON writes the number in quotes.
func (n sizeBytes) MarshalJSON() ([]byte, error) { return api.Encode(strconv.FormatInt(int64(n), 10)) }

// Schema describes the string.
func (sizeBytes) Schema() map[string]any { return map[string]any{"type": "string", "format": "int64"} }

// createTime is a time of protobuf (RFC 3339).
type createTime time.Time

// MarshalJSON writes the time in UTC.
func (t createTime) MarshalJSON() ([]byte, error) {
	return api.Encode(time.Time(t).UTC().Format(time.RFC3339Nano))
}

// Schema describes the time.
func (createTime) Schema() map[string]any {
	return map[string]any{"type": "string", "format": "date-time"}
}

func metadataOf(f engine.StoredFile) Metadata {
	return Metadata{
		Name:     "organizations/" + string(f.Organisation) + "/files/" + string(f.ID),
		Filename: f.Name, MIMEType: f.ContentType, SizeBytes: sizeBytes(f.Size), CreateTime: createTime(f.CreatedAt),
	}
}

type uploadURL struct {
	UploadURI string `json:"upload_uri"`
}

type downloadURL struct {
	DownloadURI string `json:"download_uri"`
}

// organisation returns that of the path, if the caller is a member. All others are not there.
func (h *handlers) organisation(c *api.Call) (engine.ID, error) {
	id, ok := engine.ParseID(c.Param("organization_id"))
	if !ok {
		return "", engine.Errorf(engine.NotFound, "There is no such organisation.")
	}
	return id, h.engine.Store.Organisations.Member(c.Request.Context(), id, c.Key.User)
}

// file returns that of the path.
func (h *handlers) file(c *api.Call) (engine.StoredFile, error) {
	organisation, err := h.organisation(c)
	if err != nil {
		return engine.StoredFile{}, err
	}
	none := engine.Errorf(engine.NotFound, "There is no such file.")
	id, ok := engine.ParseID(c.Param("file"))
	if !ok {
		return engine.StoredFile{}, none
	}
	f, err := h.engine.StoredFile(c.Request.Context(), c.Key.User, id)
	if err == nil && f.Organisation != organisation {
		err = none
	}
	return f, err
}

func (h *handlers) metadata(c *api.Call) error {
	f, err := h.file(c)
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, metadataOf(f))
}

func (h *handlers) download(c *api.Call) error {
	f, err := h.file(c)
	if err != nil {
		return err
	}
	d, err := h.engine.OpenStored(c.Request.Context(), f.ID)
	if err != nil {
		return err
	}
	return downloads.Serve(c.Direct(), c.Request, h.engine, d)
}

func (h *handlers) remove(c *api.Call) error {
	f, err := h.file(c)
	if err != nil {
		return err
	}
	if err := h.engine.Store.Organisations.RemoveFile(c.Request.Context(), f.ID); err != nil {
		return err
	}
	return c.Reply(http.StatusOK, struct{}{})
}
