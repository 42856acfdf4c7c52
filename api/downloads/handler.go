// Package downloads is the way of files out and in: signed links to what tasks made, and the forms to which uploads are
// sent. Who has a link may use it; nothing here asks for a key, and no cookie is read or set.
package downloads

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Options are the choices of one server.
type Options struct {
	// OwnHost says that the host of the links serves nothing else and no cookie is ever set there. Only then is a file
	// that can run scripts displayed where its export asked for that, in a sandbox; elsewhere it is always saved.
	OwnHost bool
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
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "private")
	task, name, ok := h.links.parse(r.URL.EscapedPath())
	switch {
	case !ok:
		refuseLink(w)
	case name == "":
		h.form(w, r, task)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		h.download(w, r, task, name)
	default:
		wrongMethod(w, "GET, HEAD")
	}
}

func (h *handler) now() time.Time {
	if h.engine.Now == nil {
		return time.Now()
	}
	return h.engine.Now()
}

// refuseLink is the one answer to every link that does not verify, so that it tells nobody what to try next.
func refuseLink(w http.ResponseWriter) {
	fail(w, http.StatusForbidden, engine.Errorf(engine.Denied,
		"This link is not valid or has expired. "+
			"Links must be used unchanged; the task that shows it shows a new one while it exists."))
}

func wrongMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	fail(w, http.StatusMethodNotAllowed, engine.Errorf(engine.Invalid, "This address takes %s only.", allowed))
}

// statuses are those of engine errors that can come up here.
var statuses = map[engine.Code]int{
	engine.Invalid:       http.StatusBadRequest,
	engine.Denied:        http.StatusForbidden,
	engine.NotFound:      http.StatusNotFound,
	engine.Conflict:      http.StatusConflict,
	engine.UploadExpired: http.StatusGone,
	engine.TooLarge:      http.StatusRequestEntityTooLarge,
	engine.Unavailable:   http.StatusServiceUnavailable,
	engine.Timeout:       http.StatusRequestTimeout,
}

// failWith answers with the status of err's code. What nobody foresaw is logged and shown as internal.
func (h *handler) failWith(w http.ResponseWriter, r *http.Request, err error) {
	status, ok := statuses[engine.CodeOf(err)]
	if !ok && r.Context().Err() == nil {
		h.engine.Log.Error("a file could not be handed over", "method", r.Method, "error", err)
	}
	if !ok {
		status = http.StatusInternalServerError
	}
	fail(w, status, err)
}

// fail answers in the manner of the API.
func fail(w http.ResponseWriter, status int, err error) {
	body, _ := json.Marshal(map[string]string{"message": engine.MessageOf(err), "code": string(engine.CodeOf(err))})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Security-Policy", sandboxed)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// contentType returns the media type under which a file is sent: our own finding, never the uploader's word.
func contentType(f engine.File) string {
	switch {
	case f.MIME == "" || strings.ContainsFunc(f.MIME, func(r rune) bool { return r < ' ' || r > '~' }):
		return "application/octet-stream"
	case strings.HasPrefix(f.MIME, "text/") && !strings.Contains(f.MIME, ";"):
		return f.MIME + "; charset=utf-8"
	}
	return f.MIME
}
