package all_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/media"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// everyAttack makes TestHostileFiles try all. It takes hours.
var everyAttack = flag.Bool("every-attack", false, "give every hostile file to every engine as every format that it reads")

// effort is how much is tried of what could be.
type effort struct {
	nth       int // of the files that reach out, one of so many
	targets   int // that each format is made into
	links     int // files for the ways to name a canary, where each has one of its own
	disguises int // files under other names, over all formats of an engine
}

// patience is what an attack may take. A program that would go on for ever meets the bound of its box long before.
const patience = 10 * time.Minute

// TestHostileFiles gives every engine of the catalog the hostile files of every format that it reads, and others in
// disguise: as bubblewrap fences them in, and again as Landlock does. An engine that is added is attacked without a line
// being changed here.
func TestHostileFiles(t *testing.T) {
	for fence, much := range map[toolbox.Kind]effort{toolbox.Bubblewrap: {1, 1, 1, 8}, toolbox.Landlock: {2, 1, 1, 2}} {
		if *everyAttack {
			much = effort{1, 2, 4, 1 << 20}
		}
		t.Run(string(fence), func(t *testing.T) {
			box := boxOf(t, fence, time.Minute)
			film := magenta(t)
			for _, e := range all.Engines(t.Context(), box, media.New(t.Context(), box)) {
				t.Run(e.Name(), func(t *testing.T) {
					t.Parallel()
					attack(t, e, newCanary(t, film), much)
				})
			}
		})
	}
}

// boxOf is a box with that fence, whose programs may take so much of a processor.
func boxOf(t *testing.T, fence toolbox.Kind, processor time.Duration) *toolbox.Box {
	t.Helper()
	box := openBox(t, fence, processor)
	t.Cleanup(box.Close)
	return box
}

// openBox is boxOf, for a test that closes it.
func openBox(t *testing.T, fence toolbox.Kind, processor time.Duration) *toolbox.Box {
	t.Helper()
	box, err := toolbox.New(t.Context(), toolbox.Config{
		Scratch: t.TempDir(), Tools: os.Getenv("GANTRY_TOOLS"), Sandbox: fence, Unsandboxed: fence == toolbox.Unsandboxed,
		Bounds: toolbox.Bounds{CPU: processor, Memory: 2 << 30, Folder: 1 << 30, File: 1 << 30, Processes: 300},
	})
	if err != nil {
		t.Fatal(err)
	}
	if box.Kind() != fence {
		box.Close()
		enginetest.Missing(t, string(fence))
	}
	return box
}

// attack gives an engine what it could meet.
func attack(t *testing.T, e convert.Engine, c *canary, much effort) {
	made := targets(e)
	var tried, converted int
	try := func(h hostile, from convert.Format, tos []convert.Format, links ...link) {
		for _, to := range tos {
			tried++
			if c.attacked(t, e, h, from, to, links) {
				converted++
			}
		}
	}
	for n, h := range reaching() {
		tos := made[h.from]
		switch tos = tos[:min(len(tos), much.targets)]; {
		case len(tos) == 0 || n%much.nth > 0:
		case !h.alone:
			try(h, h.from, tos, c.links()...)
		default:
			for i := range much.links {
				try(h, h.from, tos[:1], c.links()[(n+i)%len(c.links())])
			}
		}
	}
	disguises, froms := c.disguises(), slices.Sorted(maps.Keys(made))
	for n := range min(much.disguises, len(disguises)*len(froms)) {
		from := froms[n*max(1, len(froms)/much.disguises)%len(froms)]
		if d := disguises[n%len(disguises)]; d.from != from {
			try(d.hostile, from, made[from][:1], d.link)
		}
	}
	c.untouched(t)
	t.Logf("%d attacks: %d were converted, %d refused", tried, converted, tried-converted)
}

// disguise is a hostile file under the name of another format.
type disguise struct {
	hostile
	link link
}

// disguises are those files that some program knows by their content, whatever their name.
func (c *canary) disguises() (all []disguise) {
	for i := range c.links() {
		for n, h := range slices.Concat(hostileDrawings(), hostileFilms(), hostileScans()) {
			all = append(all, disguise{h, c.links()[(n+i)%len(c.links())]})
		}
	}
	return all
}

// telling are the outputs that show most: what takes pictures along, and what takes texts.
var telling = [][]convert.Format{
	{"pdf", "docx", "epub", "odt", "htmlz", "png", "jpg", "mp4", "wav", "zip", "csv", "svg"}, {"html", "txt", "fodt", "xlsx", "rtf", "txtz"},
}

// targets are what is made of each format that an engine reads, the most telling first.
func targets(e convert.Engine) map[convert.Format][]convert.Format {
	offered := map[convert.Format][]convert.Format{}
	for _, p := range e.Pairs() {
		offered[p.From] = append(offered[p.From], p.To)
	}
	chosen := map[convert.Format][]convert.Format{}
	for from, tos := range offered {
		for _, wish := range telling {
			if i := slices.IndexFunc(wish, func(f convert.Format) bool { return slices.Contains(tos, f) }); i >= 0 {
				chosen[from] = append(chosen[from], wish[i])
			}
		}
		if chosen[from] == nil {
			chosen[from] = tos[:1]
		}
	}
	return chosen
}

// attacked converts one hostile file, and reports whether that was not refused. The canary is looked for in all that comes
// of it.
func (c *canary) attacked(t *testing.T, e convert.Engine, h hostile, from, to convert.Format, links []link) bool {
	t.Helper()
	name := h.name + " (" + string(h.from) + ") as " + string(from) + " to " + string(to)
	dir := t.TempDir()
	c.beside(t, dir)
	job := convert.Job{
		In: filepath.Join(dir, "in."+string(from)), Name: "in." + string(from), From: from, To: to, Dir: filepath.Join(dir, "out"),
		Options: convert.DefaultOptions(), Limits: convert.LimitsOf(engine.DefaultLimits()),
	}
	if err := cmp.Or(os.WriteFile(job.In, []byte(h.content(links...)), 0o600), os.Mkdir(job.Dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	outputs, err := c.convert(t, e, job, name)
	for _, path := range outputs {
		made, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if how := c.in(t, made, h.words); how != "" {
			t.Errorf("%s: the output has the canary: %s", name, how)
		}
		if bytes.Contains(made, []byte(dir)) {
			t.Errorf("%s: the output shows where it was made", name)
		}
	}
	return err == nil
}

// convert converts, and holds the error against what a person may see.
func (c *canary) convert(t *testing.T, e convert.Engine, job convert.Job, name string) ([]string, error) {
	t.Helper()
	before := c.calls.Load()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	outputs, err := convert.Convert(ctx, e, job)
	if ctx.Err() != nil {
		t.Errorf("%s: it does not end", name)
	}
	if c.calls.Load() != before {
		t.Errorf("%s: the server was called", name)
	}
	c.said(t, name, engine.MessageOf(err))
	return outputs, err
}
