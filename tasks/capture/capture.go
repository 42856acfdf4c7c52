// Package capture draws pages of the web: capture-website. Chromium reaches them by the egress policy's proxy and has no
// other way out, so redirects, frames, scripts and names that change their address are judged like the page itself.
package capture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/chrome"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Params are what a capture-website task takes.
type Params struct {
	URL           string                  `json:"url" doc:"The http or https URL of the page." rule:"required,role=address"`
	OutputFormat  string                  `json:"output_format" doc:"What the page becomes." rule:"required,oneof=pdf|png|jpg"`
	Engine        string                  `json:"engine" doc:"Which engine draws; there is one." rule:"oneof=chrome"`
	EngineVersion string                  `json:"engine_version" doc:"The version of the engine."`
	Filename      string                  `json:"filename" doc:"Name of the output with its extension; by default after the host of the page."`
	Headers       map[string]param.Secret `json:"headers" doc:"Headers to send with requests to the page's own origin."`
	Pages         string                  `json:"pages" doc:"Which pages of a PDF, such as 1-3,7,9-; by default all."`
	Quality       int                     `json:"quality" doc:"Quality of a jpg." rule:"min=1,max=100"`
	convert.Print
}

// Operation returns the operation "capture-website", and whether it works here: it needs Chromium and bubblewrap. The
// policy of the box is what its proxy obeys, and says why a page cannot be reached.
func Operation(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	h := handler{chrome.NewBrowser(ctx, box, chrome.Online), box.Egress()}
	defaults := Params{Quality: 85, Print: convert.DefaultOptions().Print}
	op := engine.Define("capture-website", "Draw a page of the web.", engine.LaneCPU, defaults, h)
	op.Source = true
	op.Check = engine.CheckWith(h.check)
	op.Rows = h.rows
	return op, h.browser != nil
}

type handler struct {
	browser *chrome.Browser // nil where the operation is only described
	policy  *egress.Policy  // nil where nothing may be called
}

func (h handler) rows() (rows []engine.Row) {
	for _, to := range []convert.Format{"pdf", "png", "jpg"} {
		row := engine.Row{OutputFormat: string(to), Engine: "chrome", Options: chrome.OptionsOf(to)}
		if h.browser != nil {
			row.EngineVersion = h.browser.Version()
		}
		rows = append(rows, row)
	}
	return rows
}

// refusedHeaders concern one connection, or are Chromium's own affair.
var refusedHeaders = []string{"Host", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Accept-Encoding", "Expect"}

func (h handler) check(p Params, _ []engine.File) (problems []param.Problem) {
	if _, err := page(p.URL); err != nil {
		problems = append(problems, param.Problemf("url", "must be an http or https URL with a host"))
	}
	for name, value := range p.Headers {
		if !sendable(name, value.Reveal()) {
			problems = append(problems, param.Problemf("headers", "has %q, which cannot be sent", name))
		}
	}
	if _, err := convert.ParsePages(p.Pages); err != nil {
		problems = append(problems, param.Problemf("pages", "%s", err))
	}
	if chrome.CheckPrint(convert.Format(p.OutputFormat), p.Print) != nil {
		problems = append(problems, param.Problemf("zoom", "must be at most %g for a PDF", chrome.MostZoom))
	}
	if h.browser != nil && p.EngineVersion != "" && p.EngineVersion != h.browser.Version() {
		problems = append(problems, param.Problemf("engine_version", "must be %s or absent: it is what this server has", h.browser.Version()))
	}
	return problems
}

// page reads a URL that can be captured.
func page(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return u, egress.Unrestricted().CheckURL(u)
}

// sendable reports whether a header can be sent (RFC 9110, 5.5 and 5.6.2).
func sendable(name, value string) bool {
	token := name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	control := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	return token && !control && !slices.Contains(refusedHeaders, http.CanonicalHeaderKey(name))
}

// Run captures the page.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	u, err := page(p.URL)
	if err != nil || h.browser == nil {
		return engine.Result{}, engine.InvalidParams(h.check(p, nil))
	}
	if h.policy != nil {
		if err := explained(h.policy.CheckURL(u)); err != nil {
			return engine.Result{}, err
		}
	}
	dir, err := run.Dir()
	if err != nil {
		return engine.Result{}, err
	}
	out := filepath.Join(dir, "page."+p.OutputFormat)
	headers := map[string]string{}
	for name, value := range p.Headers {
		headers[name] = value.Reveal()
	}
	err = h.browser.Draw(ctx, string(run.Task), chrome.Visit{
		URL: u.String(), Headers: headers, Format: convert.Format(p.OutputFormat), Quality: p.Quality,
		Pages: chrome.Pages(convert.Options{Pages: p.Pages}), Print: chrome.Print{Print: p.Print}, Explain: h.explain,
	}, out)
	if err != nil {
		return engine.Result{}, err
	}
	name := p.Filename
	if name == "" {
		name = u.Hostname() + "." + p.OutputFormat
	}
	f, err := run.Adopt(ctx, name, out)
	if err != nil {
		return engine.Result{}, fmt.Errorf("store the output: %w", err)
	}
	return engine.Result{Files: []engine.File{f}, Engine: "chrome", Version: h.browser.Version()}, nil
}

// explain tries to reach what the browser could not.
func (h handler) explain(ctx context.Context, address string) error {
	if h.policy == nil {
		return nil
	}
	conn, err := h.policy.DialContext(ctx, "tcp", address)
	if err != nil {
		return explained(err)
	}
	return conn.Close()
}

// explained is an error of the policy, or of a connection, as one for the person. It tells nothing of what is inside.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, egress.ErrRefused):
		return engine.Wrap(err, engine.Denied, "%s", egress.ErrRefused)
	case errors.Is(err, egress.ErrURL):
		return engine.Wrap(err, engine.Invalid, "%s", egress.ErrURL)
	case errors.Is(err, egress.ErrUnresolved):
		return engine.Wrap(err, engine.Unavailable, "%s", egress.ErrUnresolved)
	}
	return engine.Wrap(err, engine.Unavailable, "The server of the page does not answer.")
}
