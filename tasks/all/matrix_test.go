package all_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// matrixEnv makes TestMatrix run: "inputs" converts one file of every format, so that every engine reads all it can read and
// writes all it can write at least once; "all" tries every way there is.
const matrixEnv = "GANTRY_MATRIX"

// sample is a file of which something is known.
type sample struct {
	path   string
	format convert.Format
	facts
}

// facts are what must be the same in what is made of a file. Zero says nothing.
type facts struct {
	word    string      // stands in it
	size    image.Point // of the picture
	seconds float64     // of the sound or film
	member  string      // of the archive
	pages   int         // of the document
	from    convert.Format
}

// The facts of all first samples.
const word, member, seconds = "Gantrymatrix", "member.txt", 2

var size = image.Pt(96, 64)

// TestMatrix sends a file of every format that the catalog reads through the catalog, and has what comes out opened by a
// program that did not make it. A new pair is in it by itself.
func TestMatrix(t *testing.T) {
	mode := os.Getenv(matrixEnv)
	if mode == "" {
		t.Skipf("runs with %s=inputs or =all, as in make matrix", matrixEnv)
	}
	box, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Tools: os.Getenv("GANTRY_TOOLS")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	m := &matrix{dir: t.TempDir(), catalog: all.Catalog(t.Context(), box), samples: map[convert.Format]func() (sample, error){}}
	m.plan(t)
	routes := m.catalog.Routes()
	if mode != "all" {
		routes = chosen(routes)
	}
	missing := map[string]bool{}
	t.Run("pairs", func(t *testing.T) {
		for _, r := range routes {
			find := m.samples[r.From()]
			if find == nil {
				missing[string(r.From())] = true
				continue
			}
			t.Run(fmt.Sprintf("%s_to_%s_by_%s", r.From(), r.To(), r.Engine()), func(t *testing.T) {
				t.Parallel()
				m.try(t, find, r)
			})
		}
	})
	none := slices.Sorted(maps.Keys(missing))
	t.Logf("%d ways of %d; no sample of %d formats: %s", len(routes), len(m.catalog.Routes()), len(none), strings.Join(none, " "))
}

type matrix struct {
	dir     string
	catalog *convert.Catalog
	samples map[convert.Format]func() (sample, error) // each is made once, when it is asked for
}

// chosen takes the first way of every engine out of each format, one to each format, and one over each format in the middle.
func chosen(routes []convert.Route) []convert.Route {
	var picked []convert.Route
	seen := map[string]bool{}
	for _, r := range routes {
		fresh := false
		for _, key := range []string{
			fmt.Sprint(r.Engine(), " reads ", r.From()), fmt.Sprint(r[len(r)-1].Engine.Name(), " writes ", r.To()),
			"over " + r[1:].String(),
		} {
			fresh = fresh || !seen[key]
			seen[key] = true
		}
		if fresh {
			picked = append(picked, r)
		}
	}
	return picked
}

// plan says how a sample of every format is made: some by hand or by programs, and of these, by the catalog itself over the
// fewest steps, the others that it can write.
func (m *matrix) plan(t *testing.T) {
	m.first(t)
	for _, makes := range makers {
		for _, s := range makes(t, m) {
			m.add(t, s)
		}
	}
	from := slices.Sorted(maps.Keys(m.samples))
	from = slices.DeleteFunc(from, func(f convert.Format) bool { return f == "cbz" }) // a book made of it would have no text
	for len(from) > 0 {
		var next []convert.Format
		for _, r := range m.catalog.Routes() {
			if !slices.Contains(from, r.From()) || m.samples[r.To()] != nil || len(r) > 1 || len(m.catalog.Outputs(r.To())) == 0 {
				continue
			}
			find := m.samples[r.From()]
			m.samples[r.To()] = sync.OnceValues(func() (sample, error) {
				s, err := find()
				if err != nil {
					return s, err
				}
				return m.make(t.Context(), s, r)
			})
			next = append(next, r.To())
		}
		from = next
	}
}

// add keeps a sample if Detect agrees on what it is.
func (m *matrix) add(t *testing.T, s sample) {
	got, err := filetype.DetectFile(s.path, "x."+string(s.format))
	if err != nil || got != s.format {
		t.Errorf("the sample of %s is taken for %q: %v", s.format, got, err)
		return
	}
	if m.samples[s.format] == nil {
		m.samples[s.format] = func() (sample, error) { return s, nil }
	}
}

func (m *matrix) first(t *testing.T) {
	text := "# " + word + "\n\nA first paragraph.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
	for name, content := range map[string]string{
		"x.md": text, "x.txt": word + "\nA second line.\n", "x.csv": "name,number\n" + word + ",2\n",
		"x.html": "<!DOCTYPE html><html><head><title>t</title></head><body><h1>" + word + "</h1><p>text</p></body></html>",
		"x.rst":  word + "\n=============\n\nA paragraph.\n", "x.json": `[{"name":"` + word + `","number":2}]`,
		"x.org": "* " + word + "\n\nA paragraph.\n", "x.textile": "h1. " + word + "\n\nA paragraph.\n",
		"x.mediawiki": "= " + word + " =\n\nA paragraph.\n", "x.tex": `\documentclass{article}\begin{document}` + word + `\end{document}` + "\n",
		"x.pml": `\X0` + word + `\X0` + "\n\nA paragraph.\n",
	} {
		m.add(t, sample{m.write(t, name, content), filetype.OfName(name), facts{word: word}})
	}
	m.add(t, sample{m.write(t, "x.pdf", wordy(t)), "pdf", facts{word: word, pages: 1}})
	m.add(t, sample{m.write(t, "x.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64"><rect width="50" height="30" fill="red"/></svg>`),
		"svg", facts{size: size}})
	m.add(t, sample{m.write(t, "x.png", picture(t, size.X, size.Y, color.NRGBA{R: 200, G: 100, A: 255})), "png", facts{size: size}})
}

func (m *matrix) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// make converts a sample, and says what is known of the outcome.
func (m *matrix) make(ctx context.Context, s sample, r convert.Route) (sample, error) {
	dir, err := os.MkdirTemp(m.dir, "made-")
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	outs, err := convert.Follow(ctx, r, convert.Job{
		In: s.path, Name: member, From: r.From(), To: r.To(), Dir: dir, Options: convert.DefaultOptions(),
		Limits: convert.LimitsOf(engine.DefaultLimits()),
	})
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", r, err)
	}
	return sample{outs[0], r.To(), kept(s, r)}, nil
}

// try makes one file and has it looked at.
func (m *matrix) try(t *testing.T, find func() (sample, error), r convert.Route) {
	s, err := find()
	if err != nil {
		t.Fatalf("no sample: %v", err)
	}
	made, err := m.make(t.Context(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	if fault := made.look(t); fault != "" {
		t.Errorf("%s: %s", r, fault)
	}
}
