package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The scopes a key can have.
const (
	ScopeUserRead     = "user.read"
	ScopeUserWrite    = "user.write"
	ScopeTaskRead     = "task.read"
	ScopeTaskWrite    = "task.write"
	ScopeWebhookRead  = "webhook.read"
	ScopeWebhookWrite = "webhook.write"
	ScopeFileRead     = "file:read"
	ScopeFileWrite    = "file:write"
)

// Scopes returns all scopes. A new key has them all unless it is given some.
func Scopes() []string {
	return []string{ScopeUserRead, ScopeUserWrite, ScopeTaskRead, ScopeTaskWrite,
		ScopeWebhookRead, ScopeWebhookWrite, ScopeFileRead, ScopeFileWrite}
}

// NewToken returns a fresh token for a key: 256 random bits in URL-safe letters.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return "gantry_" + base64.RawURLEncoding.EncodeToString(b)
}

// HashToken returns the form in which a token is kept.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// IsName reports whether s can be the name of somebody or something that persons are shown: some printable characters, 255
// bytes at most.
func IsName(s string) bool {
	printable := utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	return printable && strings.TrimSpace(s) != "" && len(s) <= maxName
}

// UserNamed returns the user of that name, made if need be.
func (e *Engine) UserNamed(ctx context.Context, name string) (User, error) {
	if !IsName(name) {
		return User{}, Errorf(Invalid, "%q cannot be the name of a user: it takes printable characters, %d bytes at most.",
			shortened(name), maxName)
	}
	return e.Store.Accounts.EnsureUser(ctx, name)
}

// CreateKey makes a key for the user of that name, made if need be, with the token.
func (e *Engine) CreateKey(ctx context.Context, user, token string, scopes []string, expires time.Time) (Key, error) {
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return Key{}, Errorf(Invalid, "There is no scope %q; there are %s.", s, strings.Join(Scopes(), ", "))
		}
	}
	u, err := e.UserNamed(ctx, user)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: NewID(), User: u.ID, UserName: u.Name, Hash: HashToken(token), Scopes: scopes,
		CreatedAt: e.now(), ExpiresAt: expires}
	return key, e.Store.Accounts.AddKey(ctx, key)
}

// Authenticate returns the key of a token: Unauthorized if there is none, or it has expired or was revoked.
func (e *Engine) Authenticate(ctx context.Context, token string) (Key, error) {
	key, err := e.Store.Accounts.Key(ctx, HashToken(token))
	switch {
	case isNotFound(err):
		return Key{}, Errorf(Unauthorized, "Unauthenticated.")
	case err != nil:
		return Key{}, err
	case !key.RevokedAt.IsZero(), !key.ExpiresAt.IsZero() && !e.now().Before(key.ExpiresAt):
		return Key{}, Errorf(Unauthorized, "Unauthenticated.")
	}
	return key, nil
}
