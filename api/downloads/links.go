package downloads

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

// Prefix is the path, below the base URL, of all links and forms.
const Prefix = "/storage"

// Links renders the links to files and the forms for uploads. It is immutable and safe for concurrent use.
type Links struct {
	signer *link.Signer
	base   string // with Prefix
	path   string // of base, with a slash at its end
}

// NewLinks returns the links of a server that clients reach under base, an absolute http or https URL from the
// configuration: never from a request, whose Host header anybody can choose. Requests must arrive with the host and
// path of base, so a proxy in front has to pass both on.
func NewLinks(signer *link.Signer, base string) (*Links, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the base of links is not a URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("the base of links must be http://HOST or https://HOST, with a path at most: %q", u.Redacted())
	}
	base = strings.TrimRight(base, "/") + Prefix
	return &Links{signer: signer, base: base, path: strings.TrimRight(u.EscapedPath(), "/") + Prefix + "/"}, nil
}

// Download returns the link to the file of that name that the task shows, good until, and not at, the given time.
func (l *Links) Download(task engine.ID, name string, until time.Time) string {
	return l.signer.Sign(l.base, link.Read, until, string(task), name)
}

// Stored returns the link to a file of an organisation, good until, and not at, the given time.
func (l *Links) Stored(file engine.ID, name string, until time.Time) string {
	return l.signer.Sign(l.base, link.Read, until, storedSegment, string(file), name)
}

// storedSegment stands in a path where the id of a task stands in others.
const storedSegment = "files"

// parseStored returns the stored file that the escaped path of a request names.
func (l *Links) parseStored(escapedPath string) (file engine.ID, ok bool) {
	rest, ok := strings.CutPrefix(escapedPath, l.path+storedSegment+"/")
	if !ok {
		return "", false
	}
	first, _, _ := strings.Cut(rest, "/")
	return engine.ParseID(first)
}

// Form returns the upload form of the task, good until, and not at, the given time: the URL to which the file is posted
// and the parameters that are posted before it, or put into the query of a PUT.
func (l *Links) Form(task engine.ID, until time.Time) (url string, parameters []link.Field) {
	return l.signer.SignForm(l.base, until, nil, string(task))
}

// parse returns the task and the file's name that the escaped path of a request names; no name is that of a form.
// Whether the path is the very one that was signed is for the signature to tell.
func (l *Links) parse(escapedPath string) (task engine.ID, name string, ok bool) {
	rest, ok := strings.CutPrefix(escapedPath, l.path)
	if !ok {
		return "", "", false
	}
	first, second, named := strings.Cut(rest, "/")
	if task, ok = engine.ParseID(first); !ok {
		return "", "", false
	}
	name, err := url.PathUnescape(second)
	if err != nil || named && name == "" || strings.Contains(second, "/") {
		return "", "", false
	}
	return task, name, true
}
