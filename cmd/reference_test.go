package cmd_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/cmd"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/capture"
	"github.com/gantry-engine/gantry/tasks/command"
	"github.com/gantry-engine/gantry/tasks/metadata"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

var update = flag.Bool("update", false, "write the reference and golden files anew")

// TestReference holds the tables in the documentation against the operations; `make docs` writes them.
func TestReference(t *testing.T) {
	box, err := toolbox.New(t.Context(), toolbox.Config{Sandbox: toolbox.Refused})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	var others []engine.Operation // that are only listed where they work
	for _, describe := range []func(context.Context, *toolbox.Box) (engine.Operation, bool){
		command.Operation, capture.Operation, metadata.Write,
	} {
		op, _ := describe(t.Context(), box)
		others = append(others, op)
	}
	catalog, err := cmd.Catalog(cmd.WithOperations(others...))
	if err != nil {
		t.Fatal(err)
	}
	for path, page := range map[string]string{
		"../exporters/REFERENCE.md": reference("Exporters", "export/", catalog),
		"../tasks/REFERENCE.md":     reference("Operations", "", catalog),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != page {
			t.Errorf("%s is stale; run make docs (%v)", path, err)
		}
	}
}

// reference is the page of the operations whose names begin with prefix, or of all but exports.
func reference(title, prefix string, catalog *engine.Catalog) string {
	var page strings.Builder
	fmt.Fprintf(&page, "# %s\n\nWritten by `make docs` from the operations themselves. Every operation also takes `timeout`, in seconds;\n"+
		"all but imports take `input`: the name of a task of the job, the id of another task, or a list of these.\n", title)
	for _, op := range catalog.All() {
		export := strings.HasPrefix(op.Name, "export/")
		if export == (prefix != "") {
			section(&page, op)
		}
	}
	return page.String()
}

func section(page *strings.Builder, op engine.Operation) {
	fmt.Fprintf(page, "\n## %s\n\n%s\n", op.Name, op.Summary)
	if len(op.Aliases) > 0 {
		fmt.Fprintf(page, "\nAlso called %s.\n", strings.Join(op.Aliases, ", "))
	}
	fields := op.Params.Fields()
	if len(fields) == 0 {
		return
	}
	page.WriteString("\n| parameter | type | default | what it is |\n| --- | --- | --- | --- |\n")
	for _, f := range fields {
		fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", f.Name, kind(f), preset(f), escape(f.Doc))
	}
}

func kind(f param.Field) string {
	text := f.Type
	if f.Type == "enum" {
		text = strings.Join(f.Enum, ", ")
	}
	if f.Required {
		text += ", required"
	}
	if f.Secret {
		text += ", secret"
	}
	return text
}

func preset(f param.Field) string {
	if f.Default == nil {
		return ""
	}
	return fmt.Sprintf("`%v`", f.Default)
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
