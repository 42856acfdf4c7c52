package imports

import (
	"encoding/base64"
	"io"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// File is a pointer so that an empty file can be told from none. It is not tagged as required, since the engine has
// moved it out of the parameters when the task runs; check asks for it when the task is submitted.
type contentParams struct {
	File     *string `json:"file" doc:"The file's content; required." rule:"role=content"`
	FileName string  `json:"filename" doc:"The file's name, with its extension." rule:"required"`
}

func fromRaw() engine.Operation {
	op := engine.Define("import/raw", "Makes a file of a text in the job.",
		engine.LaneNet, contentParams{}, engine.HandlerFunc[contentParams](passOn[contentParams]))
	op.Source = true
	op.Check = engine.CheckWith(func(p contentParams, _ []engine.File) []param.Problem { return p.check() })
	op.Content = func(params any) (string, io.Reader, error) {
		p := params.(contentParams)
		return p.FileName, strings.NewReader(*p.File), nil
	}
	return op
}

func fromBase64() engine.Operation {
	op := engine.Define("import/base64", "Makes a file of base64 in the job. A data: URL is taken too.",
		engine.LaneNet, contentParams{}, engine.HandlerFunc[contentParams](passOn[contentParams]))
	op.Source = true
	op.Check = engine.CheckWith(func(p contentParams, _ []engine.File) []param.Problem {
		problems := p.check()
		if p.File == nil {
			return problems
		}
		if complaint := checkBase64(*p.File); complaint != "" {
			problems = append(problems, param.Problemf("file", "%s", complaint))
		}
		return problems
	})
	op.Content = func(params any) (string, io.Reader, error) {
		p := params.(contentParams)
		digits, _ := withoutDataURL(*p.File)
		return p.FileName, base64.NewDecoder(base64.RawStdEncoding, &digitReader{text: digits}), nil
	}
	return op
}

func (p contentParams) check() []param.Problem {
	if p.File == nil {
		return []param.Problem{param.Problemf("file", "is required")}
	}
	return nil
}
