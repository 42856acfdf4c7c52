package formdata

import (
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"
)

// FileName returns the file's name that a Content-Disposition gives, empty if it gives none.
func FileName(value string) string {
	_, name := disposition(value)
	return name
}

// disposition reads a part's Content-Disposition: the field's name, and the file's name if there is one.
//
// A value in quotes ends at a quote after which the header ends or goes on, so that a stray quote inside does no harm;
// a backslash stands for itself unless a quote or another one follows. A value without quotes ends where the next of
// the known parameters begins: it may hold spaces, commas, parentheses and whole sentences.
func disposition(value string) (name, fileName string) {
	_, rest, _ := strings.Cut(value, ";")
	var extended string
	for rest != "" {
		var key, text string
		key, text, rest = parameter(rest)
		switch key {
		case "name":
			name = decodeWords(text)
		case "filename":
			fileName = decodeWords(text)
		case "filename*":
			if decoded, ok := decodeExtended(text); ok {
				extended = decoded
			}
		}
	}
	if extended != "" {
		return name, extended
	}
	return name, fileName
}

// parameter returns the first parameter of what follows a semicolon, and what follows its own.
func parameter(s string) (key, value, rest string) {
	if semicolon := strings.IndexByte(s, ';'); semicolon >= 0 && semicolon < strings.IndexByte(s, '=') {
		return "", "", s[semicolon+1:] // a word without a value
	}
	key, s, _ = strings.Cut(s, "=")
	key, s = strings.ToLower(strings.TrimSpace(key)), strings.TrimLeft(s, " \t")
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		if value, rest, ok := unquote(quoted); ok {
			return key, value, rest
		}
	}
	value, rest = untilParameter(s)
	return key, strings.TrimSpace(value), rest
}

// unquote returns the text up to the closing quote, and what follows the semicolon after it.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] != '"':
			b.WriteByte(s[i])
		default:
			after := strings.TrimLeft(s[i+1:], " \t")
			if after == "" || after[0] == ';' {
				return b.String(), strings.TrimPrefix(after, ";"), true
			}
			b.WriteByte('"')
		}
	}
	return "", "", false
}

// untilParameter cuts s before the semicolon that is followed by a known parameter.
func untilParameter(s string) (value, rest string) {
	for i := 0; i < len(s); i++ {
		if s[i] == ';' && startsParameter(s[i+1:]) {
			return s[:i], s[i+1:]
		}
	}
	return strings.TrimSuffix(s, ";"), ""
}

func startsParameter(s string) bool {
	s = strings.TrimLeft(s, " \t")
	s = strings.ToLower(s[:min(len(s), 32)])
	for _, known := range []string{"name", "filename", "filename*"} {
		if after, ok := strings.CutPrefix(s, known); ok && strings.HasPrefix(strings.TrimLeft(after, " \t"), "=") {
			return true
		}
	}
	return false
}

// decodeWords decodes RFC 2047, which has no place here and is sent all the same.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(s)
	if err != nil {
		return s
	}
	return decoded
}

// decodeExtended decodes an ext-value of RFC 8187: charset'language'percent-encoded.
func decodeExtended(s string) (string, bool) {
	charset, rest, ok := strings.Cut(s, "'")
	_, encoded, more := strings.Cut(rest, "'")
	decoded, err := url.PathUnescape(encoded)
	if !ok || !more || err != nil {
		return "", false
	}
	switch strings.ToLower(charset) {
	case "utf-8":
		return decoded, utf8.ValidString(decoded)
	case "iso-8859-1":
		runes := make([]rune, len(decoded))
		for i := range len(decoded) {
			runes[i] = rune(decoded[i])
		}
		return string(runes), true
	}
	return "", false
}
