// Package downloads is the way of files out and in: signed links to what tasks made, and the forms to which uploads are
// sent. Who has a link may use it; nothing here asks for a key, and no cookie is read or set.
package downloads

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// Options are the choices of one server.
type Options struct {
	// OwnHost says that the host of the links serves nothing else and no cookie is ever set there. Only then is a file
	// that can run scripts displayed where its export asked for that, in a sandbox; elsewhere it is always saved.
	OwnHost bool

	// Elsewhere returns an address from which a file that is to be saved can be had until then, with these headers; nil if
	// there is none. When it fails the file is handed out here.
	Elsewhere func(ctx context.Context, blob engine.BlobID, contentType, disposition string, until time.Time) (string, error)
}

// New returns the handler of all paths below Prefix. It must get the http.ResponseWriter of net/http itself: a wrapper
// without ReadFrom keeps files from leaving by sendfile, one without Unwrap keeps stuck clients from being cut. A
// download that has to be broken off ends in a panic with http.ErrAbortHandler, as net/http wants it; whoever recovers
// must let it pass.
func New(e *engine.Engine, links *Links, options Options) http.Handler {
	return &handler{engine: e, links: links, options: options}
}

type handler struct {
	engine  *engine.Engine
	links   *Links
	options Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// First of all, so that errors have them too.
	protect(w)
	if file, ok := h.links.parseStored(r.URL.EscapedPath()); ok {
		h.stored(w, r, file)
		return
	}
	task, name, ok := h.links.parse(r.URL.EscapedPath())
	switch {
	case !ok:
		h.fail(w, r, errLink)
	case name == "":
		h.form(w, r, task)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		h.download(w, r, task, name)
	default:
		h.fail(w, r, wrongMethod(w, "GET, HEAD"))
	}
}

func (h *handler) now() time.Time {
	if h.engine.Now == nil {
		return time.Now()
	}
	return h.engine.Now()
}

// errLink is the one answer to every link that does not verify, so that it tells nobody what to try next.
var errLink = engine.Errorf(engine.Denied, "This link is not valid or has expired. "+
	"Links must be used unchanged; the task that shows it shows a new one while it exists.")

func wrongMethod(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return api.Refusal(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This address takes "+allowed+" only.")
}

// fail answers with an error, as the API does.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Content-Security-Policy", sandboxed)
	api.Fail(w, r, h.engine.Log, err)
}

// contentType returns the media type under which a file is sent: our own finding, never the uploader's word, but for files
// of organisations, which are always saved.
func contentType(d *engine.Download) string {
	switch {
	case d.ContentType != "":
		return d.ContentType
	case d.MIME == "" || strings.ContainsFunc(d.MIME, func(r rune) bool { return r < ' ' || r > '~' }):
		return "application/octet-stream"
	case strings.HasPrefix(d.MIME, "text/") && !strings.Contains(d.MIME, ";"):
		return d.MIME + "; charset=utf-8"
	}
	return d.MIME
}
