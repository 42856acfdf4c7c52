package v2

import (
	"maps"
	"slices"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// Result is what a task made, or what it waits for.
type Result struct {
	Form     *form             `json:"form,omitempty"`
	Files    []File            `json:"files,omitzero"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Output   *string           `json:"output,omitempty"`
}

// form is an open upload form. Its parameters are strings, to be sent in their order.
type form struct {
	URL        string     `json:"url"`
	Parameters api.Object `json:"parameters"`
}

// File is a file of a result: an object of scalars, since some clients know no others. What is unknown is absent.
type File struct {
	file engine.File
	url  string
}

// MarshalJSON writes the file, followed by what its destination said of it.
func (f File) MarshalJSON() ([]byte, error) {
	o := api.Object{{Name: "filename", Value: f.file.Name}}
	add := func(name string, value any, known bool) {
		if known {
			o = append(o, api.Member{Name: name, Value: value})
		}
	}
	add("dir", f.file.Dir, f.file.Dir != "")
	add("size", f.file.Size, f.file.Size >= 0)
	add("url", f.url, f.url != "")
	add("md5", f.file.MD5, f.file.MD5 != "")
	for _, name := range slices.Sorted(maps.Keys(f.file.Facts)) {
		taken := slices.ContainsFunc(o, func(m api.Member) bool { return m.Name == name })
		add(name, f.file.Facts[name], !taken)
	}
	return o.MarshalJSON()
}

// Schema describes the object.
func (File) Schema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{
		"type": "object", "required": []string{"filename"},
		"properties": map[string]any{"filename": text, "dir": text, "size": map[string]any{"type": "integer"},
			"url": map[string]any{"type": "string", "format": "uri"}, "md5": text},
		"additionalProperties": text,
	}
}

// result shows what a task has made so far as it may be seen: null before its end but for an upload form.
func (r Renderer) result(t engine.Task) *Result {
	switch {
	case awaits(t):
		return &Result{Form: r.form(t)}
	case !t.Status.Ended():
		return nil
	case t.Result == nil:
		t.Result = &engine.Result{}
	}
	out := &Result{Metadata: t.Result.Metadata, Output: t.Result.Output}
	if t.Status == engine.StatusFinished || len(t.Result.Files) > 0 {
		out.Files = r.files(t)
	}
	if out.Files == nil && out.Output == nil && len(out.Metadata) == 0 {
		return nil
	}
	return out
}

func (r Renderer) form(t engine.Task) *form {
	address, fields := r.Links.Form(t.ID, t.UploadUntil)
	f := &form{URL: address, Parameters: api.Object{}}
	for _, p := range fields {
		f.Parameters = append(f.Parameters, api.Member{Name: p.Name, Value: p.Value})
	}
	return f
}

func (r Renderer) files(t engine.Task) []File {
	files := make([]File, len(t.Result.Files))
	for i, f := range t.Result.Files {
		files[i].file = f
		if f.Link {
			files[i].url = r.Links.Download(t.ID, f.Name, t.ExpiresAt)
		}
	}
	return files
}
