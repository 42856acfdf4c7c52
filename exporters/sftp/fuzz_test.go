package sftp_test

import (
	"os"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters/sftp"
)

// FuzzKeys holds that no private key and no host key, whatever is in them, brings down a worker, and that each is told to be invalid.
func FuzzKeys(f *testing.F) {
	encrypted, err := os.ReadFile("testdata/encrypted-pkcs8.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(encrypted), "key passphrase", "")
	f.Add(string(encrypted), "another", "SHA256:AAAA")
	f.Add("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----", "x", "ssh-rsa AAAA")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA")
	def := sftp.Definition()
	f.Fuzz(func(t *testing.T, key, passphrase, host string) {
		params, problems := def.Params.Decode([]byte(object(t, map[string]any{"host": "h", "username": "u", "private_key": key + " ",
			"passphrase": passphrase, "host_key": host})))
		if len(problems) > 0 {
			t.Skip()
		}
		exporter, err := def.Open(t.Context(), env(), params)
		if err == nil {
			exporter.Close()
			return
		}
		if engine.CodeOf(err) != engine.Invalid {
			t.Errorf("got %v, want an error that says what is invalid", err)
		}
	})
}
