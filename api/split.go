package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// lastSegment is the router's name for a last segment that is all literal and has a colon in it.
const lastSegment = "last"

// pattern is the path as the router wants it. It takes every colon for the beginning of a parameter, so a last segment such
// as files:upload or {file}:download becomes a parameter, of which ending must be the end.
func (r Route) pattern() (pattern, ending string) {
	at := strings.LastIndexByte(r.Path, '/') + 1
	head, last := r.Path[:at], r.Path[at:]
	if name, verb, ok := strings.Cut(last, "}:"); ok {
		last, ending = name+"}", ":"+verb
	} else if strings.Contains(last, ":") {
		last, ending = "{"+lastSegment+"}", last
	}
	return strings.NewReplacer("{", ":", "}", "").Replace(head + last), ending
}

// choice is one of the routes that the router cannot tell apart.
type choice struct {
	ending string
	handle gin.HandlerFunc
}

// mount gives the routes to the router, each also under /sync, and each GET also as HEAD.
func (s *server) mount(g *gin.Engine) {
	type place struct{ method, pattern string }
	choices, order := map[place][]choice{}, []place{}
	for _, r := range s.all {
		pattern, ending := r.pattern()
		p := place{r.Method, pattern}
		if choices[p] == nil {
			order = append(order, p)
		}
		if slices.ContainsFunc(choices[p], func(c choice) bool { return c.ending == ending }) {
			panic("api: there are two routes " + r.Method + " " + r.Path)
		}
		if ending == "" {
			choices[p] = append(choices[p], choice{handle: s.handler(r)}) // the last resort
		} else {
			choices[p] = slices.Insert(choices[p], 0, choice{ending, s.handler(r)})
		}
	}
	for _, p := range order {
		handle := s.choose(choices[p])
		for _, prefix := range []string{"", syncPrefix} {
			g.Handle(p.method, prefix+p.pattern, handle)
			if p.method == http.MethodGet {
				g.Handle(http.MethodHead, prefix+p.pattern, handle)
			}
		}
	}
}

// choose runs the route whose ending the last segment has; its parameter is what comes before that.
func (s *server) choose(choices []choice) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, route := range choices {
			if route.ending == "" {
				route.handle(c)
				return
			}
			last := &c.Params[len(c.Params)-1]
			if before, ok := strings.CutSuffix(last.Value, route.ending); ok && (before == "") == (last.Key == lastSegment) {
				last.Value = before
				route.handle(c)
				return
			}
		}
		s.stray(c)
	}
}

// stray answers what no route takes: with the methods that the path has, if it has any.
func (s *server) stray(c *gin.Context) {
	path := strings.TrimPrefix(c.Request.URL.Path, syncPrefix)
	var allowed []string
	for _, r := range s.all {
		if r.matches(path) {
			allowed = append(allowed, r.Method)
			if r.Method == http.MethodGet {
				allowed = append(allowed, http.MethodHead)
			}
		}
	}
	r := Route{Scope: Public, Manner: s.mannerOf(path), Handle: notFound}
	if len(allowed) > 0 {
		slices.Sort(allowed)
		c.Writer.Header().Set("Allow", strings.Join(slices.Compact(allowed), ", "))
		r.Handle = noMethod
	}
	s.handler(r)(c)
}

// matches reports whether the path is one of the route's.
func (r Route) matches(path string) bool {
	want, got := strings.Split(r.Path, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i, segment := range want {
		name, ending, parameter := strings.Cut(segment, "}")
		if !parameter || !strings.HasPrefix(name, "{") {
			if segment != got[i] {
				return false
			}
			continue
		}
		before, ok := strings.CutSuffix(got[i], ending)
		if !ok || before == "" || strings.Contains(before, ":") {
			return false
		}
	}
	return true
}

// mannerOf is that of the API to which the path seems to belong.
func (s *server) mannerOf(path string) Manner {
	begins := func(r Route) int {
		literal, _, _ := strings.Cut(r.Path, "{")
		if !strings.HasPrefix(path, literal) {
			return -1
		}
		return len(literal)
	}
	if len(s.all) == 0 {
		return V2
	}
	best := slices.MaxFunc(s.all, func(a, b Route) int { return cmp.Compare(begins(a), begins(b)) })
	if begins(best) < 0 {
		return V2
	}
	return best.Manner
}
