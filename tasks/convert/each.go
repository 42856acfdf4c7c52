package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
)

// Source is one input file of a task, whose content was looked at.
type Source struct {
	File     engine.File
	In       string // its path, with the format as its extension
	Format   Format
	Dir      string // an empty folder for what is made of it
	Limits   Limits
	Progress func(percent int) // of this file, from 0 to 100
}

// Job is the conversion of the source into a format, in a folder of its own.
func (s Source) Job(to Format, o Options) (Job, error) {
	dir, err := os.MkdirTemp(s.Dir, "job-")
	if err != nil {
		return Job{}, fmt.Errorf("make a scratch folder: %w", err)
	}
	return Job{In: s.In, Name: s.File.Name, From: s.Format, To: to, Dir: dir, Options: o, Limits: s.Limits, Progress: s.Progress}, nil
}

// Each has work make something of every file, and stores that under filename when all is made. Work returns the paths of what
// it made, which may be the input itself, and their format.
func Each(
	ctx context.Context, run *engine.Run, files []engine.File, filename string,
	work func(context.Context, Source) ([]string, Format, error),
) ([]engine.File, error) {
	var outputs []Output
	for i, f := range files {
		s, err := Fetch(ctx, run, f, f.Name)
		if err != nil {
			return nil, About(err, f, len(files))
		}
		s.Progress = func(percent int) { run.Progress((100*i+percent)/len(files), "") }
		paths, format, err := work(ctx, s)
		if err != nil {
			return nil, About(err, f, len(files))
		}
		for n, path := range paths {
			outputs = append(outputs, Output{Path: path, Input: f, Format: format, Number: n + 1, Of: len(paths)})
		}
	}
	return Store(ctx, run, filename, outputs)
}

// Fetch brings a file to the disk and looks at it. Name decides what it is where its content leaves that open. A picture of
// more pixels than the server takes is an error with the code engine.TooLarge.
func Fetch(ctx context.Context, run *engine.Run, f engine.File, name string) (Source, error) {
	s := Source{File: f, Limits: LimitsOf(run.Limits()), Progress: func(int) {}}
	in, err := run.Path(ctx, f, "")
	if err != nil {
		return s, fmt.Errorf("fetch the input: %w", err)
	}
	if s.Format, err = filetype.DetectFile(in, name); err != nil {
		return s, err
	}
	s.In = in + "." + string(s.Format) // many programs go by the name
	if err := os.Rename(in, s.In); err != nil {
		return s, fmt.Errorf("name the input: %w", err)
	}
	if err := pixels.CheckFile(s.In, s.Format, s.Limits.Pixels); err != nil {
		return s, err
	}
	s.Dir = filepath.Join(filepath.Dir(s.In), "out")
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		return s, fmt.Errorf("make a scratch folder: %w", err)
	}
	return s, nil
}
