package imports

import (
	"context"
	"log/slog"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// fetched are the parameters that every import from a storage system has beside its own.
type fetched struct {
	Connection string `json:"connection" doc:"The name of a connection, in the place of all credentials and addresses."`
	FileName   string `json:"filename" doc:"The file's name, with its extension; by default the object's own. %d is the number of one of several."`
}

// Sources returns the operation import/KIND of every definition that can be read from. Env is what each is lent, completed
// for its task.
func Sources(definitions []exporters.Definition, env exporters.Env) []engine.Operation {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	var operations []engine.Operation
	for _, def := range definitions {
		if def.Reading != nil {
			operations = append(operations, fromSource(def, env))
		}
	}
	return operations
}

func fromSource(def exporters.Definition, env exporters.Env) engine.Operation {
	reading := def.Reading
	op := engine.Operation{
		Kind: def.Kind, Name: "import/" + def.Kind, Summary: reading.Summary, Lane: engine.LaneNet, Source: true,
		Params: param.Join(reading.Params, param.Of(fetched{})),
		Run: func(ctx context.Context, run *engine.Run, params any) (engine.Result, error) {
			both := params.([]any)
			env := env
			env.Task, env.Owner, env.Attempt, env.Log = run.Task, run.User, run.Attempt, run.Log
			return fetch(ctx, run, reading, env, both[0], both[1].(fetched).FileName)
		},
	}
	op.Preflight = func(ctx context.Context, user engine.UserID, params any) []engine.Finding {
		env := env
		env.Owner = user
		return reading.Try(ctx, env, params.([]any)[0])
	}
	for _, alias := range def.Aliases {
		op.Aliases = append(op.Aliases, "import/"+alias)
	}
	op.Check = func(params any, _ []engine.File) []param.Problem {
		own := params.([]any)[0]
		problems := wants(reading.Params, own)
		if reading.Validate != nil {
			problems = append(problems, reading.Validate(own)...)
		}
		return problems
	}
	return op
}

// wants checks that the parameters name something to import.
func wants(spec param.Spec, params any) []param.Problem {
	var names []string
	for _, role := range []param.Role{param.RoleName, param.RolePrefix, param.RoleFolder} {
		f, ok := spec.Field(role)
		if !ok {
			continue
		}
		if f.Text(params) != "" {
			return nil
		}
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return nil
	}
	problem := param.Problemf(names[0], "is required")
	if len(names) > 1 {
		problem = param.Problemf(names[0], "or %s is required: they say which objects to import", names[1])
	}
	return []param.Problem{problem}
}

// fetch brings in the objects that the parameters name.
func fetch(ctx context.Context, run *engine.Run, reading *exporters.Reading, env exporters.Env, params any, name string) (engine.Result, error) {
	source, err := reading.Open(ctx, env, params)
	if err != nil {
		return engine.Result{}, err
	}
	defer func() {
		if err := source.Close(); err != nil {
			env.Log.Warn("a source did not close well", "error", err)
		}
	}()
	objects, err := exporters.Select(ctx, source, reading.Params, params, run.Limits())
	if err != nil {
		return engine.Result{}, err
	}
	t := &transfer{run: run, source: source, objects: objects, name: name, files: make([]engine.File, len(objects))}
	err = t.all(ctx)
	var result engine.Result
	for _, f := range t.files {
		if f.Blob != "" {
			result.Files = append(result.Files, f)
		}
	}
	return result, err
}
