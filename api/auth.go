package api

import (
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// authenticate finds out who calls, and whether the key reaches as far as the route. Nothing is remembered, so that a
// revoked key is refused at once.
func (s *server) authenticate(c *Call) error {
	if c.Route.Scope == Public {
		return nil
	}
	header := c.Request.Header.Get("Authorization")
	token, ok := bearer(header)
	if manners[c.Route.Manner].bareToken && !strings.Contains(header, " ") {
		token, ok = header, header != ""
	}
	if !ok {
		return engine.Errorf(engine.Unauthorized, "Unauthenticated.")
	}
	key, err := s.Engine.Authenticate(c.Request.Context(), token)
	if err != nil {
		return err
	}
	c.Key = key
	return c.Route.allows(key)
}

// bearer returns the token of an Authorization header (RFC 6750).
func bearer(header string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "bearer") && token != ""
}
