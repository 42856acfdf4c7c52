package downloads

import (
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// The two content security policies. Under the first nothing runs and nothing is loaded, not even by a file that a
// browser takes for a page; but its sandbox keeps the viewers of browsers from playing media and showing PDFs, hence
// the second, for what has nothing to run.
const (
	sandboxed = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
	viewable  = "default-src 'none'; script-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; " +
		"frame-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

// display decides how a browser may treat a file: the type of its disposition, and the policy.
func (h *handler) display(d *engine.Download) (kind, policy string, err error) {
	active := engine.Active(d.MIME)
	if d.Inline && !active {
		if active, err = engine.RunsScript(d.MIME, d.Bytes, d.Size); err != nil {
			return "", "", err
		}
	}
	kind, policy = "attachment", sandboxed
	if d.Inline && (!active || h.options.OwnHost) {
		kind = "inline"
	}
	if !active && d.ContentType == "" && isViewable(d.MIME) {
		policy = viewable
	}
	return kind, policy, nil
}

func isViewable(mime string) bool {
	kind, _, _ := strings.Cut(mime, "/")
	return kind == "image" || kind == "audio" || kind == "video" || strings.HasPrefix(mime, "application/pdf")
}
