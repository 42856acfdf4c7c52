package sftp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // old keys are encrypted with it
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"

	"golang.org/x/crypto/scrypt"
)

var (
	errKey   = errors.New("the encrypted private key is malformed, or the passphrase is not its own")
	oidPBES2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
)

// The object identifiers of RFC 8018 (PBES2) and RFC 7914 (scrypt), and what they stand for.
const (
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
)

var blockCiphers = map[string]struct {
	size int
	make func(key []byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

var pseudoRandom = map[string]func() hash.Hash{
	"":                    sha1.New, // the default
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

const (
	maxRounds = 10_000_000 // of PBKDF2; a key comes from outside, and must not keep a worker busy for hours
	maxCost   = 1 << 20    // of scrypt, which is 1 GiB with 8 blocks
)

// decryptPKCS8 reads an ENCRYPTED PRIVATE KEY (RFC 5958, section 3), as OpenSSL and ssh-keygen -m PKCS8 write it.
func decryptPKCS8(text, passphrase []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errKey
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var scheme struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	if _, err := asn1.Unmarshal(block.Bytes, &info); err != nil || !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errKey
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errKey
	}
	kind, ok := blockCiphers[scheme.Encryption.Algorithm.String()]
	if !ok {
		return nil, errKey
	}
	key, err := derive(scheme.Derivation, passphrase, kind.size)
	if err != nil {
		return nil, err
	}
	c, err := kind.make(key)
	if err != nil {
		return nil, errKey
	}
	plain, err := unpadded(c, scheme.Encryption.Parameters.Bytes, info.Data)
	if err != nil {
		return nil, err
	}
	return x509.ParsePKCS8PrivateKey(plain)
}

// derive makes the key of size bytes out of the passphrase.
func derive(by pkix.AlgorithmIdentifier, passphrase []byte, size int) ([]byte, error) {
	switch by.Algorithm.String() {
	case oidPBKDF2:
		var p struct {
			Salt   []byte
			Rounds int
			Size   int                      `asn1:"optional"`
			Hash   pkix.AlgorithmIdentifier `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(by.Parameters.FullBytes, &p); err != nil || p.Rounds < 1 || p.Rounds > maxRounds {
			return nil, errKey
		}
		h, ok := pseudoRandom[p.Hash.Algorithm.String()]
		if !ok {
			return nil, errKey
		}
		return pbkdf2.Key(h, string(passphrase), p.Salt, p.Rounds, size)
	case oidScrypt:
		var p struct {
			Salt                   []byte
			Cost, Blocks, Parallel int
			Size                   int `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(by.Parameters.FullBytes, &p); err != nil || p.Cost > maxCost || p.Blocks > 8 || p.Parallel > 8 {
			return nil, errKey
		}
		return scrypt.Key(passphrase, p.Salt, p.Cost, p.Blocks, p.Parallel, size)
	}
	return nil, errKey
}

// unpadded decrypts CBC and takes the padding away.
func unpadded(c cipher.Block, iv, data []byte) ([]byte, error) {
	size := c.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errKey
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(c, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size {
		return nil, errKey
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, errKey
		}
	}
	return plain[:len(plain)-pad], nil
}
