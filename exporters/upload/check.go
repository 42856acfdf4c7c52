package upload

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// check tries whether the host answers, and reads what a presigned URL says of itself. A PUT would leave a file, and there is
// no right to delete one.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	u, err := target(p.URL)
	if err != nil {
		return []exporters.Finding{{Text: "The URL is not an http or https URL with a host."}}
	}
	findings := []exporters.Finding{reach(ctx, env, u), {OK: true, Text: "The file goes to " + location(u) + "."}}
	if at, ok := expiry(u); ok {
		findings = append(findings, lifetime(at))
	}
	findings = append(findings, p.signed(u)...)
	return append(findings, exporters.Finding{OK: true, Text: "Whether the URL takes a file, and knows the signature or the headers, was not " +
		"tried: that would leave a file there, which a PUT has no right to delete."})
}

func reach(ctx context.Context, env exporters.Env, u *url.URL) exporters.Finding {
	root := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, root.String(), nil)
	if err == nil {
		client := *env.HTTP
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		var resp *http.Response
		if resp, err = client.Do(req); err == nil {
			resp.Body.Close()
			return exporters.Finding{OK: true, Text: "The server " + u.Host + " answers."}
		}
	}
	return exporters.Finding{Text: engine.MessageOf(exporters.Fault(ctx, err, "The server "+u.Host))}
}

func lifetime(at time.Time) exporters.Finding {
	when := at.UTC().Format(time.DateTime) + " UTC"
	if at.Before(time.Now()) {
		return exporters.Finding{Text: "The URL expired at " + when + "; a new one has to be made."}
	}
	return exporters.Finding{OK: true, Text: "The URL holds until " + when + "."}
}

// signed says what a presigned URL will not let through, as far as it shows.
func (p Params) signed(u *url.URL) (findings []exporters.Finding) {
	query, given := u.Query(), []string{"host", "content-length"}
	for name := range p.Headers {
		given = append(given, strings.ToLower(name))
	}
	for _, vendor := range []string{"Amz", "Goog"} {
		for _, name := range strings.FieldsFunc(query.Get("X-"+vendor+"-SignedHeaders"), func(r rune) bool { return r == ';' }) {
			if !slices.Contains(given, strings.ToLower(name)) {
				findings = append(findings, exporters.Finding{Text: fmt.Sprintf("The URL was signed with the header %q, which headers does not have.", name)})
			}
		}
	}
	rights := query.Get("sp")
	if rights == "" || query.Get("sig") == "" {
		return findings
	}
	if !slices.Contains(given, strings.ToLower(azureType)) {
		findings = append(findings, exporters.Finding{Text: "Azure wants the header x-ms-blob-type, which is BlockBlob for a file."})
	}
	if !strings.ContainsAny(rights, "cw") {
		findings = append(findings, exporters.Finding{Text: fmt.Sprintf("The URL is not for writing: its rights are %q, without c (create) or w (write).", rights)})
	}
	return findings
}
