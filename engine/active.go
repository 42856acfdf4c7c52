package engine

import (
	"mime"
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
