package imports

import (
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/engine"
)

// nameOf returns what a file is called that came with resp: what the server says, else the last segment of the URL that
// was found after all redirects, or of the one that was asked for if only that has an extension, else "file".
func nameOf(resp *http.Response) string {
	if name := dispositionName(resp.Header.Get("Content-Disposition")); name != "" {
		return name
	}
	name := lastSegment(resp.Request.URL)
	if path.Ext(name) != "" {
		return name
	}
	first := resp
	for first.Request.Response != nil {
		first = first.Request.Response
	}
	if asked := lastSegment(first.Request.URL); name == "" || path.Ext(asked) != "" {
		name = asked
	}
	if name == "" {
		return "file"
	}
	return name
}

func lastSegment(u *url.URL) string {
	_, segment := path.Split(u.EscapedPath())
	name, err := url.PathUnescape(segment)
	if err != nil {
		name = segment
	}
	return cleaned(name)
}

// dispositionName returns the file name of a Content-Disposition (RFC 6266), also of those that do not keep to the
// grammar, or nothing.
func dispositionName(value string) string {
	if _, params, err := mime.ParseMediaType(value); err == nil && params["filename"] != "" {
		name := params["filename"]
		if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
			name = decoded
		}
		return cleaned(fromLatin1(name))
	}
	i := strings.Index(strings.ToLower(value), "filename=")
	if i < 0 {
		return ""
	}
	name := value[i+len("filename="):]
	if quoted, ok := strings.CutPrefix(name, `"`); ok {
		name, _, _ = strings.Cut(quoted, `"`)
	} else {
		name, _, _ = strings.Cut(name, ";")
	}
	return cleaned(fromLatin1(strings.TrimSpace(name)))
}

// fromLatin1 reads bytes that are not UTF-8 as ISO-8859-1, which headers once were.
func fromLatin1(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// cleaned is engine.CleanName, but nothing where that finds no name.
func cleaned(name string) string {
	if name == "" {
		return ""
	}
	if clean := engine.CleanName(name); clean != "file" {
		return clean
	}
	return ""
}
