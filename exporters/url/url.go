// Package url is the exporter to a temporary URL of this server.
package url

import (
	"context"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Params are the parameters of export/url.
type Params struct {
	Inline bool   `json:"inline" doc:"Ask browsers to display the files instead of saving them."`
	URL    string `json:"url" rule:"hidden"`
}

// Definition returns the definition of the kind url.
func Definition() exporters.Definition {
	def := exporters.Define("url", "Creates temporary URLs from which the files can be downloaded.", Params{},
		func(_ context.Context, _ exporters.Env, p Params) (exporters.Exporter, error) {
			return keeper{p.Inline}, nil
		})
	def.Renames = true
	def.Validate = func(params any) []param.Problem {
		if params.(Params).URL != "" {
			return []param.Problem{param.Problemf("url",
				"is not a parameter of export/url, which makes URLs. To send files to a URL, use the operation export/upload.")}
		}
		return nil
	}
	return def
}

// keeper delivers by doing nothing: the files lie where the links lead.
type keeper struct{ inline bool }

// Export implements exporters.Exporter.
func (k keeper) Export(context.Context, exporters.Delivery) (exporters.Receipt, error) {
	return exporters.Receipt{Kept: true, Inline: k.inline}, nil
}

// Close implements exporters.Exporter.
func (keeper) Close() error { return nil }
