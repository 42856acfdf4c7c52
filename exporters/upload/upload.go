// Package upload is the exporter to any URL by HTTP PUT, such as presigned ones of storage systems. On the wire are the
// method, the URL's own bytes, Host, Content-Length and the task's headers; a user in the URL is sent as basic authentication.
package upload

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Params are the parameters of export/upload. URL is no Secret, so that the API can show where a file went;
// param.RedactURL hides its user and query there.
type Params struct {
	URL     string                  `json:"url" doc:"The http or https URL to send the PUT request to, for example a presigned one. Its bytes are sent as they are." rule:"required,role=address"`
	Headers map[string]param.Secret `json:"headers" doc:"Headers to send with the request; none is added. Azure's signed URLs need x-ms-blob-type: BlockBlob." rule:"role=credential"`
}

// Definition returns the definition of the kind upload.
func Definition() exporters.Definition {
	def := exporters.Define("upload", "Sends a file to a URL by HTTP PUT.", Params{}, open)
	def.Single = true
	def.Promises = exporters.Promises{
		NotAtomic:  "whether a reader can see half a body is up to the server behind the URL",
		NoResume:   "HTTP PUT has no way to go on in the middle",
		LateCommit: "a PUT to a URL bears no condition",
	}
	def.Validate = exporters.ValidateWith(Params.problems)
	def.Check = exporters.CheckWith(check)
	return def
}

// ours are the headers that say how the body is sent, which follows from the file.
var ours = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Trailer": true}

func (p Params) problems() (problems []param.Problem) {
	if _, err := target(p.URL); err != nil {
		problems = append(problems, param.Problemf("url", "%s", complaint(err)))
	}
	for name, value := range p.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Reveal()):
			problems = append(problems, param.Problemf("headers", "has %q, which cannot be sent: names are letters, digits and "+
				"!#$%%&'*+-.^_`|~, values are without line breaks and other control characters", name))
		case ours[http.CanonicalHeaderKey(name)]:
			problems = append(problems, param.Problemf("headers", "has %q, which is not the task's to set: it follows from the file", name))
		}
	}
	return problems
}

// complaint says what is wrong with a URL without showing any of it.
func complaint(err error) string {
	if escape := url.EscapeError(""); errors.As(err, &escape) {
		return "has a % without two hexadecimal digits behind it; one that belongs to a name is written %25"
	}
	return "must be an http or https URL with a host, without line breaks and the like"
}

func open(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) {
	return &sender{client: env.HTTP, params: p}, nil
}

// target parses a URL so that its own bytes are what is sent: net/url alone would encode some characters anew, which breaks
// signatures.
func target(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" || u.Hostname() == "" {
		return nil, url.InvalidHostError(u.Host)
	}
	_, rest, _ := strings.Cut(raw, "://")
	exact(u, rest[strings.IndexFunc(rest+"/", func(r rune) bool { return strings.ContainsRune("/?#", r) }):])
	return u, nil
}

// exact makes u send the bytes of what follows the host of a URL: path and query, without the fragment.
func exact(u *url.URL, rest string) {
	rest, _, _ = strings.Cut(rest, "#")
	path, query, asked := strings.Cut(rest, "?")
	if path == "" {
		path = "/"
	}
	u.RawQuery, u.ForceQuery = sendable(query), asked && query == ""
	u.Fragment, u.RawFragment = "", ""
	if !strings.HasPrefix(path, "//") { // as Opaque that would stand for a host; net/url leaves nearly all of it as it is
		u.Opaque = sendable(path)
	}
}

// sendable encodes what cannot stand in a request line: spaces, control characters and what is not ASCII.
func sendable(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
