package enginetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// TestFiles is the contract of engine.Files. Open returns the store under test, empty.
func TestFiles(t *testing.T, open func(t testing.TB) engine.Files) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, files engine.Files)
	}{
		{"bytes come back as they were, with their measures", filesRoundTrip},
		{"the media type is told by content", filesTypes},
		{"an error of the reader is returned as it is and leaves nothing", filesBroken},
		{"a context that ends leaves nothing", filesCanceled},
		{"a file of the disk is taken over", filesAdopt},
		{"only a plain file is taken over", filesAdoptOdd},
		{"an adopted file is as young as its adoption", filesAdoptOld},
		{"each reader is on its own and can seek", filesReaders},
		{"a reader outlives the removal", filesRemoveOpen},
		{"what is not there", filesMissing},
		{"a walk shows every blob once, and its age", filesWalk},
		{"many at once", filesParallel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func filesRoundTrip(t *testing.T, files engine.Files) {
	for _, size := range []int{0, 1, 4095, 64 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		content := pattern(size)
		// One byte at a time is what a slow connection delivers; data with the EOF is what some readers do.
		for name, r := range map[string]io.Reader{"plain": bytes.NewReader(content), "half": iotest.HalfReader(bytes.NewReader(content)),
			"eof": iotest.DataErrReader(bytes.NewReader(content))} {
			f, err := files.Create(t.Context(), "name.bin", r)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", size, name, err)
			}
			checkMeasures(t, f, content)
			if got := blobContent(t, files, f.Blob); !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %s: other bytes came back", size, name)
			}
		}
	}
}

func checkMeasures(t *testing.T, f engine.File, content []byte) {
	t.Helper()
	md, sha := md5.Sum(content), sha256.Sum256(content)
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
	want := engine.File{Blob: f.Blob, Name: f.Name, MIME: f.MIME, Size: int64(len(content)),
		SHA256: hex.EncodeToString(sha[:]), MD5: hex.EncodeToString(md[:]), CRC32C: hex.EncodeToString(crc)}
	if f.Size != want.Size || f.SHA256 != want.SHA256 || f.MD5 != want.MD5 || f.CRC32C != want.CRC32C {
		t.Errorf("got %+v, want %+v", f, want)
	}
	if _, ok := engine.ParseID(string(f.Blob)); !ok {
		t.Errorf("%q is not the id of a blob", f.Blob)
	}
}

func filesTypes(t *testing.T, files engine.Files) {
	for _, c := range []struct{ name, content, want string }{
		{"a.txt", "hello", "text/plain"},
		{"a.md", "# hello", "text/markdown"},
		{"a.png", "\x89PNG\r\n\x1a\n", "image/png"},
		{"a.pdf", "%PDF-1.7\n", "application/pdf"},
		{"a.txt", "%PDF-1.7\n", "application/pdf"}, // whatever its name says
		{"a.html", "hello", "text/plain"},          // a name makes nothing more dangerous than it is
		{"a.md", "\x89PNG\r\n\x1a\n", "image/png"},
	} {
		f, err := files.Create(t.Context(), c.name, strings.NewReader(c.content))
		if err != nil || f.MIME != c.want || f.Name != c.name {
			t.Errorf("%s with %q is %s named %s, want %s (%v)", c.name, c.content, f.MIME, f.Name, c.want, err)
		}
	}
}

func filesBroken(t *testing.T, files engine.Files) {
	broken := errors.New("broken")
	for _, r := range []io.Reader{errorReader{broken}, io.MultiReader(bytes.NewReader(pattern(1<<20)), errorReader{broken})} {
		if _, err := files.Create(t.Context(), "x", r); !errors.Is(err, broken) {
			t.Errorf("got %v, want the reader's error", err)
		}
	}
	if _, err := files.Create(t.Context(), "x", errorReader{io.ErrUnexpectedEOF}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want ErrUnexpectedEOF", err)
	}
	wantBlobs(t, files, 0)
}

func filesCanceled(t *testing.T, files engine.Files) {
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := io.MultiReader(bytes.NewReader(pattern(1<<20)), meanwhile(func() { cancel(why) }), bytes.NewReader(pattern(1<<20)))
	if _, err := files.Create(ctx, "x", r); !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
	wantBlobs(t, files, 0)
}

func filesAdopt(t *testing.T, files engine.Files) {
	path := filepath.Join(t.TempDir(), "made")
	content := pattern(300 << 10)
	if err := os.WriteFile(path, content, 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := files.Adopt(t.Context(), "name.bin", path)
	if err != nil {
		t.Fatal(err)
	}
	checkMeasures(t, f, content)
	if got := blobContent(t, files, f.Blob); !bytes.Equal(got, content) {
		t.Error("other bytes came back")
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still in its old place (%v)", err)
	}
}

func filesAdoptOdd(t *testing.T, files engine.Files) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, dir, filepath.Join(dir, "missing")} {
		if f, err := files.Adopt(t.Context(), "x", path); err == nil {
			t.Errorf("%s was taken over as %+v", filepath.Base(path), f)
		}
	}
	wantBlobs(t, files, 0)
}

