package imports

import (
	"net/url"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

type uploadParams struct {
	Redirect string `json:"redirect" doc:"The http or https URL to which a browser is sent after the upload."`
}

// RedirectURL returns where a browser goes after the upload, or nothing.
func (p uploadParams) RedirectURL() string { return p.Redirect }

func fromUpload() engine.Operation {
	op := engine.Define("import/upload", "Waits for a file that is sent to the task's upload form.",
		engine.LaneNet, uploadParams{}, engine.HandlerFunc[uploadParams](passOn[uploadParams]))
	op.Source, op.Outside = true, true
	op.Check = engine.CheckWith(func(p uploadParams, _ []engine.File) []param.Problem {
		if p.Redirect != "" && !isWeb(p.Redirect) {
			return []param.Problem{param.Problemf("redirect", "must be an http or https URL")}
		}
		return nil
	})
	return op
}

func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
