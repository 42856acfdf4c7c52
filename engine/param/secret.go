package param

// Redacted stands in the place of a secret wherever one would have been shown.
const Redacted = "[redacted]"

// Secret is a parameter that is never shown: it prints, formats and marshals as Redacted. Reveal gives the value to the
// code that must send it.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns Redacted, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Redacted
}

// GoString is String, so that %#v shows no secret either.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, so that no encoder shows a secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
