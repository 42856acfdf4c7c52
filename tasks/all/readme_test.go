package all_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme compiles the Go of tasks/README.md: an operation, and an engine of conversions, as a stranger would write them.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, operation, _ := strings.Cut(string(text), "## Adding one")
	operation, _, _ = strings.Cut(operation, "## Errors")
	_, converter, _ := strings.Cut(string(text), "### Adding an engine")
	converter, _, _ = strings.Cut(converter, "## The toolbox")
	const here = "github.com/gantry-engine/gantry/"
	compile(t, "tea", converter, []string{"context", "regexp", "strconv", "time", here + "tasks/convert", here + "tasks/toolbox"}, "")
	compile(t, "shout", operation, []string{"context", "io", here + "engine"}, `
		func upper(r io.Reader, _ Params) io.Reader { return r }
		var Operation = `)
}

var blocks = regexp.MustCompile("(?s)```go\n(.*?)```")

// compile builds the Go in a text as a package of this module that is nowhere on the disk. The last block, an expression where
// there is something before it, comes behind what is in tail.
func compile(t *testing.T, name, text string, imports []string, tail string) {
	found := blocks.FindAllStringSubmatch(text, -1)
	if len(found) < 3 {
		t.Fatalf("%s: got %d blocks of Go, want at least 3", name, len(found))
	}
	code := "package " + name + "\nimport (\n"
	for _, path := range imports {
		code += "\"" + path + "\"\n"
	}
	code += ")\n"
	for i, b := range found {
		if i == len(found)-1 {
			code += tail
		}
		code += b[1]
	}
	dir := t.TempDir()
	file := filepath.Join(dir, name+".go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "tasks", name, name+".go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "./tasks/"+name)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("the Go of %s in tasks/README.md does not compile: %v\n%s", name, err, out)
	}
}
