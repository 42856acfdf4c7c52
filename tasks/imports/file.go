package imports

import (
	"context"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

type fileParams struct {
	File     string `json:"file" doc:"The id of a file of an organisation." rule:"required"`
	FileName string `json:"filename" doc:"The file's name, with its extension; by default the one it is stored under."`
}

// fromFile hands a file of an organisation on, by reference.
func fromFile() engine.Operation {
	op := engine.Define("import/file", "Takes a file of an organisation.", engine.LaneNet, fileParams{},
		engine.HandlerFunc[fileParams](func(ctx context.Context, run *engine.Run, p fileParams) (engine.Result, error) {
			stored, err := run.Stored(ctx, engine.ID(p.File))
			if err != nil {
				return engine.Result{}, err
			}
			f := stored.File
			if p.FileName != "" {
				f.Name = engine.CleanName(p.FileName)
			}
			return engine.Result{Files: []engine.File{f}}, nil
		}))
	op.Source = true
	op.Check = engine.CheckWith(func(p fileParams, _ []engine.File) []param.Problem {
		if _, ok := engine.ParseID(p.File); !ok {
			return []param.Problem{param.Problemf("file", "is not the id of a file")}
		}
		return nil
	})
	return op
}
