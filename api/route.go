package api

import (
	"net/http"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// Public is the scope of a route that needs no key.
const Public = "public"

const syncPrefix = "/sync"

// Route is one method and path of an API. The server mounts it, the API's document describes it.
type Route struct {
	Method  string // GET routes answer HEAD too
	Path    string // such as /v2/jobs/{id} or /v1/files/{id}:download; no other colons, no asterisks
	Scope   string // that the caller's key must have, or Public
	OrScope string // another one that will do; empty if none
	Manner  Manner // of the API that the route belongs to
	Summary string
	Query   []Query        // what the query may hold
	Headers []Query        // what else is read of the request
	Body    map[string]any // JSON Schema of the request; nil without one
	Raw     bool           // the request may also be the bytes of a file
	Status  int            // of success; 0 is 200
	Answer  any            // a value of the type that success is answered with, or Bytes; nil without one
	Handle  func(*Call) error
}

// Bytes is the Answer of a route that answers with a file.
type Bytes struct{}

// Query is one parameter of a query string, or a header.
type Query struct{ Name, Doc string }

// waits reports whether a request for that host waits for the end of what it asks for: its first label is sync, or its
// second after a region. The public host never does, so that a server may be called sync.example.org.
func (s *server) waits(host string) bool {
	name := strings.ToLower(host)
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, ']') {
		name = name[:at]
	}
	if name == s.publicHost {
		return false
	}
	labels := strings.Split(name, ".")
	return labels[0] == "sync" || len(labels) > 2 && labels[1] == "sync"
}

// success is the status of an answer that is no error.
func (r Route) success() int {
	if r.Status == 0 {
		return http.StatusOK
	}
	return r.Status
}

// allows reports whether the key may call the route, as the error to answer with if it may not.
func (r Route) allows(key engine.Key) error {
	for _, scope := range key.Scopes {
		if scope == r.Scope || r.OrScope != "" && scope == r.OrScope {
			return nil
		}
	}
	return engine.Errorf(engine.Denied, "The API key lacks the scope %s.", r.Scope)
}
