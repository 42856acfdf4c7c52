package all_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"codeberg.org/go-pdf/fpdf"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// makers make samples that neither are a few letters nor come out of the catalog. One whose program is missing makes none.
var makers = []func(t *testing.T, m *matrix) []sample{films, archives, fontsHere, slides, scans, byHand, rare, retyped}

// program runs a program and reports whether it made the file.
func program(t *testing.T, dir, name string, args ...string) bool {
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Logf("no sample: %s: %v: %.200s", name, err, out)
	}
	return err == nil
}

func wordy(t *testing.T) string {
	t.Helper()
	d := fpdf.New("P", "pt", "A4", "")
	d.SetFont("Helvetica", "", 40)
	d.AddPage()
	d.Text(100, 100, word)
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func films(t *testing.T, m *matrix) (made []sample) {
	sound := []string{"-v", "error", "-y", "-f", "lavfi", "-i", "sine=duration=2"}
	both := slices.Concat(sound, []string{"-f", "lavfi", "-i", "testsrc=size=192x128:rate=10:duration=2", "-shortest"})
	for _, f := range []struct {
		name string
		args []string
	}{
		{"x.mp4", slices.Concat(both, []string{"-c:v", "libx264", "-pix_fmt", "yuv420p"})},
		{"x.wav", sound},
		{"x.ogg", slices.Concat(both, []string{"-c:v", "libtheora", "-c:a", "libvorbis", "-f", "ogg"})},
		{"x.dv", slices.Concat(both, []string{"-target", "pal-dv", "-r", "25"})},
		{"x.rm", slices.Concat(both, []string{"-c:v", "rv10", "-c:a", "ac3", "-ac", "1", "-ar", "44100"})},
		{"x.spx", slices.Concat(sound, []string{"-c:a", "libspeex", "-ar", "16000", "-f", "ogg"})},
		{"x.dts", slices.Concat(sound, []string{"-c:a", "dca", "-strict", "-2", "-ar", "48000"})},
	} {
		path := filepath.Join(m.dir, f.name)
		if program(t, m.dir, "ffmpeg", slices.Concat(f.args, []string{path})...) {
			made = append(made, sample{path, filetype.OfName(f.name), facts{seconds: seconds}})
		}
	}
	return made
}

func archives(t *testing.T, m *matrix) (made []sample) {
	dir := filepath.Join(m.dir, "content")
	if err := os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.write(t, "content/"+member, word+"\n")
	m.write(t, "content/DEBIAN/control", "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n")
	for _, a := range []struct{ name, script string }{
		{"x.tar", `tar cf "$out" ` + member}, {"x.tar.xz", `tar cJf "$out" ` + member}, {"x.zip", `zip -q "$out" ` + member + ` || 7z a "$out" ` + member},
		{"x.jar", `mkdir -p META-INF; echo Manifest-Version: 1.0 >META-INF/MANIFEST.MF; 7z a -tzip "$out" META-INF ` + member},
		{"x.gz", `gzip -c ` + member + ` >"$out"`}, {"x.bz2", `bzip2 -c ` + member + ` >"$out"`}, {"x.xz", `xz -c ` + member + ` >"$out"`},
		{"x.zst", `zstd -qc ` + member + ` >"$out"`}, {"x.lzma", `xz --format=lzma -c ` + member + ` >"$out"`},
		{"x.z", `cat ` + member + ` ` + member + ` ` + member + ` ` + member + ` | compress -f >"$out"`},
		{"x.tar.z", `tar c ` + member + ` | compress >"$out"`}, {"x.lzo", `lzop -qc ` + member + ` >"$out"`},
		{"x.tar.lzo", `tar c ` + member + ` | lzop -qc >"$out"`}, {"x.lz", `lzip -c ` + member + ` >"$out"`},
		{"x.rz", `rzip -k -o "$out" ` + member}, {"x.cpio", `echo ` + member + ` | cpio --quiet -o -H newc >"$out"`},
		{"x.deb", `dpkg-deb -b . "$out"`}, {"x.iso", `genisoimage -quiet -J -R -o "$out" ` + member},
		{"x.img", `genisoimage -quiet -J -R -o "$out" ` + member},
		{"x.rpm", `printf 'Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%%description\nx\n%%install\nmkdir -p %%{buildroot}/opt; echo x >%%{buildroot}/opt/` +
			member + `\n%%files\n/opt/*\n' >../x.spec; rpmbuild --quiet -bb --define "_topdir $PWD/../rpm" --define "_rpmdir $PWD/.." ../x.spec; cp ../*/x-1-1.*.rpm "$out"`},
	} {
		path := filepath.Join(m.dir, a.name)
		if program(t, dir, "bash", "-c", "set -e; out="+path+"; "+a.script) {
			made = append(made, sample{path, filetype.OfName(a.name), facts{member: member}})
		}
	}
	for i := range made { // streams hold one file, which is called after them, and packages have folders
		switch made[i].format {
		case "gz", "bz2", "xz", "zst", "lzma", "z", "lzo", "lz", "rz":
			made[i].member = "member"
		}
	}
	return made
}

func fontsHere(_ *testing.T, _ *matrix) (made []sample) {
	found, _ := filepath.Glob("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
	for _, path := range found {
		made = append(made, sample{path, "ttf", facts{}})
	}
	return made
}

func slides(t *testing.T, m *matrix) []sample {
	path := filepath.Join(m.dir, "x.pptx")
	if !program(t, m.dir, "pandoc", "-f", "gfm", "-t", "pptx", "-o", path, filepath.Join(m.dir, "x.md")) {
		return nil
	}
	return []sample{{path, "pptx", facts{word: word}}}
}

func scans(t *testing.T, m *matrix) (made []sample) {
	for _, s := range []struct {
		format convert.Format
		script string
	}{
		{"djvu", `convert png:x.png x.ppm && c44 x.ppm x.djvu`},
		{"cbz", `mkdir -p comic && cp x.png comic/1.png && cp x.png comic/2.png && 7z a -tzip x.cbz ./comic/*.png`},
		{"ai", `cp x.pdf x.ai`},
	} {
		if program(t, m.dir, "bash", "-c", s.script) {
			made = append(made, sample{filepath.Join(m.dir, "x."+string(s.format)), s.format, facts{}})
		}
	}
	return made
}