// What a tool unpacks often has the times of long ago; by them a sweep would take it for an orphan.
func filesAdoptOld(t *testing.T, files engine.Files) {
	path := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Second) // file systems and ids keep coarser times
	if _, err := files.Adopt(t.Context(), "x", path); err != nil {
		t.Fatal(err)
	}
	walk(t, files, func(_ engine.BlobID, at time.Time) {
		if at.Before(before) {
			t.Errorf("the blob is said to be from %v", at)
		}
	})
}

func filesReaders(t *testing.T, files engine.Files) {
	content := pattern(1000)
	f, err := files.Create(t.Context(), "x", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	first, second := openBlob(t, files, f.Blob), openBlob(t, files, f.Blob)
	if _, err := first.Seek(500, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[io.Reader][]byte{first: content[500:], second: content} {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes (%v), want %d", len(got), err, len(want))
		}
	}
	if end, err := first.Seek(0, io.SeekEnd); err != nil || end != 1000 {
		t.Errorf("the end is at %d (%v)", end, err)
	}
}

func filesRemoveOpen(t *testing.T, files engine.Files) {
	content := pattern(1 << 20)
	f, err := files.Create(t.Context(), "x", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r := openBlob(t, files, f.Blob)
	if err := files.Remove(t.Context(), f.Blob); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the open reader got %d bytes (%v)", len(got), err)
	}
	if _, err := files.Open(t.Context(), f.Blob); engine.CodeOf(err) != engine.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
	wantBlobs(t, files, 0)
}

func filesMissing(t *testing.T, files engine.Files) {
	for _, id := range []engine.BlobID{engine.NewID(), "", "x", "../../../../etc/passwd", engine.BlobID(strings.ToUpper(string(engine.NewID())))} {
		if _, err := files.Open(t.Context(), id); engine.CodeOf(err) != engine.NotFound {
			t.Errorf("open %q: got %v, want NotFound", id, err)
		}
		if err := files.Remove(t.Context(), id); err != nil {
			t.Errorf("remove %q: %v", id, err)
		}
	}
}

func filesWalk(t *testing.T, files engine.Files) {
	begun := time.Now().Add(-time.Second)
	want := map[engine.BlobID]bool{}
	for range 300 {
		f, err := files.Create(t.Context(), "x", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		want[f.Blob] = true
	}
	walk(t, files, func(b engine.BlobID, at time.Time) {
		if !want[b] {
			t.Errorf("blob %s was shown twice, or never made", b)
		}
		delete(want, b)
		if at.Before(begun) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("a blob made just now is from %v", at)
		}
	})
	if len(want) > 0 {
		t.Errorf("%d blobs were not shown", len(want))
	}
	enough := errors.New("enough")
	if err := files.Walk(t.Context(), func(engine.BlobID, time.Time) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of yield", err)
	}
}

func filesParallel(t *testing.T, files engine.Files) {
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			content := pattern(i << 12)
			f, err := files.Create(t.Context(), "x", bytes.NewReader(content))
			if err != nil {
				t.Error(err)
				return
			}
			checkMeasures(t, f, content)
			if got := blobContent(t, files, f.Blob); !bytes.Equal(got, content) {
				t.Errorf("other bytes came back for %d", len(content))
			}
		})
	}
	wg.Wait()
	wantBlobs(t, files, 32)
}

// pattern is bytes of which no two blocks are alike.
func pattern(size int) []byte {
	out := make([]byte, 0, size+8)
	for i := uint64(0); len(out) < size; i++ {
		out = binary.BigEndian.AppendUint64(out, i*0x9e3779b97f4a7c15)
	}
	return out[:size]
}

func walk(t *testing.T, files engine.Files, see func(engine.BlobID, time.Time)) {
	t.Helper()
	if err := files.Walk(t.Context(), func(b engine.BlobID, at time.Time) error { see(b, at); return nil }); err != nil {
		t.Fatal(err)
	}
}

func wantBlobs(t *testing.T, files engine.Files, want int) {
	t.Helper()
	got := 0
	walk(t, files, func(engine.BlobID, time.Time) { got++ })
	if got != want {
		t.Errorf("%d blobs are stored, want %d", got, want)
	}
}

func openBlob(t *testing.T, files engine.Files, b engine.BlobID) io.ReadSeekCloser {
	t.Helper()
	r, err := files.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func blobContent(t *testing.T, files engine.Files, b engine.BlobID) []byte {
	t.Helper()
	got, err := io.ReadAll(openBlob(t, files, b))
	if err != nil {
		t.Error(err)
	}
	return got
}
