package engine

import (
	"io"
	"mime"
	"regexp"
	"strings"
)

// Active reports whether browsers run what a file of that media type brings along: scripts, or markup that loads
// others. Such a file is not displayed on the host of the API. It stands here because both sides need the one answer:
// downloads decide by it, and an export's task says by it why its link is not inline. It knows types alone; whether a
// PDF holds a script is found by looking into it.
//
// What is not known to be harmless among text, and whatever is made of XML, counts as active. A text that is no media
// type does not: it is only ever sent as application/octet-stream.
func Active(mediaType string) bool {
	base, _, err := mime.ParseMediaType(mediaType)
	kind, sub, ok := strings.Cut(base, "/")
	if err != nil || !ok {
		return false
	}
	switch {
	case strings.HasSuffix(sub, "+xml"), sub == "xml", strings.HasPrefix(sub, "xml-"), strings.Contains(sub, "xsl"):
		return true
	case strings.Contains(sub, "script"), strings.Contains(sub, "html"), strings.Contains(sub, "wasm"):
		return sub != "postscript" // a program for printers; no browser runs it
	case kind == "text":
		return !inertText[sub]
	}
	return kind == "message" || kind == "multipart" || activeApplications[base]
}

var inertText = map[string]bool{
	"plain": true, "csv": true, "tab-separated-values": true, "markdown": true, "calendar": true,
	"vtt": true, "vcard": true, "x-log": true, "rtf": true,
}

var activeApplications = map[string]bool{
	"application/x-mimearchive":           true, // MHTML
	"application/hta":                     true,
	"application/x-shockwave-flash":       true,
	"application/vnd.mozilla.xul":         true,
	"application/x-ms-application":        true,
	"application/x-ms-xbap":               true,
	"application/x-web-app-manifest+json": true,
}

// pdfScript matches the keys under which a PDF keeps a script, and an action that runs when it is opened; an array
// there is but the page to begin with.
var pdfScript = regexp.MustCompile(`/JavaScript\b|/JS\s*(?:\(|<|\d+\s+\d+\s+R)|/OpenAction\s*[^\s\[]`)

// pdfEnds is how much of a PDF is looked at, from its beginning and from its end.
const pdfEnds = 1 << 20

// RunsScript reports whether a file of that media type is a PDF that seems to hold a script. It is a cheap look at both ends: a script in between, in a
// compressed object or under an escaped name is not found, and the viewer's own sandbox then has to do. It leaves the
// reader anywhere.
func RunsScript(mediaType string, pdf io.ReadSeeker, size int64) (bool, error) {
	if !strings.HasPrefix(mediaType, "application/pdf") {
		return false, nil
	}
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
