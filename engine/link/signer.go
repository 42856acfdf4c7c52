package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const minSecret = 16

// Key is a secret for signing and the name under which links refer to it.
type Key struct {
	ID     string // 1 to 32 of A-Z, a-z, 0-9 and _; part of every link
	Secret []byte `json:"-"` // at least 16 bytes
}

// String returns the ID alone, so that printing a key does not tell its secret.
func (k Key) String() string { return k.ID }

// GoString is String for %#v.
func (k Key) GoString() string { return k.ID }

// Signer signs and verifies. It is immutable and safe for concurrent use.
type Signer struct {
	keys []Key
}

// New returns a signer whose first key signs and all of whose keys verify; a key is rotated by putting a new one
// before it and leaving it out once its links have expired. It fails without keys, with one that is malformed and
// when two have the same ID.
func New(keys ...Key) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("link: new signer: no key")
	}
	s := &Signer{}
	for _, key := range keys {
		if len(key.ID) == 0 || len(key.ID) > 32 || strings.Trim(key.ID, idCharacters) != "" {
			return nil, fmt.Errorf("link: new signer: key id %q is not 1 to 32 letters, digits and _", key.ID)
		}
		if _, taken := s.find(key.ID + "-"); taken {
			return nil, fmt.Errorf("link: new signer: two keys with id %q", key.ID)
		}
		if len(key.Secret) < minSecret {
			return nil, fmt.Errorf("link: new signer: secret of key %q is under %d bytes", key.ID, minSecret)
		}
		s.keys = append(s.keys, Key{key.ID, slices.Clone(key.Secret)})
	}
	return s, nil
}

const idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// find returns the key that a signature names before its dash.
func (s *Signer) find(signature string) (Key, bool) {
	id, _, _ := strings.Cut(signature, "-")
	i := slices.IndexFunc(s.keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return s.keys[i], true
}

// token returns KEYID-HEX, the HMAC-SHA256 of the key's ID and the fields.
func (k Key) token(fields ...string) string {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write(canonical(append([]string{k.ID}, fields...)))
	return k.ID + "-" + hex.EncodeToString(mac.Sum(nil))
}

// canonical joins fields so that no two lists have the same form: each is preceded by its length in eight bytes.
func canonical(fields []string) []byte {
	var b []byte
	for _, field := range fields {
		b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
		b = append(b, field...)
	}
	return b
}
