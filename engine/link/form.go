package link

import (
	"crypto/subtle"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parameters that every form has, besides its own.
const (
	expiresField   = "expires"
	signatureField = "signature"
)

// Field is one parameter of an upload form.
type Field struct{ Name, Value string }

// SignForm returns where an upload is sent and the parameters it must carry, in a POST's form or a PUT's query:
// "expires", then fields as given, then "signature". They permit Write until, and not at, expires. Base and
// segments are as for Sign. Names must differ from each other and from those two, else the form never verifies.
func (s *Signer) SignForm(base string, expires time.Time, fields []Field, segments ...string) (string, []Field) {
	address, host, path := locate(base, segments)
	parameters := append([]Field{{expiresField, strconv.FormatInt(expires.Unix(), 10)}}, fields...)
	form := url.Values{}
	for _, p := range parameters {
		form.Set(p.Name, p.Value)
	}
	signature := s.keys[0].formToken(host, path, form)
	return address, append(parameters, Field{signatureField, signature})
}

// VerifyForm returns ErrRefused unless form holds the parameters that SignForm returned for host and escapedPath,
// each once, none missing, none added, and now is before their end. Their order does not matter, because clients
// keep them in maps. Parse a query with url.ParseQuery and refuse what it complains of: url.URL.Query drops it
// silently.
func (s *Signer) VerifyForm(host, escapedPath string, form url.Values, now time.Time) error {
	for _, values := range form {
		if len(values) != 1 {
			return ErrRefused
		}
	}
	got := form.Get(signatureField)
	expires, err := strconv.ParseInt(form.Get(expiresField), 10, 64)
	key, known := s.find(got)
	if err != nil || !known {
		return ErrRefused
	}
	want := key.formToken(strings.ToLower(host), escapedPath, form)
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return ErrRefused
	}
	return check(Write, expires, now)
}

// formToken signs every parameter but the signature, sorted by name.
func (k Key) formToken(host, path string, form url.Values) string {
	fields := []string{"form", string(Write), host, path}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name != signatureField {
			fields = append(fields, name, form.Get(name))
		}
	}
	return k.token(fields...)
}
