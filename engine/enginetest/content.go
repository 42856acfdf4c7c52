package enginetest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// File is a file that a test brings in; a package that writes many has a type of its own with these fields.
type File struct{ Name, Content string }

// Bringing returns the operation of that name, which needs no input and makes the files, whatever its parameters.
func Bringing[F ~struct{ Name, Content string }](name string, files ...F) engine.Operation {
	op := engine.Define(name, "Bring test files in.", engine.LaneNet, struct{}{},
		engine.HandlerFunc[struct{}](func(ctx context.Context, run *engine.Run, _ struct{}) (result engine.Result, err error) {
			for _, f := range files {
				f := File(f)
				made, err := run.Create(ctx, f.Name, strings.NewReader(f.Content))
				if err != nil {
					return result, err
				}
				result.Files = append(result.Files, made)
			}
			return result, nil
		}))
	op.Source = true
	return op
}

// Content returns the bytes of a file that a task made.
func (s *Server) Content(t testing.TB, f engine.File) string {
	t.Helper()
	src, err := s.Files.Open(t.Context(), f.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	content, err := io.ReadAll(src)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
