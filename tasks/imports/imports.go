// Package imports holds the operations that bring files in from the web, from an upload form, from an
// organisation and from the job itself.
// What reads storage systems is made from the exporters' list.
package imports

import (
	"context"
	"net/http"

	"github.com/gantry-engine/gantry/engine"
)

// All returns the operations. Client makes the calls of import/url: it decides which addresses may be called and how
// redirects are followed, and must undo no compression.
func All(client *http.Client) []engine.Operation {
	return []engine.Operation{fromURL(client), fromUpload(), fromBase64(), fromRaw(), fromFile()}
}

// passOn is the handler of operations whose file is there before they run.
func passOn[P any](ctx context.Context, run *engine.Run, _ P) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Files: files}, nil
}
