package gcs

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

var (
	armour  = regexp.MustCompile(`(?s)-----BEGIN ([A-Z ]*)PRIVATE KEY-----(.*?)-----END [A-Z ]*PRIVATE KEY-----`)
	newline = regexp.MustCompile(`\\+[nr]`)
)

// keyOf reads a private key in PEM, PKCS #8 or PKCS #1. On its way through shells and environments it may have got literal
// \n for its line ends, others, or none at all.
func keyOf(text string) (*rsa.PrivateKey, error) {
	found := armour.FindStringSubmatch(newline.ReplaceAllString(text, "\n"))
	if found == nil {
		return nil, engine.Errorf(engine.Invalid, "The private_key is not one in PEM: it has to begin with -----BEGIN PRIVATE KEY-----, "+
			"and to end with -----END PRIVATE KEY-----.")
	}
	if strings.Contains(found[1], "ENCRYPTED") || strings.Contains(found[2], "ENCRYPTED") {
		return nil, engine.Errorf(engine.Invalid, "The private_key is encrypted; those of service accounts are not.")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(found[2]), ""))
	if err != nil {
		return nil, damagedKey()
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, damagedKey()
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, engine.Errorf(engine.Invalid, "The private_key is not one of a service account: those are RSA keys.")
}

func damagedKey() error {
	return engine.Errorf(engine.Invalid, "The private_key is damaged: what stands between its first and its last line is not a key.")
}

const (
	assertionLife = time.Hour   // the most that Google takes
	backdated     = time.Minute // a clock that is a little fast must not put the assertion into the future
)

// assertion is the signed request for a token (RFC 7523): who asks, for what, and of whom.
func (c *client) assertion(now time.Time) (string, error) {
	issued := now.Add(-backdated)
	claims, err := json.Marshal(map[string]any{"iss": c.place.Email, "scope": c.scope, "aud": c.tokenURL,
		"iat": issued.Unix(), "exp": issued.Add(assertionLife).Unix()})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", engine.Errorf(engine.Invalid, "The private_key cannot sign: it is too short.")
	}
	return signed + "." + encode(signature), nil
}
