package imports

import (
	"context"
	"io"
	"net/http"

	"github.com/gantry-engine/gantry/engine"
)

// Fetch is one try of import/url, for tests: what arrived, and the error that it ended with.
func Fetch(ctx context.Context, client *http.Client, address string, limits engine.Limits) ([]byte, error) {
	d := &download{ctx: ctx, client: client, params: urlParams{URL: address}, limits: limits, progress: func(int) {}}
	if err := d.open(); err != nil {
		return nil, err
	}
	defer d.Close()
	return io.ReadAll(d)
}

// FromHome is fromHome, for tests.
func FromHome(w engine.Workspace, asked string) (string, error) { return fromHome(w, true, asked) }
