package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Convert runs job on e and checks what came out: at least one file, each a regular one in the job's folder and of the asked
// format. An engine that panics fails this job only: its decoder has met a broken file, so the error has the code
// engine.Invalid.
func Convert(ctx context.Context, e Engine, job Job) (outputs []string, err error) {
	if job.Progress == nil {
		job.Progress = func(int) {}
	}
	outputs, err = guarded(ctx, e, job)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(outputs) == 0 {
		return nil, fmt.Errorf("%s made no %s file", e.Name(), job.To)
	}
	for _, path := range outputs {
		if err := checkOutput(job, path); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return outputs, nil
}

func guarded(ctx context.Context, e Engine, job Job) (outputs []string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = engine.Wrap(fmt.Errorf("panic: %v", v), engine.Invalid,
				"The %s file is damaged: it could not be read.", job.From)
		}
	}()
	return e.Convert(ctx, job)
}

// checkOutput holds one output against what was asked for. A text may be empty, and looks like many things.
func checkOutput(job Job, path string) error {
	want := job.To
	err := toolbox.CheckOutput(job.Dir, path, job.Limits.output())
	if err != nil && !(filetype.IsText(want) && errors.Is(err, toolbox.ErrEmpty)) {
		return err
	}
	got, err := filetype.DetectFile(path, "out."+string(want))
	if err != nil {
		return fmt.Errorf("check the output: %w", err)
	}
	if got != want && !(want == "zip" && isZIP(path)) { // of the parts of a document

		return fmt.Errorf("the output is %s, not %s", got, want)
	}
	return nil
}

func isZIP(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "PK"
}

// Follow converts job.In along a route, in folders of its own below job.Dir, and returns the last step's outputs. A step
// that makes several files hands each of them to the next.
func Follow(ctx context.Context, route Route, job Job) ([]string, error) {
	if job.Progress == nil {
		job.Progress = func(int) {}
	}
	ins, report := []string{job.In}, job.Progress
	for i, offer := range route {
		var outs []string
		for n, in := range ins {
			dir, err := os.MkdirTemp(job.Dir, "step-")
			if err != nil {
				return nil, fmt.Errorf("make a scratch folder: %w", err)
			}
			step := job
			step.In, step.From, step.To, step.Dir = in, offer.Pair.From, offer.Pair.To, dir
			step.Progress = func(percent int) { report((100*(i*len(ins)+n) + percent) / (len(route) * len(ins))) }
			made, err := Convert(ctx, offer.Engine, step)
			if err != nil {
				return nil, err
			}
			outs = append(outs, made...)
		}
		if i > 0 { // read, and not the caller's
			for _, in := range ins {
				os.RemoveAll(filepath.Dir(in))
			}
		}
		ins, job.Options = outs, job.Options.used(offer.Pair.Options)
	}
	return ins, nil
}
