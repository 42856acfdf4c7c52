package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestExporter(t *testing.T) { exportertest.Run(t, newGoogle(t)) }

func TestToxic(t *testing.T) {
	exportertest.RunToxic(t, newGoogle(t), servers.Start(t, "toxiproxy")["TOXIPROXY_URL"])
}

// google is the harness: fake-gcs-server behind the front that asks for tokens and holds sessions. The tests look at what was
// written through the server's own door, which is open.
type google struct{ address, open, project, bucket, accounts, key string }

func newGoogle(t testing.TB) google {
	t.Helper()
	v := servers.Start(t, "gcs")
	key, err := os.ReadFile(v["GCS_PRIVATE_KEY_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	return google{address: v["GCS_ADDRESS"], open: v["GCS_OPEN_ADDRESS"], project: v["GCS_PROJECT"], bucket: v["GCS_BUCKET"],
		accounts: v["GCS_ACCOUNTS"], key: string(key)}
}

func (google) Definition() exporters.Definition { return gcs.Definition() }
func (g google) Address() string                { return g.address }
func (google) PartSize() int64                  { return 8 << 20 }

func (g google) Params(_ testing.TB, address, name string) map[string]any {
	params := map[string]any{"project_id": g.project, "bucket": g.bucket, "client_email": "pipeline@" + g.accounts,
		"private_key": g.key, "endpoint": "http://" + address, "token_url": "http://" + address + "/token"}
	if name != "" {
		params["file"] = name
	}
	return params
}

func (g google) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := g.Params(t, g.address, name)
	switch kind {
	case exportertest.Denied:
		params["private_key"] = otherKey()
	case exportertest.Missing:
		params["bucket"] = "no-such-bucket"
	}
	return params
}

// otherKey is a key that no account has.
var otherKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
})

func (g google) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	header, body, ok := g.get(t, g.open, "/storage/v1/b/"+g.bucket+"/o/"+url.PathEscape(name)+"?alt=media")
	return exportertest.Object{Bytes: body, MIME: header.Get("Content-Type")}, ok
}

// get asks a server without a token.
func (google) get(t testing.TB, address, path string) (http.Header, []byte, bool) {
	t.Helper()
	return exportertest.Get(t, "http://"+address+path)
}

func (g google) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	_, text, ok := g.get(t, g.address, "/sessions")
	if err := json.Unmarshal(text, &left); err != nil || !ok {
		t.Fatalf("list the sessions: %v", err)
	}
	return left
}

// attributes are what the server says of an object; nil if there is none.
func (g google) attributes(t testing.TB, name string) (attributes map[string]any) {
	t.Helper()
	_, text, ok := g.get(t, g.open, "/storage/v1/b/"+g.bucket+"/o/"+strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
	if !ok {
		return nil
	}
	if err := json.Unmarshal(text, &attributes); err != nil {
		t.Fatal(err)
	}
	return attributes
}
