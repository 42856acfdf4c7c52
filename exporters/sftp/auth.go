package sftp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/engine"
)

// methods are the ways to log in, in the order in which they are tried.
func (p Place) methods() ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	if p.PrivateKey != "" {
		signer, err := p.signer()
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if password := p.Password.Reveal(); password != "" {
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				return slices.Repeat([]string{password}, len(questions)), nil
			}))
	}
	return methods, nil
}

// signer reads the private key. No error has a part of it.
func (p Place) signer() (ssh.Signer, error) {
	text := normalized(p.PrivateKey.Reveal())
	raw, err := ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case strings.HasPrefix(string(text), "PuTTY-User-Key-File"):
		return nil, engine.Errorf(engine.Invalid, "The private key has PuTTY's format; export it from PuTTYgen as an OpenSSH key.")
	case bytes.Contains(text, []byte("BEGIN ENCRYPTED PRIVATE KEY")), errors.As(err, &locked):
		if p.Passphrase == "" {
			return nil, engine.Errorf(engine.Invalid, "The private key is encrypted; the passphrase parameter has to be given.")
		}
		raw, err = decrypted(text, []byte(p.Passphrase.Reveal()))
	}
	if err != nil {
		if p.Passphrase != "" {
			return nil, engine.Errorf(engine.Invalid, "The private key cannot be read, or the passphrase is not its own.")
		}
		return nil, engine.Errorf(engine.Invalid, "The private key cannot be read: it is neither an OpenSSH nor a PEM nor a PKCS #8 key.")
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The private key is of a type that SSH does not know.")
	}
	return signer, nil
}

func decrypted(text, passphrase []byte) (any, error) {
	if bytes.Contains(text, []byte("BEGIN ENCRYPTED PRIVATE KEY")) {
		return decryptPKCS8(text, passphrase)
	}
	return ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
}

// normalized mends what happens to keys on their way through JSON and forms: \n as two characters, CRLF, no last line break.
func normalized(key string) []byte {
	key = strings.ReplaceAll(strings.TrimSpace(key), "\r", "")
	if !strings.Contains(key, "\n") {
		key = strings.ReplaceAll(key, `\n`, "\n")
	}
	return []byte(key + "\n")
}

// families are the types of host keys with their algorithms, in the order in which a server is asked for them, which is
// always the same: a server with several keys then shows the same one each time.
var families = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// pin is what is known of the server's key.
type pin struct {
	held        bool          // it is not the task's: it is the key that was seen first
	key         ssh.PublicKey // nil if only the fingerprint is known
	fingerprint string        // empty if any key will do
}

// pinned reads the host_key parameter.
func (p Place) pinned() (pin, error) {
	text := strings.TrimSpace(p.HostKey)
	if text == "" {
		return pin{}, nil
	}
	if sum, ok := strings.CutPrefix(text, "SHA256:"); ok {
		sum = strings.TrimRight(sum, "=")
		if b, err := base64.RawStdEncoding.DecodeString(sum); err == nil && len(b) == 32 {
			return pin{fingerprint: "SHA256:" + sum}, nil
		}
	} else if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text)); err == nil {
		return pin{key: key, fingerprint: ssh.FingerprintSHA256(key)}, nil
	}
	return pin{}, engine.Errorf(engine.Invalid,
		"host_key is neither a key, as in ssh-ed25519 AAAA…, nor the fingerprint of one, as in SHA256:…")
}

// offers are the lists of host key algorithms to connect with, one after another until one brings the pinned key. A client
// that asks for more than the pinned key's own may be shown another key of the same server.
func (k pin) offers(legacy bool) [][]string {
	families := slices.Clone(families)
	if legacy {
		families[2] = append(slices.Clone(families[2]), ssh.KeyAlgoRSA) //nolint:staticcheck // for old servers, and asked for
	}
	switch {
	case k.fingerprint == "":
		return [][]string{slices.Concat(families...)}
	case k.key == nil:
		return families
	case k.key.Type() == ssh.KeyAlgoRSA:
		return families[2:]
	}
	return [][]string{{k.key.Type()}}
}
