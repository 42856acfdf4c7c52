// Package api is the HTTP edge: it mounts the routes of the APIs below it, knows who calls, turns errors into answers
// and describes itself. What the routes do is said in the packages below.
package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/gantry-engine/gantry/engine"
)

// Config is what a server is made of.
type Config struct {
	Engine    *engine.Engine
	Routes    []Route                     // of all APIs
	Storage   http.Handler                // serves /storage/…, with a writer that allows sendfile; nil: there is none
	Ready     func(context.Context) error // why the server cannot do its work, if it cannot; nil: it always can
	PublicURL string                      // under which clients reach this server; its host never waits as a sync host does
	Version   string                      // of the program, for the API's document
	Log       *slog.Logger
}

// server answers requests. It never changes after New.
type server struct {
	Config
	publicHost string
	document   []byte
	all        []Route
	large      chan struct{} // see Call.WithBody
}

// New returns the handler of all requests. It panics when two routes are the same or one has no scope: these are
// mistakes of the programmer.
func New(config Config) http.Handler {
	s := &server{Config: config, large: make(chan struct{}, largeAtOnce)}
	if u, err := url.Parse(config.PublicURL); err == nil {
		s.publicHost = strings.ToLower(u.Hostname())
	}
	s.all = append(s.routes(), config.Routes...)
	s.document = document(config, s.all)
	return s.observe(s.split(s.router()))
}

// Server returns the recommended server for handler. A request of which the head takes too long is cut; bodies and
// answers have limits of their own, as some wait for hours. When ctx ends, requests that wait for a job are answered,
// so that Shutdown can end.
func Server(ctx context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

// router mounts the routes.
func (s *server) router() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.RedirectTrailingSlash = false
	g.NoRoute(s.stray)
	for _, r := range s.all {
		if r.Scope == "" {
			panic("api: " + r.Method + " " + r.Path + " has no scope")
		}
	}
	s.mount(g)
	return g
}

// split sends stored files past the router, whose writer would hide sendfile. A proxy may have put a path before
// theirs.
func (s *server) split(router http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Storage != nil && strings.Contains(r.URL.Path, "/storage/") {
			s.Storage.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache, private")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		router.ServeHTTP(w, r)
	})
}

// routes are the server's own.
func (s *server) routes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/healthz", Scope: Public, Summary: "Whether the process lives", Answer: ok{},
			Handle: alive},
		{Method: http.MethodGet, Path: "/readyz", Scope: Public, Summary: "Whether the server can do its work",
			Answer: ok{}, Handle: s.ready},
		{Method: http.MethodGet, Path: "/openapi.json", Scope: Public, Summary: "This document", Handle: s.describe},
	}
}

// ok is the answer of the probes.
type ok struct {
	Status string `json:"status"`
}

func alive(c *Call) error { return c.Reply(http.StatusOK, ok{"ok"}) }

func (s *server) ready(c *Call) error {
	if s.Ready != nil {
		if err := s.Ready(c.Request.Context()); err != nil {
			return engine.Wrap(err, engine.Unavailable, "The server is not ready.")
		}
	}
	return c.Reply(http.StatusOK, ok{"ok"})
}

func (s *server) describe(c *Call) error { return c.send(http.StatusOK, s.document) }

func notFound(*Call) error {
	return engine.Errorf(engine.NotFound, "There is nothing at this address.")
}

// noMethod answers OPTIONS, and refuses every other method that a known path does not have. Allow is set.
func noMethod(c *Call) error {
	if c.Request.Method == http.MethodOptions {
		return c.Empty()
	}
	return refusal{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
		"This address takes " + c.Writer.Header().Get("Allow") + "."}
}
