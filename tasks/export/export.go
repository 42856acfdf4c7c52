// Package export makes an operation of every exporter: it brings the files together, as one ZIP where that is asked for,
// and leaves the rest to exporters.Deliver.
package export

import (
	"context"
	"log/slog"
	"slices"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/engine/zipfile"
	"github.com/gantry-engine/gantry/exporters"
)

// own are the parameters that every export has beside its driver's.
type own struct {
	Archive bool `json:"archive_multiple_files" doc:"Put several files into one ZIP file, which is exported in their place."`
}

// connected are those of every export to a system that asks who one is.
type connected struct {
	Connection string `json:"connection" doc:"The name of a connection, in the place of all credentials and addresses."`
}

// Operations returns the operation export/KIND of every definition. Env is what each driver is lent, completed for its task.
func Operations(definitions []exporters.Definition, env exporters.Env) []engine.Operation {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	operations := make([]engine.Operation, len(definitions))
	for i, def := range definitions {
		operations[i] = operation(def, env)
	}
	return operations
}

func operation(def exporters.Definition, env exporters.Env) engine.Operation {
	op := engine.Operation{
		Name: "export/" + def.Kind, Summary: def.Summary, Lane: engine.LaneNet,
		Params: param.Join(def.Params, param.Of(own{})),
		Run: func(ctx context.Context, run *engine.Run, params any) (engine.Result, error) {
			both := params.([]any)
			return export(ctx, run, def, env, both[0], both[1].(own))
		},
	}
	if slices.ContainsFunc(def.Params.Fields(), param.Field.Connects) {
		op.Kind, op.Params = def.Kind, param.Join(def.Params, param.Of(own{}), param.Of(connected{}))
	}
	for _, alias := range def.Aliases {
		op.Aliases = append(op.Aliases, "export/"+alias)
	}
	op.Check = func(params any, _ []engine.File) []param.Problem {
		problems := def.CheckName(params.([]any)[0])
		if def.Validate != nil {
			problems = append(problems, def.Validate(params.([]any)[0])...)
		}
		return problems
	}
	if def.Check != nil {
		op.Preflight = func(ctx context.Context, user engine.UserID, params any) []engine.Finding {
			env := env
			env.Owner = user
			return def.Try(ctx, env, params.([]any)[0])
		}
	}
	if def.Discard != nil {
		op.Discard = func(ctx context.Context, l engine.Leftover, params any, state []byte) error {
			return def.DiscardLeftover(ctx, env, l, params.([]any)[0], state)
		}
	}
	return op
}

func export(ctx context.Context, run *engine.Run, def exporters.Definition, env exporters.Env, params any, o own) (engine.Result, error) {
	files, err := run.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if o.Archive && len(files) > 1 {
		archive, err := pack(ctx, run, files)
		if err != nil {
			return engine.Result{}, err
		}
		files = []engine.File{archive}
	}
	if def.Renames {
		files = renamed(files)
	}
	env.Task, env.Owner, env.Attempt, env.Log = run.Task, run.User, run.Attempt, run.Log
	return exporters.Deliver(ctx, run, def, env, params, files)
}

// renamed gives files with one name names of their own, in their order, and takes their folders away.
func renamed(files []engine.File) []engine.File {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	out := make([]engine.File, len(files))
	for i, name := range zipfile.Unique(names) {
		out[i] = files[i]
		out[i].Name, out[i].Dir = name, ""
	}
	return out
}
