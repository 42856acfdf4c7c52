package convert

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Output is a file that a task made of one of its inputs, still in the task's folder.
type Output struct {
	Path       string
	Input      engine.File // whose stem and folder it keeps
	Format     Format
	Number, Of int // among the outputs of its input, from 1 on
}

// Store makes files of a task's outputs. They are called filename, in which %d stands for their number, or after their
// inputs if it is empty.
func Store(ctx context.Context, run *engine.Run, filename string, outputs []Output) ([]engine.File, error) {
	var files []engine.File
	for i, o := range outputs {
		f, err := run.Adopt(ctx, o.name(filename, i+1, len(outputs)), o.Path)
		if err != nil {
			return nil, fmt.Errorf("store the output: %w", err)
		}
		f.Dir = o.Input.Dir
		files = append(files, f)
	}
	return files, nil
}

// name is what the n-th of total outputs is called.
func (o Output) name(filename string, n, total int) string {
	if filename == "" {
		if o.Of > 1 {
			return fmt.Sprintf("%s-%d.%s", filetype.Stem(o.Input.Name), o.Number, o.Format)
		}
		return filetype.Stem(o.Input.Name) + "." + string(o.Format)
	}
	if strings.Contains(filename, "%d") {
		return strings.ReplaceAll(filename, "%d", strconv.Itoa(n))
	}
	if total == 1 {
		return filename
	}
	stem := filetype.Stem(filename)
	return fmt.Sprintf("%s-%d%s", stem, n, strings.TrimPrefix(filename, stem))
}

// About says which of several files an error is about.
func About(err error, f engine.File, of int) error {
	var e *engine.Error
	if of == 1 || !errors.As(err, &e) || engine.Retryable(err) {
		return err
	}
	return engine.Wrap(err, e.Code, "%s: %s", f.Name, e.Message)
}

// Choose returns the engine of that name and version, or the first if name is empty. What is wrong with the choice comes
// back as problems of the parameters engine and engine_version.
func Choose[E interface {
	Name() string
	Version() string
}](engines []E, name, version string) (chosen E, problems []param.Problem) {
	var names []string
	for _, e := range engines {
		if e.Name() == name || name == "" {
			if version == "" || name == "" || version == e.Version() {
				return e, nil
			}
			return e, []param.Problem{
				param.Problemf("engine_version", "must be %s or absent: it is what this server has", e.Version()),
			}
		}
		names = append(names, e.Name())
	}
	return chosen, []param.Problem{param.Problemf("engine", "must be one of %s", strings.Join(names, ", "))}
}
