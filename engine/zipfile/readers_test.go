package zipfile_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/zipfile"
)

// The independent readers of SEC-ZIP-03, besides archive/zip. Each exits with an error when a checksum is wrong.
var readers = map[string]func(archive string) []string{
	"unzip":   func(archive string) []string { return []string{"-tqq", archive} },
	"7z":      func(archive string) []string { return []string{"t", "-bso0", archive} },
	"python3": func(archive string) []string { return []string{"-c", pythonTest, archive} },
}

const pythonTest = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    bad = z.testzip()
    flags = [i.filename for i in z.infolist() if i.flag_bits != 0x800]
    sys.exit(bad or (repr(flags) if flags else 0))
`

func readByOthers(t *testing.T, archive string, except ...string) {
	t.Helper()
	for name, args := range readers {
		if slices.Contains(except, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				enginetest.Missing(t, name)
			}
			if out, err := exec.CommandContext(t.Context(), program, args(archive)...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestSecZIP03OtherReaders(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(archive, write(t, everything(), zipfile.Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	readByOthers(t, archive)
}

func TestExpZIP02ManyEntries(t *testing.T) {
	for count, want := range map[int]bool{65_535: false, 65_536: true} {
		t.Run(strconv.Itoa(count), func(t *testing.T) {
			var entries []zipfile.Entry
			for i := range count {
				entries = append(entries, entry(strconv.Itoa(i), nil))
			}
			archive := write(t, entries, zipfile.Options{})
			if got := bytes.Contains(archive[len(archive)-98:], []byte("PK\x06\x06")); got != want {
				t.Errorf("got ZIP64 %v, want %v", got, want)
			}
			r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
			if err != nil || len(r.File) != count {
				t.Fatalf("got %v and an archive that cannot be read, want %d entries", err, count)
			}
			path := filepath.Join(t.TempDir(), "a.zip")
			if err := os.WriteFile(path, archive, 0o600); err != nil {
				t.Fatal(err)
			}
			readByOthers(t, path)
		})
	}
}

// sparse is a file in which blocks of zeros become holes, so that a large archive takes no room.
type sparse struct{ *os.File }

func (s sparse) Write(p []byte) (int, error) {
	if len(p) < 4096 || bytes.Count(p, []byte{0}) < len(p) {
		return s.File.Write(p)
	}
	_, err := s.Seek(int64(len(p)), io.SeekCurrent)
	return len(p), err
}

func newSparse(t *testing.T) sparse {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "a.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return sparse{f}
}

// large is the smallest value that does not fit into 32 bits, one below for what ZIP sets aside.
const large = 1<<32 - 1

// crcOfZeros saves reading what is too long to be read back in a test, by length.
var crcOfZeros = map[uint64]uint32{large - 1: 0xf6a7026, large: 0, large + 1: 0xd202ef8d}

func TestExpZIP02LargeEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("reads several times 4 GiB of zeros")
	}
	tests := map[string]struct {
		entries []zipfile.Entry
		sizes   [][2]bool // for each entry, whether the local and the central header have the extra field
	}{
		"stored, then another beyond 4 GiB": {
			[]zipfile.Entry{source("a", large, true), entry("b", []byte("beyond"))}, [][2]bool{{true, true}, {false, true}},
		},
		"deflated, then another before": {
			[]zipfile.Entry{source("a", large+1, false), entry("b", []byte("near"))}, [][2]bool{{true, true}, {false, false}},
		},
		"stored, just below": {
			[]zipfile.Entry{source("a", large-1, true)}, [][2]bool{{false, false}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newSparse(t)
			if err := zipfile.Write(t.Context(), f, tt.entries, zipfile.Options{}); err != nil {
				t.Fatal(err)
			}
			checkExtras(t, f.Name(), tt.sizes)
		})
	}
}

// An archive may begin anywhere in its file, which makes large offsets cheap.
func TestExpZIP02LargeOffsets(t *testing.T) {
	for start, want := range map[int64]bool{large - 40: false, large: true, 5 << 30: true} {
		t.Run(strconv.FormatInt(start, 10), func(t *testing.T) {
			f := newSparse(t)
			if _, err := f.Seek(start, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			entries := []zipfile.Entry{entry("a", prose(2*mebi)), entry("b", []byte("second"))}
			if err := zipfile.Write(t.Context(), f, entries, zipfile.Options{}); err != nil {
				t.Fatal(err)
			}
			checkExtras(t, f.Name(), [][2]bool{{false, want}, {false, true}})
			readByOthers(t, f.Name(), "7z") // which finds no archive that far into a file
		})
	}
}

func checkExtras(t *testing.T, name string, want [][2]bool) {
	t.Helper()
	r, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, e := range r.File {
		if crc, found := crcOfZeros[e.UncompressedSize64]; found && e.CRC32 != crc {
			t.Errorf("%s: got CRC %#x, want %#x", e.Name, e.CRC32, crc)
		} else if !found {
			read(t, e) // compares the checksum
		}
		start, err := e.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		local := make([]byte, 30)
		at := start - 30 - int64(len(e.Name))
		if want[i][0] {
			at -= 20
		}
		if _, err := f.ReadAt(local, at); err != nil || le(local[:4]) != 0x04034b50 {
			t.Errorf("%s: the local header is not of the length wanted: %v", e.Name, err)
		}
		if got := len(e.Extra) > 0; got != want[i][1] {
			t.Errorf("%s: got a central extra field %v, want %v", e.Name, got, want[i][1])
		}
	}
}

func ExampleWrite() {
	f, err := os.CreateTemp("", "example*.zip")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	open := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("hello")), nil
	}
	entries := []zipfile.Entry{{Name: zipfile.Clean(`..\notes.txt`), Size: 5, Open: open}}
	err = zipfile.Write(context.Background(), f, entries, zipfile.Options{})
	fmt.Println(entries[0].Name, err)
	// Output: notes.txt <nil>
}
