package imports

import (
	"fmt"
	"io"
	"strings"
)

// checkBase64 returns what is wrong with text as base64 (RFC 4648), or nothing. Both alphabets are taken, with and
// without padding, broken into lines or not, and as a data: URL (RFC 2397).
func checkBase64(text string) (complaint string) {
	body, ok := withoutDataURL(text)
	if !ok {
		return `is a data: URL without ";base64,"; encode it as base64`
	}
	digits, padding := 0, 0
	for i := range len(body) {
		switch c := body[i]; {
		case isBlank(c):
		case c == '=':
			padding++
		case !isDigit(c):
			return fmt.Sprintf("is not base64: character %d is %q", len(text)-len(body)+i+1, firstRune(body[i:]))
		case padding > 0:
			return fmt.Sprintf("is not base64: it goes on after its padding, at character %d", len(text)-len(body)+i+1)
		default:
			digits++
		}
	}
	if digits%4 == 1 || padding > 2 || padding > 0 && (digits+padding)%4 != 0 {
		return fmt.Sprintf("is not base64: it ends in the middle of a group, after %d characters; it seems cut off",
			len(text))
	}
	return ""
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// withoutDataURL returns what follows the head of a data: URL, and whether that is base64; other text as it is.
func withoutDataURL(text string) (string, bool) {
	if len(text) < 5 || !strings.EqualFold(text[:5], "data:") {
		return text, true
	}
	head, body, _ := strings.Cut(text, ",")
	return body, strings.HasSuffix(strings.ToLower(head), ";base64")
}

func isDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("+/-_", c) >= 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// digitReader reads the digits of text in the standard alphabet, without blanks and padding.
type digitReader struct{ text string }

// Read reads digits.
func (r *digitReader) Read(p []byte) (n int, err error) {
	for n < len(p) && r.text != "" {
		c := r.text[0]
		r.text = r.text[1:]
		switch {
		case isBlank(c), c == '=':
			continue
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		}
		p[n] = c
		n++
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
