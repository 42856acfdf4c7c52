package downloads

import (
	"io"
	"regexp"
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
	if d.Inline && !active && isPDF(d.MIME) {
		if active, err = runsScript(d.Bytes, d.Size); err != nil {
			return "", "", err
		}
	}
	kind, policy = "attachment", sandboxed
	if d.Inline && (!active || h.options.OwnHost) {
		kind = "inline"
	}
	if !active && isViewable(d.MIME) {
		policy = viewable
	}
	return kind, policy, nil
}

func isPDF(mime string) bool { return strings.HasPrefix(mime, "application/pdf") }

func isViewable(mime string) bool {
	kind, _, _ := strings.Cut(mime, "/")
	return kind == "image" || kind == "audio" || kind == "video" || isPDF(mime)
}

// pdfScript matches the keys under which a PDF keeps a script, and an action that runs when it is opened; an array
// there is but the page to begin with.
var pdfScript = regexp.MustCompile(`/JavaScript\b|/JS\s*(?:\(|<|\d+\s+\d+\s+R)|/OpenAction\s*[^\s\[]`)

// pdfEnds is how much of a PDF is looked at, from its beginning and from its end.
const pdfEnds = 1 << 20

// runsScript reports whether a PDF seems to hold a script. It is a cheap look at both ends: a script in between, in a
// compressed object or under an escaped name is not found, and the viewer's own sandbox then has to do. It leaves the
// reader anywhere.
func runsScript(pdf io.ReadSeeker, size int64) (bool, error) {
	for _, from := range []int64{0, max(0, size-pdfEnds)} {
		if _, err := pdf.Seek(from, io.SeekStart); err != nil {
			return false, err
		}
		end, err := io.ReadAll(io.LimitReader(pdf, pdfEnds))
		if err != nil {
			return false, err
		}
		if pdfScript.Match(end) {
			return true, nil
		}
	}
	return false, nil
}
