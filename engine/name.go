package engine

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is what common file systems hold of a name, in bytes.
const maxName = 255

// CleanName returns the base name of what someone else called a file: the part after the last separator of either kind,
// without control, bidirectional and invalid characters, at most 255 bytes with the extension kept. What leaves nothing is "file".
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(shorten(strings.TrimSpace(name))) // a cut can end in a space
	if strings.Trim(name, ".") == "" {
		return "file"
	}
	return name
}

func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 32 {
		ext = ""
	}
	stem := name[:maxName-len(ext)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ext
}
