package filestore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/filestore"
)

func open(t testing.TB, root string) *filestore.Dir {
	t.Helper()
	d, err := filestore.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFiles(t *testing.T) {
	enginetest.TestFiles(t, func(t testing.TB) engine.Files { return open(t, t.TempDir()) })
}

func TestOpenDirRemovesWhatWasUnfinished(t *testing.T) {
	root := t.TempDir()
	f, err := open(t, root).Create(t.Context(), "x", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(root, "tmp", "new-1")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, root)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the unfinished file is still there (%v)", err)
	}
	r, err := again.Open(t.Context(), f.Blob)
	if err != nil {
		t.Fatalf("the finished file is gone: %v", err)
	}
	if _, ok := r.(*os.File); !ok {
		t.Errorf("got a %T, want a bare *os.File, so that sendfile works", r)
	}
	r.Close()
}

func TestFailedWrites(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	made := filepath.Join(t.TempDir(), "made")
	if err := os.WriteFile(made, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil { // as if the disk had gone
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context(), "x", strings.NewReader("x")); engine.CodeOf(err) != engine.Unavailable {
		t.Errorf("create: got %v, want Unavailable", err)
	}
	if _, err := d.Adopt(t.Context(), "x", made); engine.CodeOf(err) != engine.Unavailable {
		t.Errorf("adopt: got %v, want Unavailable", err)
	}
	if _, err := os.Stat(made); err != nil {
		t.Errorf("the file that could not be adopted is gone: %v", err)
	}
}

// BenchmarkCreate shows what hashing and the disk cost.
func BenchmarkCreate(b *testing.B) {
	d := open(b, b.TempDir())
	content := strings.Repeat("0123456789abcdef", 1<<16)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := d.Create(b.Context(), "x", strings.NewReader(content)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAdoptFromAnotherFileSystem(t *testing.T) {
	const memory = "/dev/shm"
	dir, err := os.MkdirTemp(memory, "gantry-test-")
	if err != nil {
		t.Skipf("no other file system to write to: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "made")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	d := open(t, root)
	f, err := d.Adopt(t.Context(), "x", path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, d.Rel(f.Blob)))
	if err != nil || string(got) != "content" {
		t.Errorf("got %q (%v)", got, err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still in its old place (%v)", err)
	}
}
