package gcs

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// discard cancels a session. That takes its address alone, so it works with a key that was withdrawn meanwhile.
func discard(ctx context.Context, env exporters.Env, p Params, st state) error {
	if st.Session == "" {
		return nil
	}
	c := &client{http: caller(env), place: p.Place}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, st.Session, http.NoBody)
	if err != nil {
		return hidden()
	}
	resp, err := c.send(ctx, req, "abort", []int{statusCancelled, http.StatusOK, http.StatusNoContent, http.StatusNotFound, http.StatusGone})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// check tries the destination by opening a session and cancelling it, which makes no object.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	e, err := open(env, p)
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	if _, _, err := e.bearer(ctx); err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	findings := []exporters.Finding{{OK: true, Text: "Google knows the service account, and takes its key."}}
	name := strings.TrimLeft(p.Prefix+"gantry-check-"+rand.Text(), "/")
	address, err := e.session(ctx, map[string]any{"name": name, "contentType": "text/plain"}, 0, 1)
	if err != nil {
		return append(findings, exporters.Finding{Text: engine.MessageOf(err)})
	}
	findings = append(findings, exporters.Finding{OK: true, Text: fmt.Sprintf("It may create objects in the bucket %q.", p.Bucket)})
	if err := discard(ctx, env, p, state{Session: address}); err != nil {
		findings = append(findings, exporters.Finding{Text: "The upload that was opened to try this could not be cancelled; Google ends it " +
			"after a week. " + engine.MessageOf(err)})
	}
	return append(findings, e.checkReplacing(ctx))
}

// checkReplacing asks what the account may do with objects that exist: trying it would touch one.
func (e *exporter) checkReplacing(ctx context.Context) exporters.Finding {
	needed := []string{"storage.objects.delete", "storage.objects.get"}
	var granted struct {
		Permissions []string `json:"permissions"`
	}
	address := e.root + "/storage/v1/b/" + escape(e.place.Bucket) + "/iam/testPermissions?" + url.Values{"permissions": needed}.Encode()
	if err := e.get(ctx, "look", address, &granted); err != nil {
		return exporters.Finding{OK: true, Text: "Whether it may replace objects is not told, and is not tried, since that would touch one."}
	}
	for _, one := range needed {
		if !slices.Contains(granted.Permissions, one) {
			return exporters.Finding{Text: "It may not replace objects, only create new ones: for that it needs " + one + "."}
		}
	}
	return exporters.Finding{OK: true, Text: "It may replace objects."}
}
