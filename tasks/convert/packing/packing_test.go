package packing_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
)

var archives = packing.New()

// content is what every archive of the tests holds.
var content = map[string]string{
	"a.txt": "alpha", "folder/b.txt": "beta", "folder/größe.txt": "", "big": strings.Repeat("0123456789", 50_000),
}

func zipOf(t *testing.T, members ...zip.FileHeader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, h := range members {
		h.Method = zip.Deflate
		text := h.Comment
		h.Comment = ""
		w, err := z.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, "/") {
			continue
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sampleZIP(t *testing.T) []byte {
	t.Helper()
	members := []zip.FileHeader{{Name: "folder/"}}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		members = append(members, zip.FileHeader{Name: name, Comment: content[name]})
	}
	return zipOf(t, members...)
}

func tarOf(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		text := h.Uname
		h.Uname = ""
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = cmp.Or(h.Mode, 0o644)
		}
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sampleTar(t *testing.T) []byte {
	t.Helper()
	members := []tar.Header{
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "from a commit"}},
		{Name: "./", Typeflag: tar.TypeDir},
		{Name: "./folder/", Typeflag: tar.TypeDir},
	}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		members = append(members, tar.Header{Name: "./" + name, Uname: content[name]})
	}
	return tarOf(t, members...)
}

func compressed(t *testing.T, format convert.Format, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "gz":
		w = gzip.NewWriter(&b)
	case "bz2":
		w, err = bzip2.NewWriter(&b, nil)
	case "zst":
		w, err = zstd.NewWriter(&b)
	case "xz":
		return piped(t, raw, "xz", "-c")
	}
	if err == nil {
		_, err = w.Write(raw)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func piped(t *testing.T, raw []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		enginetest.Missing(t, name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(raw)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sevenZip(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, "in", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	converttest.Tool(t, "7z", "a", "-bd", filepath.Join(dir, "out.7z"), filepath.Join(dir, "in")+"/.")
	b, err := os.ReadFile(filepath.Join(dir, "out.7z"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listing is what python finds in an archive, or else the Go standard library.
func listing(t *testing.T, path string, format convert.Format) map[string]string {
	t.Helper()
	script := `import sys, zipfile, tarfile, json
kind, path, found = sys.argv[1], sys.argv[2], {}
if kind == "zip":
    z = zipfile.ZipFile(path)
    assert z.testzip() is None
    for n in z.namelist():
        if not n.endswith("/"): found[n] = z.read(n).decode()
else:
    t = tarfile.open(path)
    for m in t.getmembers():
        if m.isfile(): found[m.name] = t.extractfile(m).read().decode("latin-1")
for n in sorted(found): print(n, len(found[n]), found[n][:5] if found[n].isascii() else '')`
	if format == "tar.zst" {
		plain := filepath.Join(t.TempDir(), "plain.tar")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(plain, piped(t, raw, "zstd", "-dc"), 0o600); err != nil {
			t.Fatal(err)
		}
		path = plain
	}
	found := map[string]string{}
	for line := range strings.Lines(converttest.Tool(t, "python3", "-c", script, string(format), path)) {
		name, rest, _ := strings.Cut(line, " ")
		found[name] = strings.TrimSpace(rest)
	}
	return found
}

func wantListing() map[string]string {
	want := map[string]string{}
	for name, text := range content {
		want[name] = strings.TrimSpace(strconv.Itoa(len(text)) + " " + text[:min(len(text), 5)])
	}
	return want
}

func TestArchivePairs(t *testing.T) {
	inner := sampleTar(t)
	for _, from := range []convert.Format{"zip", "tar", "tar.gz", "tar.bz2", "tar.zst", "tar.xz", "7z"} {
		t.Run(string(from), func(t *testing.T) {
			var archive []byte
			switch from {
			case "zip":
				archive = sampleZIP(t)
			case "7z":
				archive = sevenZip(t)
			case "tar":
				archive = inner
			default:
				archive = compressed(t, from[len("tar."):], inner)
			}
			got, err := filetype.Detect(bytes.NewReader(archive), int64(len(archive)), "")
			if err != nil || got != from {
				t.Fatalf("detected %s, %v", got, err)
			}
			for _, to := range packing.Writes() {
				if to == from {
					continue
				}
				path := converttest.Path(t, archives, archive, convert.Job{From: from, To: to})
				if got, want := listing(t, path, to), wantListing(); !maps.Equal(got, want) {
					t.Errorf("%s: got %v, want %v", to, got, want)
				}
			}
		})
	}
}

func TestSingleFiles(t *testing.T) {
	for _, from := range []convert.Format{"gz", "bz2", "zst", "xz"} {
		t.Run(string(from), func(t *testing.T) {
			packed := compressed(t, from, []byte("hello"))
			for _, to := range []convert.Format{"zip", "tar"} {
				path := converttest.Path(t, archives, packed, convert.Job{Name: "notes.txt." + string(from), From: from, To: to})
				if got := listing(t, path, to); got["notes.txt"] != "5 hello" {
					t.Errorf("%s: got %v", to, got)
				}
			}
		})
	}
}

func TestHostileMembers(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/passwd": "absolute", "../x": "leads out", "a/../../x": "leads out", `..\x`: "leads out", "C:/x": "absolute",
		`C:\x`: "absolute", `\\host\x`: "absolute", "a/..": "leads out", "a\x00b": "cannot be used", "a\nb": "cannot be used",
		strings.Repeat("x", 5000): "cannot be used", "./../x": "leads out",
	} {
		t.Run("zip "+name[:min(len(name), 12)], func(t *testing.T) {
			converttest.Refused(t, archives, zipOf(t, zip.FileHeader{Name: name, Comment: "x"}), convert.Job{From: "zip", To: "tar"}, want)
		})
		if strings.Contains(name, "\x00") {
			continue // tar has no way to write it
		}
		t.Run("tar "+name[:min(len(name), 12)], func(t *testing.T) {
			converttest.Refused(t, archives, tarOf(t, tar.Header{Name: name, Uname: "x"}), convert.Job{From: "tar", To: "zip"}, want)
		})
	}
	for name, h := range map[string]tar.Header{
		"block": {Name: "d", Typeflag: tar.TypeBlock, Devmajor: 8},
		"tty":   {Name: "d", Typeflag: tar.TypeChar, Devmajor: 5},
		"fifo":  {Name: "d", Typeflag: tar.TypeFifo},
	} {
		t.Run(name, func(t *testing.T) {
			converttest.Refused(t, archives, tarOf(t, h), convert.Job{From: "tar", To: "zip"}, "a device")
		})
	}
	t.Run("same name twice", func(t *testing.T) {
		twice := zipOf(t, zip.FileHeader{Name: "a"}, zip.FileHeader{Name: "./a"})
		converttest.Refused(t, archives, twice, convert.Job{From: "zip", To: "tar"}, "same name")
	})
	t.Run("names that differ in case", func(t *testing.T) {
		path := converttest.Path(t, archives, zipOf(t, zip.FileHeader{Name: "A"}, zip.FileHeader{Name: "a"}), convert.Job{From: "zip", To: "tar"})
		if got := listing(t, path, "tar"); len(got) != 2 {
			t.Errorf("got %v, want both", got)
		}
	})
}

func symlink(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

// links is an archive as builds make it: with links of both kinds, and a program.
func links(t *testing.T) []byte {
	t.Helper()
	return tarOf(t, tar.Header{Name: "lib/x.so.1", Mode: 0o755, Uname: "program"}, symlink("lib/x.so", "x.so.1"),
		symlink("bin/deep/x", "../../lib/./x.so"), symlink("here", "."),
		tar.Header{Name: "bin/hard", Typeflag: tar.TypeLink, Linkname: "lib/x.so.1"}, tar.Header{Name: "plain", Mode: 0o600, Uname: "text"})
}

// TestLinks unpacks what came out with the programs that people have.
func TestLinks(t *testing.T) {
	for to, unpack := range map[convert.Format][]string{"zip": {"unzip", "-q"}, "tar": {"tar", "xf"}, "tar.gz": {"tar", "xzf"}} {
		if _, err := exec.LookPath(unpack[0]); err != nil {
			enginetest.Missing(t, unpack[0])
		}
		path, dir := converttest.Path(t, archives, links(t), convert.Job{From: "tar", To: to}), t.TempDir()
		c := exec.CommandContext(t.Context(), unpack[0], append(unpack[1:], path)...)
		c.Dir = dir
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", to, err, said)
		}
		for name, want := range map[string]string{"lib/x.so": "x.so.1", "bin/deep/x": "../../lib/./x.so", "here": ".", "bin/hard": "../lib/x.so.1"} {
			if got, err := os.Readlink(filepath.Join(dir, name)); got != want {
				t.Errorf("%s: %s leads to %q (%v), want %q", to, name, got, err, want)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, "here/bin/hard")); string(text) != "program" {
			t.Errorf("%s: got %q, %v behind the links", to, text, err)
		}
		for name, want := range map[string]bool{"lib/x.so.1": true, "plain": false} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || (info.Mode()&0o100 != 0) != want {
				t.Errorf("%s: %s: %v, %v, want that it can be run: %v", to, name, info, err, want)
			}
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		again := converttest.Path(t, archives, raw, convert.Job{From: to, To: "tar.bz2"})
		if got := converttest.Tool(t, "tar", "tvjf", again); !strings.Contains(got, "bin/deep/x -> ../../lib/./x.so") {
			t.Errorf("%s: got %s of its own archive", to, got)
		}
	}
}

func TestHostileLinks(t *testing.T) {
	below := tar.Header{Name: "l/passwd", Uname: "x"}
	for name, headers := range map[string][]tar.Header{
		"absolute":            {symlink("l", "/etc"), below},
		"up":                  {symlink("l", ".."), below},
		"up from a folder":    {symlink("a/l", "../..")},
		"to the machine":      {symlink("a/l", "../../etc/passwd")},
		"up behind a link":    {symlink("a/b/c", "../.."), symlink("e", "a/b/c/../x")},
		"backslashes":         {symlink("l", `..\..\x`)},
		"a drive":             {symlink("l", "C:/x")},
		"a line break":        {symlink("l", "a\nb")},
		"a file behind it":    {symlink("l", "a"), below},
		"a file before it":    {{Name: "L/passwd", Uname: "x"}, symlink("l", "a")},
		"a link behind it":    {symlink("l", "a"), symlink("L/m", "../x")},
		"a folder for a link": {symlink("l", "a"), {Name: "L/", Typeflag: tar.TypeDir}},
		"hard to the machine": {{Name: "l", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"hard to nothing":     {{Name: "l", Typeflag: tar.TypeLink, Linkname: "later"}, {Name: "later", Uname: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			converttest.Refused(t, archives, tarOf(t, headers...), convert.Job{From: "tar", To: "zip"}, "link")
		})
	}
	t.Run("in a ZIP", func(t *testing.T) {
		h := zip.FileHeader{Name: "l", Comment: "/etc"}
		h.SetMode(os.ModeSymlink | 0o777)
		converttest.Refused(t, archives, zipOf(t, h), convert.Job{From: "zip", To: "tar"}, "a link that leads out")
	})
}

func TestPasswords(t *testing.T) {
	for name, arg := range map[string]string{"members": "-mhe=off", "directory": "-mhe=on"} {
		path := filepath.Join(t.TempDir(), "a.7z")
		converttest.Tool(t, "7zz", "a", "-psecret", arg, path, "packing_test.go")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			converttest.Refused(t, archives, raw, convert.Job{From: "7z", To: "zip"}, "protected by a password")
		})
	}
}

func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 12<<20)
	bomb := zipOf(t, zip.FileHeader{Name: "zeros", Comment: zeros})
	t.Run("ratio", func(t *testing.T) {
		converttest.Refused(t, archives, bomb, convert.Job{From: "zip", To: "tar"}, "unpacks to more")
	})
	for _, c := range []convert.Format{"gz", "bz2", "zst", "xz"} {
		t.Run(string(c), func(t *testing.T) {
			converttest.Refused(t, archives, compressed(t, c, []byte(zeros)), convert.Job{From: c, To: "zip"}, "unpacks to more")
			packed := compressed(t, c, tarOf(t, tar.Header{Name: "zeros", Uname: zeros}))
			converttest.Refused(t, archives, packed, convert.Job{From: "tar." + c, To: "zip"}, "unpacks to more")
		})
	}
	t.Run("nested", func(t *testing.T) { // stays packed, so it is harmless
		outer := zipOf(t, zip.FileHeader{Name: "bomb.zip", Comment: string(bomb)})
		path := converttest.Path(t, archives, outer, convert.Job{From: "zip", To: "tar"})
		if got := listing(t, path, "tar"); len(got) != 1 {
			t.Errorf("got %v, want the inner archive as it is", got)
		}
	})
	t.Run("total", func(t *testing.T) {
		limits := convert.LimitsOf(engine.DefaultLimits())
		limits.Unpacked = 1000
		converttest.Refused(t, archives, sampleZIP(t), convert.Job{From: "zip", To: "tar", Limits: limits}, "unpacks to more")
	})
	t.Run("entries", func(t *testing.T) {
		limits := convert.LimitsOf(engine.DefaultLimits())
		limits.Entries = 3
		converttest.Refused(t, archives, sampleZIP(t), convert.Job{From: "zip", To: "tar", Limits: limits}, "more than 3 entries")
		converttest.Refused(t, archives, sampleTar(t), convert.Job{From: "tar", To: "zip", Limits: limits}, "more than 3 entries")
	})
	t.Run("overlap", func(t *testing.T) {
		converttest.Refused(t, archives, overlapping(t), convert.Job{From: "zip", To: "tar"}, "overlap")
	})
}

// overlapping makes the second entry of a ZIP point at the first one's bytes.
func overlapping(t *testing.T) []byte {
	t.Helper()
	b := zipOf(t, zip.FileHeader{Name: "a", Comment: "one"}, zip.FileHeader{Name: "b", Comment: "one"})
	second := bytes.LastIndex(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[second+42:], 0)
	return b
}

// TestAmbiguousDirectory hides a second directory where a reader that trusts the offset finds it (CVE-2024-24789).
func TestAmbiguousDirectory(t *testing.T) {
	first := zipOf(t, zip.FileHeader{Name: "a", Comment: "one"})
	second := zipOf(t, zip.FileHeader{Name: "b", Comment: "two"})
	converttest.Refused(t, archives, append(first, second...), convert.Job{From: "zip", To: "tar"}, "ambiguous")
	lying := bytes.Clone(second)
	end := bytes.LastIndex(lying, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(lying[end+16:], 1<<30)
	converttest.Refused(t, archives, lying, convert.Job{From: "zip", To: "tar"}, "damaged")
}

func TestDamagedArchives(t *testing.T) {
	samples := map[convert.Format][]byte{"zip": sampleZIP(t), "tar": sampleTar(t),
		"tar.gz": compressed(t, "gz", sampleTar(t)), "tar.bz2": compressed(t, "bz2", sampleTar(t)),
		"tar.zst": compressed(t, "zst", sampleTar(t))}
	samples["7z"] = append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), make([]byte, 64)...)
	samples["rar"] = append([]byte("Rar!\x1a\x07\x01\x00"), make([]byte, 64)...)
	for from, whole := range samples {
		t.Run(string(from), func(t *testing.T) {
			to := convert.Format("zip")
			if from == "zip" {
				to = "tar"
			}
			for _, n := range []int{0, 1, 20, len(whole) / 2, len(whole) - 600} {
				_, err := converttest.Convert(t.Context(), t, archives, whole[:max(n, 0)], convert.Job{From: from, To: to})
				if err != nil && !converttest.Refusal(err) {
					t.Errorf("%d bytes: got %v, want a refusal", n, err)
				}
			}
			converttest.Refused(t, archives, whole[:len(whole)/2], convert.Job{From: from, To: to}, "")
		})
	}
}

func TestArchiveEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	if _, err := converttest.Convert(ctx, t, archives, sampleZIP(t), convert.Job{From: "zip", To: "tar"}); !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add("zip", []byte("PK\x05\x06"+strings.Repeat("\x00", 18)))
	f.Add("tar", make([]byte, 1024))
	f.Add("7z", []byte("7z\xbc\xaf\x27\x1c\x00\x04"))
	f.Add("rar", []byte("Rar!\x1a\x07\x01\x00\x00\x00\x00\x00"))
	f.Add("tar.xz", []byte("\xfd7zXZ\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, from string, content []byte) {
		to := convert.Format("tar")
		if from == "tar" {
			to = "zip"
		}
		if !slices.Contains(packing.Reads(), convert.Format(from)) {
			return
		}
		_, err := converttest.Convert(t.Context(), t, archives, content, convert.Job{From: convert.Format(from), To: to})
		if err != nil && !converttest.Refusal(err) {
			t.Errorf("%v", err)
		}
	})
}
