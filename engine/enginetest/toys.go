package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// toy is the parameters of all toys.
type toy struct {
	Text string `json:"text" rule:"role=content"`
	With string `json:"with" rule:"role=task"`
	Code string `json:"code"`
	Hide string `json:"password"`
	ID   string `json:"id"`
}

// Toys returns operations whose results show what they were given: make and join store a file that says their name and, in
// brackets, the contents of their inputs; pass hands its inputs on; fail and spoil end with the error of the code, the
// latter having inputs; upload returns what arrived, and so does raw with its text; keep keeps its inputs in the organisation
// of the id, and kept returns the stored file of the id.
func Toys() []engine.Operation {
	upload := source("upload", pass)
	upload.Outside = true
	raw := source("raw", pass)
	raw.Content = func(params any) (string, io.Reader, error) {
		return "raw.txt", strings.NewReader(params.(toy).Text), nil
	}
	return []engine.Operation{source("make", join), define("join", join), define("pass", pass),
		source("fail", fail), define("spoil", fail), upload, raw, define("keep", keep), source("kept", kept)}
}

func keep(ctx context.Context, run *engine.Run, p toy) (engine.Result, error) {
	files, err := run.Files(ctx)
	for i := range files {
		files[i].ID = engine.NewID()
		files[i].Facts = map[string]string{"id": string(files[i].ID)}
	}
	return engine.Result{Files: files, KeepIn: engine.ID(p.ID)}, err
}

func kept(ctx context.Context, run *engine.Run, p toy) (engine.Result, error) {
	f, err := run.Stored(ctx, engine.ID(p.ID))
	return engine.Result{Files: []engine.File{f.File}}, err
}

func define(name string, do engine.HandlerFunc[toy]) engine.Operation {
	return engine.Define(name, "A toy.", engine.LaneCPU, toy{}, do)
}

func source(name string, do engine.HandlerFunc[toy]) engine.Operation {
	op := define(name, do)
	op.Source = true
	return op
}

func join(ctx context.Context, run *engine.Run, _ toy) (engine.Result, error) {
	inputs, err := run.Inputs(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var parts []string
	for _, in := range inputs {
		for _, f := range in.Files {
			part, err := read(ctx, run, f)
			if err != nil {
				return engine.Result{}, err
			}
			if in.Need {
				part = "+" + part
			}
			parts = append(parts, part)
		}
	}
	f, err := run.Create(ctx, run.Name+".txt", strings.NewReader(fmt.Sprintf("%s(%s)", run.Name, strings.Join(parts, ","))))
	f.Link = true
	return engine.Result{Files: []engine.File{f}}, err
}

func read(ctx context.Context, run *engine.Run, f engine.File) (string, error) {
	src, err := run.Open(ctx, f)
	if err != nil {
		return "", err
	}
	defer src.Close()
	b, err := io.ReadAll(src)
	return string(b), err
}

func pass(ctx context.Context, run *engine.Run, _ toy) (engine.Result, error) {
	files, err := run.Files(ctx)
	for i := range files {
		files[i].Link = true
	}
	return engine.Result{Files: files}, err
}

func fail(_ context.Context, _ *engine.Run, p toy) (engine.Result, error) {
	if p.Code == "" {
		return engine.Result{}, errors.New("something nobody foresaw")
	}
	return engine.Result{}, engine.Errorf(engine.Code(p.Code), "It went wrong: %s.", p.Code)
}
