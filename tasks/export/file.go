package export

import (
	"context"
	"maps"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

type fileParams struct {
	Organization string `json:"organization_id" doc:"The id of the organisation that keeps the files." rule:"required"`
	Archive      bool   `json:"archive_multiple_files" doc:"Put several files into one ZIP file, which is kept in their place."`
}

// File returns the operation export/file, which keeps files in an organisation, by reference. They are there when the task
// has finished, and not before.
func File() engine.Operation {
	op := engine.Define("export/file", "Keeps files in an organisation, for as long as it exists.", engine.LaneNet, fileParams{},
		engine.HandlerFunc[fileParams](keepFiles))
	op.Check = engine.CheckWith(func(p fileParams, _ []engine.File) []param.Problem {
		if _, ok := engine.ParseID(p.Organization); !ok {
			return []param.Problem{param.Problemf("organization_id", "is not the id of an organisation")}
		}
		return nil
	})
	return op
}

func keepFiles(ctx context.Context, run *engine.Run, p fileParams) (engine.Result, error) {
	organisation := engine.ID(p.Organization)
	if err := run.MayKeep(ctx, organisation); err != nil {
		return engine.Result{}, err
	}
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if p.Archive && len(files) > 1 {
		archive, err := pack(ctx, run, files)
		if err != nil {
			return engine.Result{}, err
		}
		files = []engine.File{archive}
	}
	for i := range files {
		f := &files[i]
		f.ID = engine.NewID()
		f.Facts = maps.Clone(f.Facts)
		if f.Facts == nil {
			f.Facts = map[string]string{}
		}
		f.Facts["id"], f.Facts["organization_id"], f.Link = string(f.ID), string(organisation), false
	}
	return engine.Result{Files: files, KeepIn: organisation}, nil
}
