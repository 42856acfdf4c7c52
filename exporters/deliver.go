package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gantry-engine/gantry/engine"
)

// Deliver brings files to one destination in order. The result has them as the receipts describe them; what arrived before
// an error is returned with it.
func Deliver(ctx context.Context, run *engine.Run, def Definition, env Env, params any, files []engine.File) (engine.Result, error) {
	names, err := naming(def.Params, params).Resolve(files)
	if err != nil {
		return engine.Result{}, err
	}
	exporter, err := def.Open(ctx, env, params)
	if err != nil {
		return engine.Result{}, err
	}
	var result engine.Result
	for i, f := range files {
		receipt, failed := exporter.Export(ctx, delivery(run, f, names[i], i))
		if failed != nil {
			err = fmt.Errorf("export %q: %w", f.Name, failed)
			break
		}
		result.Files = append(result.Files, receipt.file(f, names[i]))
		if result.Message == "" {
			result.Message = receipt.Remark
		}
		run.Progress(100*(i+1)/len(files), "")
	}
	return result, errors.Join(err, exporter.Close())
}

func delivery(run *engine.Run, f engine.File, name string, i int) Delivery {
	return Delivery{
		ID: fmt.Sprintf("%s-%d", run.Task, i), File: f, Name: name, Checkpoint: nowhere{},
		open: func(ctx context.Context) (io.ReadSeekCloser, error) { return run.Open(ctx, f) },
	}
}

// file is the delivered file as the task shows it.
func (r Receipt) file(f engine.File, name string) engine.File {
	if r.Kept {
		f.Name, f.Dir, f.Link, f.Inline = name, "", true, r.Inline
		return f
	}
	f.Blob, f.Facts = "", r.Facts
	return f
}

// nowhere is the checkpoint of deliveries that leave nothing behind.
type nowhere struct{}

func (nowhere) Load(context.Context) ([]byte, error) { return nil, nil }

func (nowhere) Save(context.Context, []byte) error {
	return errors.New("this kind of export keeps no checkpoint")
}
