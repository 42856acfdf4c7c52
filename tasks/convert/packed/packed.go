// Package packed reads archives that no library here knows, with the programs that do, and writes 7z. What comes out of an
// archive goes into a tar, under the same rules as with the archives that are read here; from there other engines go on.
package packed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is one program that unpacks. It is safe for concurrent use.
type Engine struct{ toolbox.Installed[recipe] }

// recipe is how a program unpacks.
type recipe struct {
	program toolbox.Program
	reads   []convert.Format
	args    func(in, dir string, from convert.Format) []string // dir is empty, and where everything goes
}

// single are the arguments of a program that unpacks one stream into one file.
func single(args ...string) func(in, dir string, from convert.Format) []string {
	return func(in, dir string, _ convert.Format) []string { return append(slices.Clone(args), dir+"/file", in) }
}

// readers are the names of 7-Zip's readers, where the format leaves no choice.
var readers = map[convert.Format]string{
	"arj": "arj", "cab": "cab", "cpio": "cpio", "deb": "ar", "lha": "lzh", "lzma": "lzma", "rpm": "rpm", "tar.z": "z", "z": "z",
}

// recipes are all programs, in order of preference.
var recipes = []recipe{
	{
		program: toolbox.Program{Name: "7-zip", Files: []string{"7zz"}, Args: []string{}, Version: regexp.MustCompile(`7-Zip \(z\) (\d[\d.]*)`)},
		reads:   []convert.Format{"arj", "cab", "cpio", "deb", "dmg", "img", "iso", "lha", "lzma", "rpm", "tar.z", "z"},
		args: func(in, dir string, from convert.Format) []string {
			args := []string{"x", "-y", "-bso0", "-bsp1", "-o" + dir}
			if reader := readers[from]; reader != "" {
				args = append(args, "-t"+reader)
			}
			return append(args, "--", in)
		},
	},
	{
		program: toolbox.Program{Name: "unar", Args: []string{"-v"}, Version: regexp.MustCompile(`v(\d[\d.]*)`), System: true},
		reads:   []convert.Format{"alz", "arc", "cab", "lha", "sit", "zoo"}, // of arj it loses the folders
		args: func(in, dir string, _ convert.Format) []string {
			return []string{"-quiet", "-force-overwrite", "-no-directory", "-output-directory", dir, in}
		},
	},
	{
		program: toolbox.Program{Name: "lzop", Args: []string{"-V"}, Version: regexp.MustCompile(`lzop v?(\d[\d.]*)`)},
		reads:   []convert.Format{"lzo", "tar.lzo"},
		args:    single("-d", "-o"),
	},
	{
		program: toolbox.Program{Name: "lzip", Args: []string{"-V"}, Version: regexp.MustCompile(`lzip (\d[\d.]*)`)},
		reads:   []convert.Format{"lz"},
		args:    single("-d", "-o"),
	},
	{
		program: toolbox.Program{Name: "rzip", Args: []string{"-V"}, Version: regexp.MustCompile(`rzip (?:version )?(\d[\d.]*)`)},
		reads:   []convert.Format{"rz"},
		args:    single("-d", "-k", "-o"),
	},
}

// New returns the engines whose programs are there.
func New(ctx context.Context, box *toolbox.Box) []*Engine {
	var engines []*Engine
	for _, found := range toolbox.FindEach(ctx, box, recipes, func(r recipe) toolbox.Program { return r.program }) {
		engines = append(engines, &Engine{found})
	}
	return engines
}

// Pairs lists what the program unpacks, to tar; 7-Zip also packs.
func (e *Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range e.Row.reads {
		pairs = append(pairs, convert.Pair{From: from, To: "tar"})
	}
	if e.Packs() {
		for _, from := range packing.Reads() {
			pairs = append(pairs, convert.Pair{From: from, To: "7z"})
		}
	}
	return pairs
}

// Packs reports whether the program is the one that writes 7z.
func (e *Engine) Packs() bool { return e.Name() == "7-zip" }

// Convert makes one archive.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	dir := filepath.Join(job.Dir, "unpacked")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if job.To == "7z" {
		if err := packing.Unpack(ctx, job, dir); err != nil {
			return nil, err
		}
		return []string{job.Out()}, e.Pack(ctx, dir, job.Out(), job.Progress)
	}
	if err := e.unpack(ctx, job, job.In, dir, job.From); err != nil {
		return nil, err
	}
	if err := e.inside(ctx, job, dir); err != nil {
		return nil, err
	}
	path, inner := only(dir)
	switch {
	case job.From == "deb": // the other parts tell about the package
		if found, _ := filepath.Glob(filepath.Join(dir, "data.tar*")); len(found) == 1 {
			path = found[0]
		}
		return []string{job.Out()}, packing.Repack(ctx, job, path)
	case inner == "tar": // of one that was packed as a whole
		return []string{job.Out()}, packing.Repack(ctx, job, path)
	case path != "" && slices.Contains(streams, job.From):
		if err := os.Rename(path, filepath.Join(dir, packing.SingleName(job))); err != nil {
			return nil, fmt.Errorf("name the output: %w", err)
		}
	}
	return []string{job.Out()}, packing.PackFolder(ctx, job, dir)
}

// streams hold one file without a name.
var streams = []convert.Format{"lz", "lzma", "lzo", "rz", "z"}

// inside unpacks what lies in a package of RPM: an archive of its own, which is packed once more.
func (e *Engine) inside(ctx context.Context, job convert.Job, dir string) error {
	const layers = 2
	for range layers {
		path, inner := only(dir)
		if job.From != "rpm" || !slices.Contains([]convert.Format{"cpio", "gz", "xz", "bz2", "zst"}, inner) {
			return nil
		}
		if err := e.unpack(ctx, job, path, dir, inner); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove a scratch file: %w", err)
		}
	}
	return nil
}

// only is the one file in the folder and what that is; empty if there are more.
func only(dir string) (path string, format convert.Format) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].Type().IsRegular() {
		return "", ""
	}
	path = filepath.Join(dir, entries[0].Name())
	format, err = filetype.DetectFile(path, "")
	if err != nil {
		return path, ""
	}
	return path, format
}

var percent = regexp.MustCompile(`^\s*(\d{1,3})%`)

func (e *Engine) unpack(ctx context.Context, job convert.Job, in, dir string, from convert.Format) error {
	c := e.Box.Command(e.Tool, dir)
	if filepath.Dir(in) != dir {
		in = c.In(in)
	} else {
		in = c.Path(in)
	}
	c.Args = e.Row.args(in, c.Path(dir), from)
	c.Bounds.Folder, c.Bounds.File = job.Limits.Unpacked, job.Limits.Unpacked
	c.OnLine = progress(job.Progress, 50)
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if err := outcome.Err(); err != nil {
		return engine.Wrap(err, engine.Invalid, "The %s file is damaged, protected by a password or of a kind that cannot be read.", from)
	}
	return nil
}

// Pack makes out, a 7z, of what is in the folder dir, which lies beside it. Only the engine that Packs may be asked.
func (e *Engine) Pack(ctx context.Context, dir, out string, report func(percent int)) error {
	c := e.Box.Command(e.Tool, filepath.Dir(out))
	c.Args = []string{"a", "-t7z", "-mx=5", "-mtm=on", "-snl", "-bso0", "-bsp1", c.Path(out), c.Path(dir) + "/."}
	c.OnLine = progress(report, 99)
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	return outcome.Err()
}

// progress reports the percentages in a program's lines, up to most.
func progress(report func(percent int), most int) func(line string) {
	return func(line string) {
		if m := percent.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			report(min(most, n*most/100))
		}
	}
}
