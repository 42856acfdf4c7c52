package upload_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/upload"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

// TestExporter runs the contract. A file larger than the server's buffers is still sent in one step.
func TestExporter(t *testing.T) { exportertest.Run(t, nginx{servers.Start(t, "nginx")}) }

// nginx is the harness.
type nginx struct{ values map[string]string }

// Definition promises more than that of any URL: this server makes a file of a whole body only.
func (nginx) Definition() exporters.Definition {
	def := upload.Definition()
	def.Promises.NotAtomic = ""
	return def
}

func (n nginx) Address() string { return n.values["HTTP_ADDRESS"] }
func (nginx) PartSize() int64   { return 0 }

func (n nginx) Params(_ testing.TB, address, name string) map[string]any {
	return map[string]any{"url": "http://" + address + (&url.URL{Path: "/bearer/" + name}).EscapedPath(),
		"headers": map[string]any{"Authorization": "Bearer " + n.values["HTTP_BEARER"]}}
}

func (n nginx) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := n.Params(t, n.Address(), name)
	switch kind {
	case exportertest.Denied:
		params["headers"] = map[string]any{"Authorization": "Bearer not-the-token"}
	case exportertest.Missing:
		params["url"] = "http://" + n.Address() + "/dav/nowhere/object.bin"
	}
	return params
}

// Read looks at the server's folder.
func (n nginx) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(n.values["HTTP_FILES_DIR"], filepath.FromSlash(name)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return exportertest.Object{Bytes: content}, err == nil
}

// Unfinished has nothing to list: a body that did not end is the server's own affair, and nobody can ask for it.
func (nginx) Unfinished(testing.TB) []string { return nil }
