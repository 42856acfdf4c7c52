package openstack

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// wrongSum is the MD5 of nothing that is sent.
const wrongSum = "00000000000000000000000000000000"

// check logs in, and tries to write with a checksum that must be found wrong: that needs the container and the right to
// write, and makes nothing.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	c, err := newClient(env, p.Place)
	if err != nil {
		return wrong(err)
	}
	if _, err := c.conn.GetStorageUrl(ctx); err != nil {
		return wrong(c.fault(ctx, err, nil, "read"))
	}
	token, _ := c.keystone.current()
	findings := []exporters.Finding{
		{OK: true, Text: fmt.Sprintf("The identity service takes %s; the project is %s.", p.who(), token.name())},
		{OK: true, Text: fmt.Sprintf("The region %q has an object store, at %s.", p.Region, c.keystone.StorageUrl(false))},
	}
	name := strings.TrimLeft(p.Prefix+"gantry-check-"+uuid.NewString(), "/")
	put := request{method: http.MethodPut, container: p.Container, object: name, headers: headers(engine.File{}, 0, wrongSum)}
	answer, err := c.tell(ctx, put)
	if err == nil {
		err = c.undo(ctx, name)
	} else if statusOf(err) == http.StatusUnprocessableEntity {
		err = nil
	} else {
		err = c.fault(ctx, err, answer, "write")
	}
	if err != nil {
		return append(findings, wrong(err)...)
	}
	findings = append(findings, exporters.Finding{OK: true, Text: fmt.Sprintf("The container %q is there, and the user may write to it.", p.Container)})
	return append(findings, c.checkLimits(ctx))
}

// who is what logs in.
func (p Place) who() string {
	if p.AppID != "" {
		return "the application credential"
	}
	return "the user and the password"
}

// undo removes the empty object of a store that compares no checksum.
func (c *client) undo(ctx context.Context, name string) error {
	answer, err := c.tell(ctx, request{method: http.MethodDelete, container: c.place.Container, object: name})
	if err == nil || statusOf(err) == http.StatusNotFound {
		return nil
	}
	err = c.fault(ctx, err, answer, "delete")
	return engine.Wrap(err, engine.CodeOf(err), "The empty object %q of this check could not be removed. %s", name, engine.MessageOf(err))
}

// checkLimits says what happens to large files.
func (c *client) checkLimits(ctx context.Context) exporters.Finding {
	l, err := c.limits(ctx)
	if err != nil {
		return exporters.Finding{Text: engine.MessageOf(err)}
	}
	if l.segments == 0 {
		return exporters.Finding{Text: fmt.Sprintf("The cluster knows no static large objects: files above %d bytes cannot be exported.", l.object)}
	}
	whole := min(l.object, onePut)
	if _, err = c.glance(ctx, c.place.Container+containerSuffix); err == nil {
		return exporters.Finding{OK: true, Text: fmt.Sprintf("Files above %d bytes go in segments, for which there is the container %q.",
			whole, c.place.Container+containerSuffix)}
	}
	if ctx.Err() != nil {
		return exporters.Finding{Text: engine.MessageOf(context.Cause(ctx))}
	}
	return exporters.Finding{OK: true, Text: fmt.Sprintf("Files above %d bytes go in segments; the first makes the container %q for them, which was not tried.",
		whole, c.place.Container+containerSuffix)}
}

func wrong(err error) []exporters.Finding {
	return []exporters.Finding{{Text: engine.MessageOf(err)}}
}
