// Package link is the only signer: it renders links and upload forms that carry their own permission, and verifies
// them when they come back. It knows nothing of what lies behind a path; whether that still exists is asked when it
// is served.
package link

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrRefused is the one answer to every link and form that does not verify, whatever the cause.
var ErrRefused = errors.New("this link is not valid or has expired")

// Class is what a link permits.
type Class string

// The classes. No other verifies.
const (
	Read  Class = "read"  // GET and HEAD
	Write Class = "write" // POST and PUT
)

// ClassOf returns the class that a request with the given method needs, or a Class that no link has.
func ClassOf(method string) Class {
	switch method {
	case http.MethodGet, http.MethodHead:
		return Read
	case http.MethodPost, http.MethodPut:
		return Write
	}
	return ""
}

// Sign renders BASE/segment/segment?temp_url_sig=KEYID-HEX&temp_url_expires=UNIX, a link that permits class until,
// and not at, expires. Base is an absolute URL without query or fragment, its path already escaped; a slash at its
// end and the default port of its scheme are dropped. Each segment becomes one segment of the path, whatever it
// contains.
func (s *Signer) Sign(base string, class Class, expires time.Time, segments ...string) string {
	address, host, path := locate(base, segments)
	return address + "?" + s.query(s.keys[0], class, host, path, expires.Unix())
}

// Verify returns ErrRefused unless host, escapedPath (as sent, see url.URL.EscapedPath) and rawQuery are those of a
// link that Sign rendered for class with one of the keys, and now is before its end. The query must be the very
// same bytes; only the letter case of host does not matter.
func (s *Signer) Verify(class Class, host, escapedPath, rawQuery string, now time.Time) error {
	rest, _ := strings.CutPrefix(rawQuery, "temp_url_sig=")
	signature, last, _ := strings.Cut(rest, "&temp_url_expires=")
	expires, err := strconv.ParseInt(last, 10, 64)
	key, known := s.find(signature)
	if err != nil || !known {
		return ErrRefused
	}
	// Rendering it anew and comparing whole leaves no room for a second spelling of anything.
	want := s.query(key, class, strings.ToLower(host), escapedPath, expires)
	if subtle.ConstantTimeCompare([]byte(rawQuery), []byte(want)) != 1 {
		return ErrRefused
	}
	return check(class, expires, now)
}

// Ends returns when the link with that query ends. It means something only of a link that was verified.
func Ends(rawQuery string) time.Time {
	_, last, _ := strings.Cut(rawQuery, "&temp_url_expires=")
	unix, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}

func (s *Signer) query(key Key, class Class, host, path string, expires int64) string {
	end := strconv.FormatInt(expires, 10)
	return "temp_url_sig=" + key.token("link", string(class), host, path, end) + "&temp_url_expires=" + end
}

func check(class Class, expires int64, now time.Time) error {
	if class != Read && class != Write || now.Unix() >= expires {
		return ErrRefused
	}
	return nil
}

// locate returns the URL without query of segments under base, and the host and the escaped path that a request for
// it will carry.
func locate(base string, segments []string) (address, host, path string) {
	scheme, rest, _ := strings.Cut(base, "://")
	host, path, _ = strings.Cut(rest, "/")
	path = strings.TrimRight("/"+path, "/")
	for _, segment := range segments {
		path += "/" + escape(segment)
	}
	switch strings.ToLower(scheme) { // clients leave the default port out of the Host header
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, strings.ToLower(host), path
}

// escape percent-encodes all but the unreserved characters of RFC 3986, which is the one form that no client
// rewrites. A segment of one or two dots is encoded too, as it would be resolved away.
func escape(segment string) string {
	const hex = "0123456789ABCDEF"
	dots := segment == "." || segment == ".."
	var b strings.Builder
	for i := range len(segment) {
		c := segment[i]
		if isUnreserved(c) && !dots {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
