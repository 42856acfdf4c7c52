package pdf

import (
	"context"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// archiver writes PDF/A: of part 1, 2 or 3 of ISO 19005, at level b.
type archiver interface {
	worker
	archive(ctx context.Context, s source, part string) ([]string, error)
}

// Archive returns pdf/a with what the box finds; false where there is nothing.
func Archive(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	var archivers []archiver
	if o, ok := findOCRmyPDF(ctx, box); ok {
		archivers = append(archivers, o)
	}
	return action[archiver, ArchiveParams]{
		workers: archivers,
		work: func(ctx context.Context, a archiver, s source, p ArchiveParams) ([]string, error) {
			return a.archive(ctx, s, p.ConformanceLevel[:1])
		},
	}.operation("pdf/a", "Make a PDF fit for the archive: PDF/A.", ArchiveParams{ConformanceLevel: "3b"}), len(archivers) > 0
}

// ArchiveParams are what a pdf/a task takes.
type ArchiveParams struct {
	ConformanceLevel string `json:"conformance_level" doc:"The part of the standard and its level." rule:"oneof=1b|2b|3b"`
	Common
}

var errNotArchivable = engine.Errorf(engine.Invalid, "The PDF cannot be made a PDF/A of this conformance level.")
