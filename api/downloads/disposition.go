package downloads

import (
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// Disposition returns the value of a Content-Disposition header (RFC 6266) of the given type, "inline" or "attachment",
// with name as engine.CleanName leaves it. A name that is not plain ASCII is given twice: whole in filename* (RFC 8187,
// UTF-8), which every current client prefers, and with underscores in filename for the others.
func Disposition(kind, name string) string {
	name = engine.CleanName(name)
	fallback := strings.Map(plain, name)
	value := kind + `; filename="` + fallback + `"`
	if fallback != name {
		value += "; filename*=UTF-8''" + extended(name)
	}
	return value
}

// plain replaces what cannot stand in a quoted string or is read differently by different clients: quotes and
// backslashes, which some do not unescape, and percent signs, which some do.
func plain(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
		return '_'
	}
	return r
}

// extended percent-encodes all but the attr-char of RFC 8187.
func extended(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isAttrChar(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func isAttrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
