package convert

import (
	"context"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// stopWith lets a Markdown parse end with its context. The parser takes no context, but it asks each of its inline
// parsers at every mark that could open something; this one never takes the mark and panics once ctx has ended, which
// Convert turns into the context's error.
func stopWith(ctx context.Context) parser.Option {
	return parser.WithInlineParsers(util.Prioritized(stopper{ctx}, 0))
}

type stopper struct {
	ctx context.Context //nolint:containedctx // lives as long as one parse
}

func (stopper) Trigger() []byte { return []byte("[]*_`<!~(") }

func (s stopper) Parse(ast.Node, text.Reader, parser.Context) ast.Node {
	if err := context.Cause(s.ctx); err != nil {
		panic(err)
	}
	return nil
}
