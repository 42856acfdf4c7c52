// Package converttest is what the tests of converters have in common: a box, an engine in it, files to convert.
package converttest

import (
	"archive/zip"
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
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Box returns a box that runs programs as a server would, with a folder of the test's own for its scratch.
func Box(t testing.TB) *toolbox.Box {
	t.Helper()
	box, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Tools: os.Getenv("GANTRY_TOOLS")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	return box
}

// Engine returns what find finds in a Box, or skips the test for want of the program.
func Engine[E any](t testing.TB, program string, find func(context.Context, *toolbox.Box) *E) *E {
	t.Helper()
	e := find(t.Context(), Box(t))
	if e == nil {
		enginetest.Missing(t, program)
	}
	return e
}

// Content is that of a file.
type Content interface{ ~string | ~[]byte }

// Convert puts content into a file, converts that as job says and returns the paths of what came out. It fills in what job
// leaves out: a name like those that hurt, a folder, the limits of a server.
func Convert[C Content](ctx context.Context, t testing.TB, e convert.Engine, content C, job convert.Job) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	job.In, job.Dir = filepath.Join(dir, "in."+string(job.From)), filepath.Join(dir, "out")
	if err := os.WriteFile(job.In, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(job.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if job.Name == "" {
		job.Name = "-o @x." + string(job.From)
	}
	if job.Limits == (convert.Limits{}) {
		job.Limits = convert.LimitsOf(engine.DefaultLimits())
	}
	return convert.Convert(ctx, e, job)
}

// Path is the path of the only output of a Convert that must succeed.
func Path[C Content](t testing.TB, e convert.Engine, content C, job convert.Job) string {
	t.Helper()
	outputs, err := Convert(t.Context(), t, e, content, job)
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != 1 {
		t.Fatalf("got %d outputs, want 1", len(outputs))
	}
	return outputs[0]
}

// Output is the only output of a Convert that must succeed.
func Output[C Content](t testing.TB, e convert.Engine, content C, job convert.Job) []byte {
	t.Helper()
	output, err := os.ReadFile(Path(t, e, content, job))
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// Refused checks that a Convert fails and that the file is to blame, with a message that holds want and no path.
func Refused[C Content](t testing.TB, e convert.Engine, content C, job convert.Job, want string) {
	t.Helper()
	_, err := Convert(t.Context(), t, e, content, job)
	if !Refusal(err) {
		t.Fatalf("got error %v, want a refusal", err)
	}
	message := engine.MessageOf(err)
	if !strings.Contains(message, want) || strings.Contains(message, os.TempDir()) || !strings.HasSuffix(message, ".") {
		t.Errorf("got message %q, want a sentence with %q and without a path", message, want)
	}
}

// Tool returns what an independent reader says, or skips the test when it is not installed.
func Tool(t testing.TB, name string, args ...string) string {
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

// Refusal reports whether a conversion failed because of the file.
func Refusal(err error) bool {
	code := engine.CodeOf(err)
	return err != nil && (code == engine.Invalid || code == engine.TooLarge)
}

// ZIP is an archive of the members, each a name and a content.
func ZIP(members ...[2]string) string { return zipped(zip.Deflate, members) }

// StoredZIP is a ZIP whose members are not compressed, as those of formats with a first member mimetype may not be.
func StoredZIP(members ...[2]string) string { return zipped(zip.Store, members) }

func zipped(method uint16, members [][2]string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m[0], Method: method})
		if err == nil {
			_, err = w.Write([]byte(m[1]))
		}
		if err != nil {
			panic(err) // memory takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
