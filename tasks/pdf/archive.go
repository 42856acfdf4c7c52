package pdf

import (
	"context"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/pdftools"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// archiver writes PDF/A: of part 1, 2 or 3 of ISO 19005, at level b.
type archiver interface {
	worker
	archive(ctx context.Context, s source, count int, part string) error // count is of the pages
}

// Archive returns pdf/a with what the box finds; false where there is nothing.
func Archive(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	var archivers []archiver
	if o, ok := findOCRmyPDF(ctx, box); ok {
		archivers = append(archivers, o)
	}
	if gs := pdftools.NewGhostscript(ctx, box); gs != nil && gs.Archives() {
		archivers = append(archivers, ghostscript{gs})
	}
	return action[archiver, ArchiveParams]{
		workers: archivers,
		work:    toArchive,
	}.operation("pdf/a", "Make a PDF fit for the archive: PDF/A.", ArchiveParams{ConformanceLevel: "3b"}), len(archivers) > 0
}

// ArchiveParams are what a pdf/a task takes.
type ArchiveParams struct {
	ConformanceLevel string `json:"conformance_level" doc:"The part of the standard and its level." rule:"oneof=1b|2b|3b"`
	Common
}

// toArchive calls nothing PDF/A that says so without being it.
func toArchive(ctx context.Context, a archiver, s source, p ArchiveParams) ([]string, error) {
	part := p.ConformanceLevel[:1]
	pages := NewLibrary()
	count, err := pages.countOpen(ctx, s.in)
	if err != nil {
		return nil, err
	}
	if err := a.archive(ctx, s, count, part); err != nil {
		return nil, err
	}
	if err := Check(ctx, pages, s.out(), "", count); err != nil {
		return nil, err
	}
	return []string{s.out()}, pages.CheckArchive(ctx, s.out(), part)
}

// ghostscript is the program of that name as an archiver.
type ghostscript struct{ *pdftools.Ghostscript }

func (g ghostscript) archive(ctx context.Context, s source, _ int, part string) error {
	return g.Archive(ctx, s.in, s.out(), part)
}

var errNotArchivable = engine.Errorf(engine.Invalid, "The PDF cannot be made a PDF/A of this conformance level.")
