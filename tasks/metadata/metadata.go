// Package metadata reads and writes what a file says about itself, by exiftool: metadata and metadata/write. Exiftool gets
// neither names nor values of the user's as arguments: tags are on a list, values come in a file. Where it is not installed, a
// few tags are read without it.
package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// ReadParams are what a metadata task takes.
type ReadParams struct {
	Engine        string `json:"engine" doc:"Which engine reads: exiftool, or metalib, which is built in and knows type, size in pixels and number of pages." rule:"oneof=exiftool|metalib"`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
}

// WriteParams are what a metadata/write task takes.
type WriteParams struct {
	Metadata      map[string]string `json:"metadata" doc:"Tags and their new values, in exiftool's words, such as Title or XMP:Rights; an empty value removes the tag." rule:"required"`
	Filename      string            `json:"filename" doc:"Name of the output with its extension; by default that of the input."`
	Engine        string            `json:"engine" doc:"Which engine writes; there is one." rule:"oneof=exiftool"`
	EngineVersion string            `json:"engine_version" doc:"The version of the engine."`
}

// Read returns the operation "metadata", by exiftool where the box finds it.
func Read(ctx context.Context, box *toolbox.Box) engine.Operation {
	var readers []reader
	if t, ok := find(ctx, box); ok {
		t.pool = t.keep()
		readers = append(readers, t)
	}
	h := reading{append(readers, newBuiltin())}
	op := engine.Define("metadata", "Tell what a file says about itself.", engine.LaneCPU, ReadParams{}, h)
	op.Match = convert.MatchBy(ReadParams.want)
	op.Rows = h.rows
	return op
}

// reader is one library or program that reads metadata.
type reader interface {
	Name() string
	Version() string
	// read returns the tags of the file, which is at path.
	read(ctx context.Context, path string, f engine.File) (map[string]string, error)
}

func (p ReadParams) want() convert.Want {
	return convert.Want{Engine: p.Engine, Version: p.EngineVersion}
}

type reading struct{ readers []reader }

func (h reading) rows() []engine.Row {
	var rows []engine.Row
	for i, r := range h.readers {
		rows = append(rows, engine.Row{Engine: r.Name(), EngineVersion: r.Version(), Alternative: i > 0})
	}
	return rows
}

// Run tells the metadata of the one file.
func (h reading) Run(ctx context.Context, run *engine.Run, p ReadParams) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if len(files) > 1 {
		return engine.Result{}, engine.Errorf(engine.Invalid, "metadata takes one file, not %d.", len(files))
	}
	r, problems := convert.Choose(h.readers, p.Engine, p.EngineVersion)
	if len(problems) > 0 {
		return engine.Result{}, run.Elsewhere(engine.Errorf(engine.Unsupported, "The engine %s is not there any more.", p.Engine), p.want().Fits)
	}
	in, err := run.Path(ctx, files[0], "")
	if err != nil {
		return engine.Result{}, fmt.Errorf("fetch the input: %w", err)
	}
	tags, err := r.read(ctx, in, files[0])
	return engine.Result{Metadata: tags, Engine: r.Name(), Version: r.Version()}, err
}

// Write returns the operation "metadata/write", and whether exiftool is there for it.
func Write(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	t, ok := find(ctx, box)
	op := engine.Define("metadata/write", "Change what a file says about itself.", engine.LaneCPU, WriteParams{},
		engine.HandlerFunc[WriteParams](t.write))
	op.Check = engine.CheckWith(func(p WriteParams, _ []engine.File) []param.Problem {
		return append(t.check(p.EngineVersion), checkTags(p.Metadata)...)
	})
	op.Rows = t.rows
	return op, ok
}

// exiftool works on files in the box.
type exiftool struct {
	box  *toolbox.Box
	tool toolbox.Tool  // without a version where the operations are only described
	pool *toolbox.Pool // of those kept open; nil where none reads
}

func find(ctx context.Context, box *toolbox.Box) (exiftool, bool) {
	tool, ok := box.Find(ctx, toolbox.Program{Name: "exiftool", Args: []string{"-ver"}})
	return exiftool{box: box, tool: tool}, ok
}

func (t exiftool) rows() []engine.Row {
	return []engine.Row{{Engine: "exiftool", EngineVersion: t.tool.Version}}
}

func (t exiftool) check(version string) []param.Problem {
	if version != "" && version != t.tool.Version {
		return []param.Problem{param.Problemf("engine_version", "must be %s or absent: it is what this server has", t.tool.Version)}
	}
	return nil
}

// What one run of exiftool may take.
const (
	patience  = 2 * time.Minute
	maxMemory = 1 << 30
	maxFile   = 10 << 30
	maxOutput = 4 << 20
	maxTags   = 1000
	maxValue  = 4000 // bytes
)

func bounds() toolbox.Bounds {
	return toolbox.Bounds{Wall: patience, Memory: maxMemory, File: maxFile}
}

// Arguments: the first ones of every exiftool, for a configuration would be a program, and those before a file to read.
var (
	noConfig = []string{"-config", ""}
	reads    = []string{"-json", "-ignoreMinorErrors"}
)

// command is one of exiftool. The input is seen under a name of ours.
func (t exiftool) command(dir string, args ...string) *toolbox.Command {
	c := t.box.Command(t.tool, dir, slices.Concat(noConfig, args)...)
	c.Bounds = bounds()
	return c
}

