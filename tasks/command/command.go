// Package command runs one of a few programs with arguments of the user's own, fenced in by bubblewrap: the files of the
// inputs are under /input/<task name>/, and what the program writes to /output/ is the result.
package command

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/engine/zipfile"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Params are what a command task takes.
type Params struct {
	Engine        string `json:"engine" doc:"Whose program is run." rule:"required"`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Command       string `json:"command" doc:"The program: ffmpeg or ffprobe of ffmpeg, convert or identify of imagemagick, gm of graphicsmagick, pandoc of pandoc." rule:"required"`
	Arguments     string `json:"arguments" doc:"Its arguments, separated by spaces; quotes and \\ keep what they enclose together. There is no shell. Inputs are under /input/<task name>/, results go to /output/." rule:"required"`
	CaptureOutput bool   `json:"capture_output" doc:"Show what the program prints as result.output."`
}

// suite is an engine: programs of one version, by what users call them.
type suite struct {
	name     string
	version  string
	programs map[string]program
}

// program is one that was found.
type program struct {
	toolbox.Tool
	first []string // its first arguments, whatever the user's are
}

// quiet leaves the banner out, of which an error's message would be full.
var quiet = []string{"-hide_banner"}

// known are the programs that can be run, each with the version line of its own.
var known = []struct {
	engine, command string
	first           []string
	program         toolbox.Program
}{
	{"ffmpeg", "ffmpeg", quiet, toolbox.Program{Name: "ffmpeg", Args: []string{"-version"}, Version: regexp.MustCompile(`ffmpeg version (\S+?)(?:-\S*)?\s`)}},
	{"ffmpeg", "ffprobe", quiet, toolbox.Program{Name: "ffprobe", Args: []string{"-version"}, Version: regexp.MustCompile(`ffprobe version (\S+?)(?:-\S*)?\s`)}},
	{"imagemagick", "convert", nil, magick("convert")},
	{"imagemagick", "identify", nil, magick("identify")},
	{"graphicsmagick", "gm", nil, toolbox.Program{Name: "gm", Args: []string{"version"}, Version: regexp.MustCompile(`GraphicsMagick (\d[\w.]*)`)}},
	{"pandoc", "pandoc", nil, toolbox.Program{Name: "pandoc", Version: regexp.MustCompile(`pandoc (\d[\d.]*)`)}},
}

func magick(name string) toolbox.Program {
	return toolbox.Program{Name: name, Files: []string{name + "-im7.q16", name + "-im6.q16", name}, Args: []string{"-version"},
		Version: regexp.MustCompile(`ImageMagick (\d[\w.-]*)`)}
}

// Operation returns the operation "command", and whether it works here: it needs bubblewrap and a program to run.
func Operation(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	h := handler{box: box, suites: find(ctx, box)}
	op := engine.Define("command", "Run a program with arguments of your own.", engine.LaneCPU, Params{}, h)
	op.Check = engine.CheckWith(h.check)
	op.Rows = h.rows
	return op, len(h.suites) > 0
}

func find(ctx context.Context, box *toolbox.Box) (suites []suite) {
	if box.Kind() != toolbox.Bubblewrap {
		return nil
	}
	for _, k := range known {
		tool, ok := box.Find(ctx, k.program)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(suites, func(s suite) bool { return s.name == k.engine }); i >= 0 {
			suites[i].programs[k.command] = program{tool, k.first}
			continue
		}
		suites = append(suites, suite{k.engine, tool.Version, map[string]program{k.command: {tool, k.first}}})
	}
	return suites
}

type handler struct {
	box    *toolbox.Box
	suites []suite
}

func (h handler) rows() (rows []engine.Row) {
	for _, s := range h.suites {
		rows = append(rows, engine.Row{Engine: s.name, EngineVersion: s.version})
	}
	return rows
}

// tool returns the program that is asked for, or what is wrong with asking for it.
func (h handler) tool(p Params) (program, suite, []param.Problem) {
	var names []string
	for _, s := range h.suites {
		names = append(names, s.name)
		if s.name != p.Engine {
			continue
		}
		if p.EngineVersion != "" && p.EngineVersion != s.version {
			return program{}, s, []param.Problem{param.Problemf("engine_version", "must be %s or absent: it is what this server has", s.version)}
		}
		tool, ok := s.programs[p.Command]
		if !ok {
			commands := make([]string, 0, len(s.programs))
			for name := range s.programs {
				commands = append(commands, name)
			}
			slices.Sort(commands)
			return tool, s, []param.Problem{param.Problemf("command", "must be one of %s", strings.Join(commands, ", "))}
		}
		return tool, s, nil
	}
	return program{}, suite{}, []param.Problem{param.Problemf("engine", "must be one of %s", strings.Join(names, ", "))}
}

