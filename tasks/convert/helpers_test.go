package convert_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/embedded"
)

// catalog is shared: compiling the HEIC decoder takes a second.
var catalog = convert.New(embedded.Engines()...)

// input is one conversion of a test.
type input struct {
	name     string
	content  []byte
	from, to convert.Format
	options  convert.Options
	limits   convert.Limits
}

// run converts with the embedded catalog, in a fresh folder, and returns the outputs.
func (in input) run(ctx context.Context, t *testing.T) ([]string, error) {
	t.Helper()
	if in.name == "" {
		in.name = "input." + string(in.from)
	}
	if in.limits == (convert.Limits{}) {
		in.limits = convert.LimitsOf(engine.DefaultLimits())
	}
	route, err := catalog.Route(in.from, in.to, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, in.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return convert.Follow(ctx, route, convert.Job{
		In: path, Name: in.name, From: in.from, To: in.to, Dir: t.TempDir(), Options: in.options, Limits: in.limits,
	})
}

// output is the only output of a conversion that must succeed.
func (in input) output(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(in.path(t))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (in input) path(t *testing.T) string {
	t.Helper()
	outputs, err := in.run(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != 1 {
		t.Fatalf("got %d outputs, want 1", len(outputs))
	}
	return outputs[0]
}

// refused checks that a conversion fails and that the file is to blame, with a message that holds want and no path.
func (in input) refused(t *testing.T, want string) {
	t.Helper()
	_, err := in.run(t.Context(), t)
	if !refusal(err) {
		t.Fatalf("got error %v, want a refusal", err)
	}
	message := engine.MessageOf(err)
	if !strings.Contains(message, want) || strings.Contains(message, os.TempDir()) || !strings.HasSuffix(message, ".") {
		t.Errorf("got message %q, want a sentence with %q and without a path", message, want)
	}
}

// refusal reports whether a conversion failed because of the file.
func refusal(err error) bool {
	code := engine.CodeOf(err)
	return err != nil && (code == engine.Invalid || code == engine.TooLarge)
}

// tool runs an independent reader, or skips the test when it is not installed.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		enginetest.Missing(t, name)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, stderr.String())
	}
	return string(out)
}
