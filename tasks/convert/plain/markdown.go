package plain

import (
	"context"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/gantry-engine/gantry/engine"
)

// maxMarks is how many marks such as * and [ one paragraph may have. Matching them takes the parser quadratic time: a
// tenth of a second for these, minutes for ten times as many.
const maxMarks = 10_000

// bounded keeps a Markdown parse from running away. The parser takes no context and no limit, but it asks each of its
// inline parsers at every mark that could open something; this one never takes the mark and panics once there are too
// many in one block or ctx has ended, which stopped turns into an error.
func bounded(ctx context.Context) parser.Option {
	return parser.WithInlineParsers(util.Prioritized(&stopper{ctx: ctx}, 0))
}

type stopper struct {
	ctx   context.Context //nolint:containedctx // lives as long as one parse
	block ast.Node
	marks int
}

// stop is what a stopper panics with.
type stop struct{ error }

// stopped sets err when the code that defers it was stopped; any other panic goes on.
func stopped(err *error) {
	switch v := recover().(type) {
	case nil:
	case stop:
		*err = v.error
	default:
		panic(v)
	}
}

func (*stopper) Trigger() []byte { return []byte("[]*_`<!~(") }

func (s *stopper) Parse(block ast.Node, _ text.Reader, _ parser.Context) ast.Node {
	if block != s.block {
		s.block, s.marks = block, 0
	}
	if s.marks++; s.marks > maxMarks {
		panic(stop{engine.Errorf(engine.TooLarge, "The md file has a paragraph with more than %d marks such as * and [.", maxMarks)})
	}
	if err := context.Cause(s.ctx); err != nil {
		panic(stop{err})
	}
	return nil
}

// maxCells is how many cells the tables of one Markdown text may have. Every short row is filled up with cells to the
// width of its table, so that a wide head over many short rows would take far more memory than the text.
const maxCells = 1_000_000

// checkTables bounds the cells from above: the widest line of dashes times the number of lines.
func checkTables(text string) error {
	lines, widest := int64(0), int64(0)
	for line := range strings.Lines(text) {
		lines++
		if strings.Trim(line, "|:- \t\r\n>") == "" {
			widest = max(widest, int64(strings.Count(line, "|")))
		}
	}
	if widest*lines > maxCells {
		return engine.Errorf(engine.TooLarge, "The md file has a table that is too wide for its number of lines.")
	}
	return nil
}
