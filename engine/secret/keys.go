// Package secret seals at rest what must not be read from the disk: AES-256-GCM under keys from one file.
package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keys are the keys of a server: the first seals, all unseal. They are safe for concurrent use.
type Keys struct {
	keys []key
}

type key struct {
	id     string
	secret []byte
	aead   cipher.AEAD
}

const (
	version  = 1
	keyBytes = 32
	idBytes  = 4
)

// Generate returns one fresh random key.
func Generate() (*Keys, error) {
	secret := make([]byte, keyBytes)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return Parse(base64.StdEncoding.EncodeToString(secret))
}

// Load reads a key file: one base64 key a line, the one in use first. A missing file is fs.ErrNotExist.
func Load(path string) (*Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	return Parse(string(text))
}

// minText is how long a text has to be that keys are made of.
const minText = 32

// FromText returns the key that the text stands for (HKDF-SHA256, RFC 5869). It is as hard to guess as the text is.
func FromText(text string) (*Keys, error) {
	if len(text) < minText {
		return nil, fmt.Errorf("it must have at least %d characters", minText)
	}
	secret, err := hkdf.Key(sha256.New, []byte(text), nil, "gantry secret key", keyBytes)
	if err != nil {
		return nil, err
	}
	one, err := newKey(secret)
	return &Keys{keys: []key{one}}, err
}

// Save writes the keys to a new file that only its owner can read. An existing file is fs.ErrExist.
func (k *Keys) Save(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-")
	if err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(k.Text())
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil { // unlike a rename it never replaces a key
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("write the key file: %w", err)
		}
		return os.Rename(tmp.Name(), path)
	}
	return nil
}

// Text writes the keys as a key file has them. Whoever reads it can open all that they seal.
func (k *Keys) Text() string {
	var text strings.Builder
	for _, key := range k.keys {
		text.WriteString(base64.StdEncoding.EncodeToString(key.secret) + "\n")
	}
	return text.String()
}

// Parse reads what Text wrote.
func Parse(text string) (*Keys, error) {
	k := &Keys{}
	for _, line := range strings.Fields(text) {
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) != keyBytes {
			return nil, errors.New("the key file is damaged: each line must be a base64 key of 32 bytes")
		}
		one, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, one)
	}
	if len(k.keys) == 0 {
		return nil, errors.New("the key file is empty")
	}
	return k, nil
}

func newKey(secret []byte) (key, error) {
	sealing, err := hkdf.Key(sha256.New, secret, nil, "gantry sealing", keyBytes)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(secret)
	return key{id: hex.EncodeToString(sum[:idBytes]), secret: secret, aead: aead}, nil
}

// ID names the key in use. It says nothing about the key.
func (k *Keys) ID() string { return k.keys[0].id }

// Has reports whether the key of that name is among them.
func (k *Keys) Has(id string) bool {
	for _, key := range k.keys {
		if key.id == id {
			return true
		}
	}
	return false
}

// Derived is a secret for one purpose, derived from one of the keys.
type Derived struct {
	ID     string
	Secret []byte
}

// Derive returns a 32-byte secret for the purpose from each key, in their order (HKDF-SHA256, RFC 5869).
func (k *Keys) Derive(purpose string) ([]Derived, error) {
	var all []Derived
	for _, key := range k.keys {
		secret, err := hkdf.Key(sha256.New, key.secret, nil, "gantry "+purpose, keyBytes)
		if err != nil {
			return nil, err
		}
		all = append(all, Derived{ID: key.id, Secret: secret})
	}
	return all, nil
}

// Seal implements engine.Sealer: version, key id, nonce, then the sealed bytes.
func (k *Keys) Seal(plain []byte, bind string) ([]byte, error) {
	key := k.keys[0]
	id, err := hex.DecodeString(key.id)
	if err != nil {
		return nil, err
	}
	out := append([]byte{version}, id...)
	nonce := make([]byte, key.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	out = append(out, nonce...)
	return key.aead.Seal(out, nonce, plain, []byte(bind)), nil
}

// SealText is Seal for a text, in base64.
func (k *Keys) SealText(text, bind string) (string, error) {
	out, err := k.Seal([]byte(text), bind)
	return base64.StdEncoding.EncodeToString(out), err
}

// UnsealText opens what SealText sealed.
func (k *Keys) UnsealText(sealed, bind string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", err
	}
	out, err := k.Unseal(raw, bind)
	return string(out), err
}

// Unseal implements engine.Sealer.
func (k *Keys) Unseal(sealed []byte, bind string) ([]byte, error) {
	for _, key := range k.keys {
		id, err := hex.DecodeString(key.id)
		if err != nil {
			return nil, err
		}
		head := append([]byte{version}, id...)
		n := len(head) + key.aead.NonceSize()
		if len(sealed) < n || !bytes.HasPrefix(sealed, head) {
			continue
		}
		return key.aead.Open(nil, sealed[len(head):n], sealed[n:], []byte(bind))
	}
	return nil, errors.New("sealed under a key that is not in the key file")
}
