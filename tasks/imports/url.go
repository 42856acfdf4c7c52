package imports

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// URL is no Secret, so that the API can show where a file came from; param.RedactURL hides its user and query there.
type urlParams struct {
	URL      string                  `json:"url" doc:"The http or https URL of the file. A user in it is sent as basic authentication." rule:"required,role=address"`
	FileName string                  `json:"filename" doc:"The file's name, with its extension; by default what the server or the URL calls it."`
	Headers  map[string]param.Secret `json:"headers" doc:"Headers to send with the request."`
}

func fromURL(client *http.Client) engine.Operation {
	op := engine.Define("import/url", "Downloads a file from a URL.", engine.LaneNet, urlParams{}, importer{client})
	op.Source = true
	op.Check = engine.CheckWith(urlParams.check)
	return op
}

func (p urlParams) check([]engine.File) (problems []param.Problem) {
	if u, err := url.Parse(strings.TrimSpace(p.URL)); err != nil || !isWeb(u.String()) {
		problems = append(problems, param.Problemf("url", "must be an http or https URL with a host"))
	}
	for name, value := range p.Headers {
		if !isToken(name) || strings.ContainsFunc(value.Reveal(), isControl) {
			problems = append(problems, param.Problemf("headers", "has %q, which cannot be sent: names are letters, digits and "+
				"!#$%%&'*+-.^_`|~, values are without control characters", name))
		}
	}
	return problems
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isToken reports whether name can be that of a header (RFC 9110, 5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

type importer struct{ client *http.Client }

// Run downloads the file.
func (i importer) Run(ctx context.Context, run *engine.Run, p urlParams) (engine.Result, error) {
	d := &download{ctx: ctx, client: i.client, params: p, limits: run.Limits(),
		progress: func(percent int) { run.Progress(percent, "") }}
	if err := d.open(); err != nil {
		return engine.Result{}, err
	}
	defer d.Close()
	name := p.FileName
	if name == "" {
		name = nameOf(d.first)
	}
	content, err := d.content(name)
	if err != nil {
		return engine.Result{}, err
	}
	f, err := run.Create(ctx, name, content)
	if err != nil {
		return engine.Result{}, err
	}
	if p.FileName == "" && path.Ext(f.Name) == "" {
		f.Name = engine.CleanName(f.Name + engine.Extension(f.MIME))
	}
	return engine.Result{Files: []engine.File{f}}, nil
}
