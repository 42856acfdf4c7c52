package engine

import "github.com/google/uuid"

// ID is a UUIDv7 in its canonical lower-case form (RFC 9562): newer ids sort after older ones.
type ID string

// NewID returns a fresh ID.
func NewID() ID { return ID(uuid.Must(uuid.NewV7()).String()) }

// ParseID returns the ID that s spells in canonical form, and whether it does. Other spellings of a UUID are refused, so
// that an ID has one text.
func ParseID(s string) (ID, bool) {
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return "", false
	}
	return ID(s), true
}

// UserID identifies a user. It fits an int32, as the clients need it.
type UserID int32
