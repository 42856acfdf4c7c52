package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gantry-engine/gantry/engine"
)

// Deliver brings files to one destination in order and returns them as its receipts describe them. What arrived before an
// error is returned with it.
func Deliver(ctx context.Context, run *engine.Run, def Definition, env Env, params any, files []engine.File) ([]engine.File, error) {
	names, err := naming(def.Params, params).Resolve(files)
	if err != nil {
		return nil, err
	}
	exporter, err := def.Open(ctx, env, params)
	if err != nil {
		return nil, err
	}
	delivered := make([]engine.File, 0, len(files))
	for i, f := range files {
		var arrived engine.File
		if arrived, err = deliver(ctx, run, exporter, f, names[i], i); err != nil {
			err = fmt.Errorf("export %q: %w", f.Name, err)
			break
		}
		delivered = append(delivered, arrived)
		run.Progress(100*(i+1)/len(files), "")
	}
	return delivered, errors.Join(err, exporter.Close())
}

func deliver(ctx context.Context, run *engine.Run, exporter Exporter, f engine.File, name string, i int) (engine.File, error) {
	receipt, err := exporter.Export(ctx, Delivery{
		ID: fmt.Sprintf("%s-%d", run.Task, i), File: f, Name: name, Checkpoint: nowhere{},
		open: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			src, err := run.Open(ctx, f)
			if err != nil {
				return nil, err
			}
			return verified(src, f, offset, length)
		},
	})
	if err != nil {
		return engine.File{}, err
	}
	if receipt.Kept {
		f.Name, f.Dir, f.Link, f.Inline = name, "", true, receipt.Inline
		return f, nil
	}
	f.Blob, f.Facts = "", receipt.Facts
	return f, nil
}

// nowhere is the checkpoint of deliveries that leave nothing behind.
type nowhere struct{}

func (nowhere) Load(context.Context) ([]byte, error) { return nil, nil }

func (nowhere) Save(context.Context, []byte) error {
	return errors.New("this kind of export keeps no checkpoint")
}
