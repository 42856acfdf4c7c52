package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ncw/swift/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// byStatus are the statuses that mean something else with Swift than elsewhere.
var byStatus = map[int]engine.Code{
	http.StatusUnprocessableEntity: engine.Unavailable, // an ETag differs
	499:                            engine.Unavailable, // it heard us hang up
}

// fault returns the error for a call that failed, with what it was to do: write, read, list or delete.
func (c *client) fault(ctx context.Context, err error, headers swift.Headers, verb string) error {
	var ours *engine.Error
	status := statusOf(err)
	if status == 0 || ctx.Err() != nil || errors.As(err, &ours) {
		return exporters.Fault(ctx, err, "The object store")
	}
	code, known := byStatus[status]
	if !known {
		code = exporters.Classify(status)
	}
	cause := fmt.Errorf("swift answered %d to transaction %s", status, headers["X-Trans-Id"])
	failure := engine.Wrap(cause, code, "%s", c.explain(status, err, verb))
	if engine.Retryable(failure) {
		failure.RetryAfter = exporters.RetryAfter(headers["Retry-After"])
	}
	return failure
}

func (c *client) explain(status int, err error, verb string) string {
	token, _ := c.keystone.current()
	project := token.name()
	switch {
	case status == http.StatusUnauthorized:
		return "The object store does not take the token that the identity service gave."
	case status == http.StatusForbidden:
		return fmt.Sprintf("The user may not %s in the container %q: it needs a role such as member or swiftoperator in the project %s, "+
			"or to be named in the container's access list.", verb, c.place.Container, project)
	case status == http.StatusNotFound && verb == "read":
		return fmt.Sprintf("There is no such object, or no container %q, in the project %s and the region %q.", c.place.Container, project, c.place.Region)
	case status == http.StatusNotFound:
		return fmt.Sprintf("There is no container %q in the project %s and the region %q. It has to be made first.",
			c.place.Container, project, c.place.Region)
	case status == http.StatusConflict && verb == "read":
		return "The object cannot be read: some of its segments are missing or were changed."
	case status == http.StatusPreconditionFailed && verb == "read":
		return "The object was changed while it was read."
	case status == http.StatusRequestEntityTooLarge:
		return said("The object store refuses the file as too large, or a quota is used up", c.sentence(err))
	case status == http.StatusUnprocessableEntity:
		return "The file was damaged on its way to Swift."
	}
	return said(fmt.Sprintf("The object store answered %d", status), c.sentence(err))
}

func said(what, sentence string) string {
	return strings.TrimRight(what+": "+sentence, " :.") + "."
}

// mostSaid is how much is shown of what the service says, in bytes.
const mostSaid = 300

// sentence is what the service says with a refusal as plain text, without credentials. Its pages of HTML say nothing.
func (c *client) sentence(err error) string {
	var refused *swift.Error
	if !errors.As(err, &refused) {
		return ""
	}
	text := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), refused.Error())), " ")
	text = strings.TrimPrefix(text, ": ")
	token, _ := c.keystone.current()
	for _, secret := range []string{c.place.Password.Reveal(), c.place.AppSecret.Reveal(), token.id} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	if strings.HasPrefix(text, "<") || len(text) > mostSaid {
		return ""
	}
	return text
}