func (h handler) check(p Params, _ []engine.File) []param.Problem {
	_, _, problems := h.tool(p)
	if _, err := Split(p.Arguments); err != nil {
		problems = append(problems, param.Problemf("arguments", "%s", err))
	}
	return problems
}

// maxOutput is how much of what a program prints is shown.
const maxOutput = 1 << 20

// maxInputs is how many files a command may have: each is shown to the program on its own.
const maxInputs = 1000

// Run runs the program and stores what it wrote.
func (h handler) Run(ctx context.Context, run *engine.Run, p Params) (engine.Result, error) {
	tool, s, problems := h.tool(p)
	args, err := Split(p.Arguments)
	if len(problems) > 0 || err != nil {
		return engine.Result{}, engine.InvalidParams(problems)
	}
	dir, err := run.Dir()
	if err != nil {
		return engine.Result{}, err
	}
	out := filepath.Join(dir, "output")
	if err := os.Mkdir(out, 0o700); err != nil {
		return engine.Result{}, fmt.Errorf("make the output folder: %w", err)
	}
	c := h.box.Command(tool.Tool, out, slices.Concat(tool.first, args)...)
	c.DirAt("/output")
	printed := &toolbox.Buffer{Max: maxOutput}
	c.Stdout = printed
	if err := h.inputs(ctx, run, c); err != nil {
		return engine.Result{}, err
	}
	outcome, err := c.Run(ctx)
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		return engine.Result{}, err
	}
	result := engine.Result{Engine: s.name, Version: s.version}
	if p.CaptureOutput {
		text := strings.ToValidUTF8(string(printed.Bytes()), "\uFFFD")
		if text == "" {
			text = outcome.Messages // many print to the other stream
		}
		result.Output = &text
	}
	result.Files, err = adopt(ctx, run, out)
	return result, err
}

// inputs shows the program the files of every input, under the name of its task, and directly under /input/ where no other
// has the name.
func (h handler) inputs(ctx context.Context, run *engine.Run, c *toolbox.Command) error {
	inputs, err := run.Inputs(ctx)
	if err != nil {
		return err
	}
	var files []engine.File
	var names []string
	for _, in := range inputs {
		if in.Gone {
			return engine.Errorf(engine.InputFailed, "An input was deleted while the task ran.")
		}
		own := make([]string, len(in.Files))
		for i, f := range in.Files {
			own[i] = engine.CleanName(f.Name)
		}
		for i, name := range zipfile.Unique(own) {
			folder := in.Name
			if folder == "" {
				folder = string(in.Task)
			}
			files, names = append(files, in.Files[i]), append(names, path.Join(folder, name))
		}
	}
	if len(files) > maxInputs {
		return engine.Errorf(engine.TooLarge, "A command takes at most %d input files, not %d.", maxInputs, len(files))
	}
	for i, f := range files {
		local, err := run.Path(ctx, f, "")
		if err != nil {
			return fmt.Errorf("fetch the input: %w", err)
		}
		c.InAt(local, "/input/"+names[i])
		flat := path.Base(names[i])
		taken := func(name string) bool { return path.Base(name) == flat || path.Dir(name) == flat }
		if !slices.ContainsFunc(slices.Delete(slices.Clone(names), i, i+1), taken) && path.Dir(names[i]) != flat {
			c.InAt(local, "/input/"+flat)
		}
	}
	return nil
}

// adopt stores the regular files below a folder, in order of their names, and keeps their folders. Links are left behind.
func adopt(ctx context.Context, run *engine.Run, dir string) (files []engine.File, err error) {
	var found []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at the output: %w", err)
	}
	if len(found) > run.Limits().ImportFiles {
		return nil, engine.Errorf(engine.TooLarge, "The command wrote %d files; at most %d are taken.", len(found), run.Limits().ImportFiles)
	}
	for _, path := range found {
		f, err := run.Adopt(ctx, filepath.Base(path), path)
		if err != nil {
			return files, fmt.Errorf("store the output: %w", err)
		}
		if rel, err := filepath.Rel(dir, filepath.Dir(path)); err == nil && rel != "." {
			f.Dir = filepath.ToSlash(rel)
		}
		files = append(files, f)
	}
	return files, nil
}
