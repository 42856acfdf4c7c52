// Package converttest is what the tests of converters have in common: a box, an engine in it, files to convert.
package converttest

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Main runs the tests of a package, unless the toolbox started this binary to restrict itself and become another program.
func Main(m *testing.M) {
	toolbox.Launch()
	os.Exit(m.Run())
}

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

// Convert puts content into a file, converts that as job says and returns the paths of what came out. It fills in what job
// leaves out: a name like those that hurt, a folder, the limits of a server.
func Convert(ctx context.Context, t testing.TB, e convert.Engine, content string, job convert.Job) ([]string, error) {
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
