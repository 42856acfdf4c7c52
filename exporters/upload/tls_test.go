package upload_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/upload"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// TestTLS holds that a PUT goes over TLS to a server whose authority is known, and not a byte to one whose is not.
func TestTLS(t *testing.T) {
	n := nginx{servers.Start(t, "nginx")}
	authority, err := os.ReadFile(n.values["HTTPS_CA_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("the authority's certificate cannot be read")
	}
	for _, c := range []struct {
		name  string
		roots *x509.CertPool
		want  engine.Code
		says  string
	}{
		{"known", roots, "", ""},
		{"unknown", x509.NewCertPool(), engine.Invalid, "from an authority that this server does not know"},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := egress.Unrestricted()
			client := policy.Client(egress.ClientOptions{TLS: &tls.Config{RootCAs: c.roots}})
			t.Cleanup(client.CloseIdleConnections)
			env := exporters.Env{HTTP: client, Dial: policy.DialContext}
			operations := append(imports.All(client), export.Operations([]exporters.Definition{upload.Definition()}, env)...)
			address := n.values["HTTPS_URL"]
			name := "tls/" + c.name
			task := put(t, enginetest.Start(t, operations...), "some data", map[string]any{"url": address + "/dav/" + strings.ReplaceAll(name, " ", "%20")})
			if task.Code != c.want || !strings.Contains(task.Message, c.says) {
				t.Fatalf("the export ended %q: %s", task.Code, task.Message)
			}
			if got, ok := n.Read(t, name); ok != (c.want == "") || string(got.Bytes) != "some data" && ok {
				t.Errorf("there is %t %q", ok, got.Bytes)
			}
		})
	}
}