// Name is "exiftool".
func (exiftool) Name() string { return "exiftool" }

// Version is that of the program.
func (t exiftool) Version() string { return t.tool.Version }

// read asks an exiftool that is kept open, or one of its own where that cannot be.
func (t exiftool) read(ctx context.Context, path string, f engine.File) (map[string]string, error) {
	printed, err := t.kept(ctx, path, f.SHA256)
	if errors.Is(err, errNoLine) || errors.Is(err, toolbox.ErrNotStarted) && ctx.Err() == nil {
		printed, err = t.once(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	return flatten(printed, f.Name)
}

func (t exiftool) once(ctx context.Context, path string) ([]byte, error) {
	c := t.command("", reads...)
	c.Args = append(c.Args, c.In(path))
	printed := &toolbox.Buffer{Max: maxOutput}
	c.Stdout = printed
	outcome, err := c.Run(ctx)
	if err == nil && len(printed.Bytes()) == 0 {
		err = outcome.Err()
	}
	return printed.Bytes(), err
}

// ours are the tags that tell about the file in the box, not about the user's.
var ours = []string{"SourceFile", "FileName", "Directory", "FilePermissions", "FileModifyDate", "FileAccessDate",
	"FileInodeChangeDate", "FileCreateDate"}

// flatten makes a flat map of what exiftool printed.
func flatten(printed []byte, name string) (map[string]string, error) {
	var all []map[string]json.RawMessage
	if err := json.Unmarshal(printed, &all); err != nil || len(all) != 1 {
		return nil, engine.Errorf(engine.Invalid, "Exiftool cannot read this file.")
	}
	for _, tag := range ours {
		delete(all[0], tag)
	}
	if len(all[0]) > maxTags {
		return nil, engine.Errorf(engine.TooLarge, "The file has %d tags; at most %d are shown.", len(all[0]), maxTags)
	}
	tags := map[string]string{"FileName": name}
	for tag, raw := range all[0] {
		if value, ok := scalar(raw); ok {
			tags[tag] = value[:min(len(value), maxValue)]
		}
	}
	return tags, nil
}

// scalar is a value as text; the members of a list are joined. What is structured has none.
func scalar(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.ToValidUTF8(text, "\uFFFD"), true
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		var parts []string
		for _, member := range list {
			if part, ok := scalar(member); ok {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, ", "), true
	}
	return string(raw), len(raw) > 0 && raw[0] != '{' && string(raw) != "null"
}

// write makes a copy of each file with the new tags.
func (t exiftool) write(ctx context.Context, run *engine.Run, p WriteParams) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var outputs []convert.Output
	for i, f := range files {
		out, err := t.change(ctx, run, f, p.Metadata)
		if err != nil {
			return engine.Result{}, convert.About(err, f, len(files))
		}
		outputs = append(outputs, out)
		run.Progress(100*(i+1)/len(files), "")
	}
	result := engine.Result{Engine: "exiftool", Version: t.tool.Version}
	for i, o := range outputs {
		name := o.Input.Name
		if p.Filename != "" {
			name = p.Filename
			if len(outputs) > 1 {
				name = fmt.Sprintf("%s-%d%s", filetype.Stem(name), i+1, strings.TrimPrefix(name, filetype.Stem(name)))
			}
		}
		made, err := run.Adopt(ctx, name, o.Path)
		if err != nil {
			return result, fmt.Errorf("store the output: %w", err)
		}
		made.Dir = o.Input.Dir
		result.Files = append(result.Files, made)
	}
	return result, nil
}

func (t exiftool) change(ctx context.Context, run *engine.Run, f engine.File, tags map[string]string) (convert.Output, error) {
	in, err := run.Path(ctx, f, "")
	if err != nil {
		return convert.Output{}, fmt.Errorf("fetch the input: %w", err)
	}
	format, err := filetype.DetectFile(in, f.Name)
	if err != nil {
		return convert.Output{}, err
	}
	named := filepath.Join(filepath.Dir(in), "in."+string(format))
	if err := os.Rename(in, named); err != nil {
		return convert.Output{}, fmt.Errorf("name the input: %w", err)
	}
	work, err := run.Dir()
	if err != nil {
		return convert.Output{}, err
	}
	dir, err := os.MkdirTemp(work, "out-")
	if err != nil {
		return convert.Output{}, fmt.Errorf("make a scratch folder: %w", err)
	}
	list := filepath.Join(dir, "tags.json")
	if err := os.WriteFile(list, document(tags), 0o600); err != nil {
		return convert.Output{}, fmt.Errorf("write down the tags: %w", err)
	}
	out := filepath.Join(dir, "out."+string(format))
	c := t.command(dir)
	c.Args = append(c.Args, "-json="+c.Path(list), "-o", c.Path(out), c.In(named))
	outcome, err := c.Run(ctx)
	if err == nil {
		err = outcome.Err()
	}
	if err == nil {
		err = toolbox.CheckOutput(dir, out, maxFile)
	}
	return convert.Output{Path: out, Input: f, Format: format}, err
}

// document is the tags as exiftool reads them: SourceFile says that they are for every file of the run.
func document(tags map[string]string) []byte {
	all := map[string]string{"SourceFile": "*"}
	for name, value := range tags {
		all[name] = value
	}
	raw, _ := json.Marshal([]any{all}) // strings always can be
	return raw
}
