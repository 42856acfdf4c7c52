package all_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/media"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// TestHostileFilesBite runs careless programs without any fence over some of the hostile files, one at least for each way
// out, and finds the canary: where the engines hold, it is not because the files are harmless.
func TestHostileFilesBite(t *testing.T) {
	film := magenta(t)
	server, path := 0, 1 // of the links
	for name, tt := range map[string]struct {
		file, from string
		link       int
		words      bool
		command    []string // IN and OUT stand for files
		called     bool     // rather than that the output has the canary
	}{
		"film calls":        {file: "HLS", from: "m3u8", link: server, command: []string{"ffmpeg", "-v", "quiet", "-protocol_whitelist", "file,http,tcp", "-i", "IN", "OUT.mp4"}, called: true},
		"film shows a film": {file: "concat", from: "m3u8", link: path, command: []string{"ffmpeg", "-v", "quiet", "-f", "concat", "-safe", "0", "-i", "IN", "OUT.mp4"}},
		"text calls":        {file: "pictures", from: "md", link: server, command: []string{"pandoc", "-f", "gfm", "-o", "OUT.docx", "IN"}, called: true},
		"text takes a file": {file: "pictures", from: "md", link: path, command: []string{"pandoc", "-f", "gfm", "-o", "OUT.docx", "IN"}},
		"page takes a file": {file: "pictures of a page", from: "html", link: path, command: []string{"pandoc", "-o", "OUT.epub", "IN"}},
		"TeX takes a file":  {file: `\input{LINK}`, from: "tex", link: path, command: []string{"pandoc", "-f", "latex", "-o", "OUT.txt", "IN"}},
		"include of a text": {file: "include", from: "rst", link: path, command: []string{"pandoc", "-f", "rst", "-o", "OUT.html", "IN"}},
		"PostScript reads":  {file: "read", from: "ps", link: path, words: true, command: []string{"gs", "-q", "-dNOSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sOutputFile=OUT.pdf", "IN"}},
		"PostScript's shell": {file: "pipe", from: "eps", link: path, words: true, command: []string{"gs", "-q", "-dNOSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=png16m",
			"-sOutputFile=OUT.png", "IN"}},
		"font's Python":     {file: "Python", from: "ttf", link: path, command: []string{"fontforge", "-lang=ff", "-c", "Open($1); Generate($2)", "IN", "OUT.otf"}},
		"font calls":        {file: "Python", from: "ttf", link: server, command: []string{"fontforge", "-lang=ff", "-c", "Open($1)", "IN"}, called: true},
		"picture of a page": {file: "pictures of a page", from: "html", link: path, command: []string{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--print-to-pdf=OUT.pdf", "IN"}},
		"page calls":        {file: "scripts of a page", from: "html", link: server, command: []string{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--print-to-pdf=OUT.pdf", "IN"}, called: true},
		"office calls":      {file: "picture", from: "fodt", link: server, command: []string{"soffice", "-env:UserInstallation=file://OUT", "--headless", "--convert-to", "pdf", "--outdir", "OUT", "IN"}, called: true},
		"office takes a file": {file: "picture", from: "odt", link: path, command: []string{"soffice", "-env:UserInstallation=file://OUT", "--headless", "--convert-to", "pdf",
			"--outdir", "OUT", "IN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(tt.command[0]); err != nil {
				enginetest.Missing(t, tt.command[0])
			}
			c := newCanary(t, film)
			made := careless(t, fileOf(t, tt.file, tt.from), c.links()[tt.link], tt.command)
			if tt.called && c.calls.Load() == 0 {
				t.Error("the server is not called")
			}
			found := func(content []byte) bool { return c.in(t, content, tt.words) != "" }
			if !tt.called && !slices.ContainsFunc(made, found) {
				t.Errorf("the canary is in none of %d outputs", len(made))
			}
		})
	}
}

// TestEnginesWork gives every engine a harmless file behind both fences: of one that converts nothing there, attacks prove
// nothing.
func TestEnginesWork(t *testing.T) {
	m := &matrix{dir: t.TempDir(), samples: map[convert.Format]func() (sample, error){}}
	m.first(t)
	for _, makes := range []func(*testing.T, *matrix) []sample{films, archives, fontsHere, scans, byHand} {
		for _, s := range makes(t, m) {
			m.add(t, s)
		}
	}
	m.add(t, sample{path: m.write(t, "x.ps", "%!PS-Adobe-3.0\n0 0 99 99 rectfill showpage\n"), format: "ps"})
	m.add(t, sample{path: m.write(t, "x.xps", xpsWithLinks()), format: "xps"})
	for _, fence := range []toolbox.Kind{toolbox.Bubblewrap, toolbox.Landlock} {
		t.Run(string(fence), func(t *testing.T) {
			box := boxOf(t, fence, time.Minute)
			for _, e := range all.Engines(t.Context(), box, media.New(t.Context(), box)) {
				t.Run(e.Name(), func(t *testing.T) {
					t.Parallel()
					pairs := e.Pairs()
					at := slices.IndexFunc(pairs, func(p convert.Pair) bool { return m.samples[p.From] != nil && p.To != p.From })
					if at < 0 {
						t.Fatal("there is no sample for it")
					}
					s, err := m.samples[pairs[at].From]()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := m.make(t.Context(), s, convert.Route{{Engine: e, Pair: pairs[at]}}); err != nil {
						t.Errorf("a sound file: %v", err)
					}
				})
			}
		})
	}
}

// fileOf is the hostile file of that name and format.
func fileOf(t *testing.T, name, from string) hostile {
	t.Helper()
	for _, h := range reaching() {
		if h.name == name && string(h.from) == from {
			return h
		}
	}
	t.Fatalf("no hostile file is called %s (%s)", name, from)
	return hostile{}
}

// careless runs a program on a hostile file and returns what it made. One that hangs has shown what it does.
func careless(t *testing.T, h hostile, l link, command []string) (made [][]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, out := filepath.Join(t.TempDir(), "in."+string(h.from)), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(in, []byte(h.content(l)), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := strings.NewReplacer("IN", in, "OUT", out)
	args := make([]string, len(command)-1)
	for i, arg := range command[1:] {
		args[i] = paths.Replace(arg)
	}
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.WaitDelay, cmd.Dir = time.Second, filepath.Dir(out)
	text, _ := cmd.CombinedOutput()
	files, _ := filepath.Glob(out + "*")
	inside, _ := filepath.Glob(filepath.Join(out, "in.*"))
	for _, file := range append(files, inside...) {
		if content, err := os.ReadFile(file); err == nil { // else it is a folder
			made = append(made, content)
		}
	}
	t.Logf("%d files, %s", len(made), text)
	return made
}
