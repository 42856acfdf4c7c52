package packed_test

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bodgit/sevenzip"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/packed"
)

// named returns the engine of that name, or skips the test.
func named(t *testing.T, name string) *packed.Engine {
	t.Helper()
	engines := packed.New(t.Context(), converttest.Box(t))
	at := slices.IndexFunc(engines, func(e *packed.Engine) bool { return e.Name() == name })
	if at < 0 {
		enginetest.Missing(t, name)
	}
	return engines[at]
}

// script is what a shell writes to the file $out, in a folder that holds a.txt and folder/b.txt.
func script(t *testing.T, lines string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	c := exec.CommandContext(t.Context(), "bash", "-euc", "mkdir content content/folder; cd content; printf alpha >a.txt; printf beta >folder/b.txt; "+lines)
	c.Dir, c.Env = dir, append(os.Environ(), "out="+out)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make the archive: %v: %s", err, said)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// members are the files in a tar.
func members(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found, archive := map[string]string{}, tar.NewReader(f)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(h.Name, "./")] = string(content)
		}
	}
}

const both = "a.txt=alpha folder/b.txt=beta"

func TestUnpack(t *testing.T) {
	for _, c := range []struct{ engine, from, script, want string }{
		{"7-zip", "cpio", `find a.txt folder | cpio --quiet -o -H newc >"$out"`, both},
		{"7-zip", "iso", `genisoimage -quiet -R -J -o "$out" .`, both},
		{"7-zip", "arj", `arj a -r -y -i "$out.arj" a.txt folder >/dev/null; mv "$out.arj" "$out"`, both},
		{"7-zip", "cab", `gcab -c "$out" a.txt >/dev/null`, "a.txt=alpha"},
		{"7-zip", "lzma", `xz --format=lzma -c a.txt >"$out"`, "x=alpha"},
		{"7-zip", "tar.z", `tar c a.txt folder | compress >"$out"`, both},
		{"7-zip", "deb", `mkdir -p DEBIAN; printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' >DEBIAN/control; dpkg-deb -b . "$out" >/dev/null`, both},
		{"unar", "arc", `arc aq "$out.arc" a.txt; mv "$out.arc" "$out"`, "A.TXT=alpha"},
		{"lzop", "lzo", `lzop -qc a.txt >"$out"`, "x=alpha"},
		{"lzop", "tar.lzo", `tar c a.txt folder | lzop -qc >"$out"`, both},
		{"lzip", "lz", `lzip -c a.txt >"$out"`, "x=alpha"},
		{"rzip", "rz", `rzip -k -o "$out" a.txt`, "x=alpha"},
	} {
		t.Run(c.engine+" "+c.from, func(t *testing.T) {
			e, from := named(t, c.engine), convert.Format(c.from)
			outputs, err := converttest.Convert(t.Context(), t, e, script(t, c.script), convert.Job{Name: "x." + c.from, From: from, To: "tar"})
			if err != nil {
				t.Fatal(err)
			}
			found := members(t, outputs[0])
			var got []string
			for _, name := range slices.Sorted(maps.Keys(found)) {
				got = append(got, name+"="+found[name])
			}
			if !strings.EqualFold(strings.Join(got, " "), c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPack(t *testing.T) {
	e := named(t, "7-zip")
	content := converttest.ZIP([2]string{"-sdel", "alpha"}, [2]string{"folder/größe.txt", "beta"})
	var last int
	outputs, err := converttest.Convert(t.Context(), t, e, content, convert.Job{From: "zip", To: "7z", Progress: func(n int) { last = n }})
	if err != nil {
		t.Fatal(err)
	}
	z, err := sevenzip.OpenReader(outputs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var got []string
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			got = append(got, f.Name)
		}
	}
	if slices.Sort(got); !slices.Equal(got, []string{"-sdel", "folder/größe.txt"}) {
		t.Errorf("got members %q", got)
	}
	if last == 0 {
		t.Error("no progress was told")
	}
}

// TestRefused are archives that are damaged, lead out of their folder, or hold more than is allowed.
func TestRefused(t *testing.T) {
	e := named(t, "7-zip")
	limits := convert.LimitsOf(engine.DefaultLimits())
	limits.Unpacked = 1 << 20
	for name, c := range map[string]struct {
		from    convert.Format
		content string
		code    engine.Code
	}{
		"damaged": {"cpio", "070701 and no more", engine.Invalid},
		"cut":     {"iso", script(t, `genisoimage -quiet -R -o "$out.iso" . ; head -c 40000 "$out.iso" >"$out"`), engine.Invalid},
		"link":    {"cpio", script(t, `ln -s /etc/passwd link; echo link | cpio --quiet -o -H newc >"$out"`), engine.Invalid},
		"bomb":    {"lzma", script(t, `head -c 30000000 /dev/zero | xz --format=lzma >"$out"`), engine.TooLarge},
		"slip":    {"zip", converttest.ZIP([2]string{"../slipped", "x"}), engine.Invalid},
	} {
		to := convert.Format("tar")
		if c.from == "zip" {
			to = "7z"
		}
		_, err := converttest.Convert(t.Context(), t, e, c.content, convert.Job{From: c.from, To: to, Limits: limits})
		if engine.CodeOf(err) != c.code || strings.Contains(engine.MessageOf(err), "/tmp") {
			t.Errorf("%s: got %v, want the code %s", name, err, c.code)
		}
	}
}
