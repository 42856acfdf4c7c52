package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gantry-folder/folder"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
)

func TestExporter(t *testing.T) { exportertest.Run(t, harness{t.TempDir()}) }

// harness lends the suite a folder.
type harness struct{ root string }

func (h harness) Definition() exporters.Definition { return folder.Definition(h.root) }
func (harness) Address() string                    { return "" } // there is no network in between
func (harness) PartSize() int64                    { return 0 }

func (harness) Params(_ testing.TB, _, name string) map[string]any {
	if name == "" {
		return map[string]any{}
	}
	return map[string]any{"file": name}
}

// Wrong returns nothing: no parameter can be wrong in these ways.
func (harness) Wrong(testing.TB, exportertest.Kind, string) map[string]any { return nil }

func (h harness) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, filepath.FromSlash(name)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return exportertest.Object{Bytes: content}, err == nil
}

func (h harness) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	err := filepath.WalkDir(h.root, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".part") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}
