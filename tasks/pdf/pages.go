package pdf

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// SplitParams are what a pdf/split-pages task takes.
type SplitParams struct {
	Common
}

func splitOperation(engines []Engine) engine.Operation {
	op := action[Engine, SplitParams]{workers: engines, work: split}.operation(
		"pdf/split-pages", "Make a PDF of every page of a PDF.", SplitParams{})
	op.Aliases = []string{"pdf/split"}
	return op
}

func split(ctx context.Context, e Engine, s source, _ SplitParams) ([]string, error) {
	count, err := e.Count(ctx, s.in, "")
	if err != nil {
		return nil, err
	}
	if _, err := (convert.Pages{}).Of(count); err != nil {
		return nil, err
	}
	paths, err := e.Split(ctx, s.in, s.dir, count, s.progress)
	if err != nil {
		return nil, err
	}
	if len(paths) != count {
		return nil, engine.Errorf(engine.Invalid, "The PDF is damaged: %s found %d of its %d pages.", e.Name(), len(paths), count)
	}
	for _, path := range paths {
		if err := expectPDF(path, ""); err != nil {
			return nil, fmt.Errorf("check the output: %w", err)
		}
	}
	return paths, Check(ctx, e, paths[count-1], "", 1)
}

// ExtractParams are what a pdf/extract-pages task takes.
type ExtractParams struct {
	Pages string `json:"pages" doc:"Which pages, such as 1-3,7,9-; in this order." rule:"required"`
	Common
}

func extractOperation(engines []Engine) engine.Operation {
	return action[Engine, ExtractParams]{
		workers: engines, work: extract,
		check: func(p ExtractParams) []param.Problem { return checkPages(p.Pages) },
	}.operation("pdf/extract-pages", "Make a PDF of some pages of a PDF.", ExtractParams{})
}

func checkPages(text string) []param.Problem {
	if _, err := convert.ParsePages(text); err != nil {
		return []param.Problem{param.Problemf("pages", "%s", err)}
	}
	return nil
}

// selected counts the pages of a file and returns those that text names.
func selected(ctx context.Context, e Engine, in, text string) (pages []int, count int, err error) {
	selection, err := convert.ParsePages(text)
	if err != nil {
		return nil, 0, engine.InvalidParams(checkPages(text))
	}
	if count, err = e.Count(ctx, in, ""); err != nil {
		return nil, 0, err
	}
	pages, err = selection.Of(count)
	return pages, count, err
}

func extract(ctx context.Context, e Engine, s source, p ExtractParams) ([]string, error) {
	pages, _, err := selected(ctx, e, s.in, p.Pages)
	if err != nil {
		return nil, err
	}
	if err := e.Assemble(ctx, s.out(), Part{Path: s.in, Pages: pages}); err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, e, s.out(), "", len(pages))
}

// RotateParams are what a pdf/rotate-pages task takes.
type RotateParams struct {
	Pages    string `json:"pages" doc:"Which pages, such as 1-3,7,9-; by default all."`
	Rotation string `json:"rotation" doc:"Degrees clockwise, a multiple of 90. With a sign, as in +90 or -90, they are added to how a page stands; without, they replace it." rule:"required"`
	Common
}

func rotateOperation(engines []Engine) engine.Operation {
	return action[Engine, RotateParams]{workers: engines, work: rotate, check: checkRotate}.operation(
		"pdf/rotate-pages", "Turn pages of a PDF.", RotateParams{})
}

func checkRotate(p RotateParams) []param.Problem {
	problems := checkPages(p.Pages)
	if _, err := parseTurn(p.Rotation); err != nil && p.Rotation != "" {
		problems = append(problems, param.Problemf("rotation", "%s", err))
	}
	return problems
}

func parseTurn(text string) (Turn, error) {
	text = strings.TrimSpace(text)
	degrees, err := strconv.Atoi(text)
	if err != nil || degrees%90 != 0 || degrees < -360 || degrees > 360 {
		return Turn{}, fmt.Errorf("must be +90, -90, +180, 0, 90, 180 or 270")
	}
	return Turn{Degrees: degrees, Relative: strings.ContainsAny(text, "+-")}, nil
}

func rotate(ctx context.Context, e Engine, s source, p RotateParams) ([]string, error) {
	turn, err := parseTurn(p.Rotation)
	if err != nil {
		return nil, engine.InvalidParams(checkRotate(p))
	}
	pages, count, err := selected(ctx, e, s.in, p.Pages)
	if err != nil {
		return nil, err
	}
	if err := e.Rotate(ctx, s.in, s.out(), pages, turn); err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, e, s.out(), "", count)
}
