package cmd_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCustomExporter builds the program of testdata/customexporter and holds that its exporter is tested, listed, tried and
// used like those that come with Gantry.
func TestCustomExporter(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds another program")
	}
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir, root := t.TempDir(), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(tree, "testdata", "customexporter"))); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "FOLDER_ROOT="+root, "GOFLAGS=-mod=mod")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("go", "mod", "edit", "-replace", "github.com/gantry-engine/gantry="+tree)
	run("go", "build", "-o", "custom", ".")
	run("go", "test", "./...")
	custom := filepath.Join(dir, "custom")
	if out := run(custom, "check", "folder"); !strings.HasPrefix(out, "right") {
		t.Errorf("check: %s", out)
	}
	if out := run(custom, "operations"); !strings.Contains(out, "export/folder") {
		t.Errorf("operations: %s", out)
	}
	job := filepath.Join(dir, "job.json")
	document := `{"tasks": {"a": {"operation": "import/raw", "file": "some data", "filename": "a.txt"},
		"b": {"operation": "export/folder", "input": "a", "path": "in/here"}}}`
	if err := os.WriteFile(job, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	run(custom, "run", job)
	if got, err := os.ReadFile(filepath.Join(root, "in", "here", "a.txt")); err != nil || string(got) != "some data" {
		t.Errorf("the folder has %q, %v", got, err)
	}
	serveCustom(t, custom)
}

// TestExportersReadme holds the code in exporters/README.md to the example, which TestCustomExporter compiles and runs.
func TestExportersReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "exporters", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var compiled strings.Builder
	for _, name := range []string{"main.go", "folder/folder.go", "folder/folder_test.go"} {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "customexporter", name))
		if err != nil {
			t.Fatal(err)
		}
		compiled.Write(text)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Error("the README has no code")
	}
	for _, block := range blocks {
		if !strings.Contains(compiled.String(), string(block[1])) {
			t.Errorf("the example does not have\n%s", block[1])
		}
	}
}

// serveCustom looks for the exporter in the API's list.
func serveCustom(t *testing.T, custom string) {
	t.Helper()
	c := gantry(t, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	c.Path = custom
	s := start(t, c)
	resp, err := http.Get(s.url + "/v2/operations?filter[operation]=export/folder&include=options")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `"operation":"export/folder"`) ||
		!strings.Contains(string(text), `"name":"file"`) {
		t.Errorf("listed is %s, %v", text, err)
	}
}
