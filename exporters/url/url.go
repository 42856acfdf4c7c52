// Package url is the exporter to a temporary URL of this server.
package url

import (
	"context"
	"fmt"

	"github.com/gantry-engine/gantry/engine"
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
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) {
			return keeper{inline: p.Inline, anything: env.OwnDownloadHost}, nil
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
type keeper struct {
	inline   bool
	anything bool // active types may be displayed too
}

// Export implements exporters.Exporter.
func (k keeper) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	receipt := exporters.Receipt{Kept: true, Inline: k.inline}
	if !k.inline || k.anything {
		return receipt, nil
	}
	active, err := isActive(ctx, d)
	if active {
		receipt.Remark = fmt.Sprintf("%s is saved rather than displayed: browsers run what is in a file of this kind, so it is only "+
			"displayed on a host of its own. The server's operator can set one with --downloads-url.", d.File.Name)
	}
	return receipt, err
}

// isActive asks what the downloads will ask.
func isActive(ctx context.Context, d exporters.Delivery) (bool, error) {
	if engine.Active(d.File.MIME) {
		return true, nil
	}
	src, err := d.OpenSeeker(ctx)
	if err != nil {
		return false, err
	}
	defer src.Close()
	return engine.RunsScript(d.File.MIME, src, d.File.Size)
}

// Close implements exporters.Exporter.
func (keeper) Close() error { return nil }
