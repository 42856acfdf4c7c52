package convert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// offers are the conversions that some worker offers.
type offers []engine.Row

// engineAliases are names that clients know an engine by, beside its own.
var engineAliases = map[string]string{"office": "libreoffice", "archivetool": "archivelib"}

// engineNamed returns the name by which the engine that a client asks for is known here.
func engineNamed(name string) string { return cmp.Or(engineAliases[name], name) }

// Want is what a task asks for of what is offered.
type Want struct {
	From, To        Format // To is empty where the operation does not change what a file is
	Engine, Version string // a version counts together with its engine only
}

func (p Params) want() Want {
	return Want{From: filetype.Parse(p.InputFormat), To: filetype.Parse(p.OutputFormat), Engine: p.Engine, Version: p.EngineVersion}
}

// MatchBy is the Operation.Match of tasks that ask for what want says.
func MatchBy[P any](want func(P) Want) func(any, []engine.File, []engine.Row) (string, []param.Problem) {
	return engine.MatchWith(func(p P, known []engine.File, rows []engine.Row) (string, []param.Problem) {
		return Match(want(p), known, rows)
	})
}

// Match finds what no file could make possible, for Operation.Match: of the parameters engine, engine_version, output_format
// and input_format, and of files whose type is known, under input where the operation has no output_format. Where one engine
// alone can do what is asked for, it is the task's tool.
func Match(w Want, known []engine.File, rows []engine.Row) (tool string, problems []param.Problem) {
	w.Engine = engineNamed(w.Engine)
	offered := offers(rows)
	problems = offered.checkEngine(w)
	if w.To != "" && !slices.ContainsFunc(rows, func(r engine.Row) bool { return Format(r.OutputFormat) == w.To }) {
		return "", append(problems, param.Problemf("output_format", "must be one of %s", join(offered.outputs(anyRow))))
	}
	if len(problems) > 0 {
		return "", problems
	}
	if w.From != "" {
		if tool = offered.tool(w); tool == none {
			return "", append(problems, param.Problemf("input_format", "%s", offered.unsupported(w).Message))
		}
		return tool, nil
	}
	field := "output_format"
	if w.To == "" {
		field = "input"
	}
	tool = offered.tool(w)
	for _, f := range known {
		if w.From = filetype.OfMedia(f.MIME); w.From == "" {
			continue
		}
		switch t := offered.tool(w); t {
		case none:
			problems = append(problems, param.Problemf(field, "%s: %s", f.Name, offered.unsupported(w).Message))
		case "":
		default:
			tool = t
		}
	}
	if tool == none { // by an engine that makes other formats
		tool = ""
	}
	return tool, problems
}

// checkValues finds, of the options that say one of several words, those whose word no row that fits knows. What no row lists is
// left alone: it is ignored.
func (o offers) checkValues(w Want, said map[string]string) (problems []param.Problem) {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		var known []string
		for _, r := range o {
			if i := slices.IndexFunc(r.Options, func(f param.Field) bool { return f.Name == name }); i >= 0 && w.Fits(r) {
				known = append(known, r.Options[i].Enum...)
			}
		}
		if known = distinct(known); len(known) > 0 && !slices.Contains(known, said[name]) {
			problems = append(problems, param.Problemf(name, "must be one of %s: %s files hold nothing else", strings.Join(known, ", "), w.To))
		}
	}
	return problems
}

// none is the tool of what cannot be done.
const none = "-"

// tool is the only engine that can do it; empty if there are several, none if there is none. From may be unknown.
func (o offers) tool(w Want) string {
	var engines []string
	for _, r := range o {
		if w.Fits(r) {
			engines = append(engines, r.Engine)
		}
	}
	slices.Sort(engines)
	switch engines = slices.Compact(engines); {
	case len(engines) == 0:
		return none
	case len(engines) > 1:
		return ""
	case w.Engine != "" && w.Version != "":
		return engines[0] + " " + w.Version
	}
	return engines[0]
}

// Fits reports whether the row does what is asked for.
func (w Want) Fits(r engine.Row) bool {
	return (w.From == "" || r.InputFormat == "" || Format(r.InputFormat) == w.From) && (w.To == "" || Format(r.OutputFormat) == w.To) &&
		(w.Engine == "" || w.Engine == r.Engine && (w.Version == "" || w.Version == r.EngineVersion))
}

func (o offers) checkEngine(w Want) []param.Problem {
	if w.Engine == "" {
		return nil
	}
	var names, versions []string
	for _, r := range o {
		names = append(names, r.Engine)
		if r.Engine == w.Engine {
			versions = append(versions, r.EngineVersion)
		}
	}
	if len(versions) == 0 {
		return []param.Problem{param.Problemf("engine", "must be one of %s", strings.Join(distinct(names), ", "))}
	}
	if w.Version != "" && !slices.Contains(versions, w.Version) {
		return []param.Problem{param.Problemf("engine_version", "must be %s or absent: it is what this server has",
			strings.Join(distinct(versions), " or "))}
	}
	return nil
}

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

func anyRow(engine.Row) bool { return true }

// outputs lists what the rows that fit make, sorted.
func (o offers) outputs(fits func(engine.Row) bool) (all []Format) {
	for _, r := range o {
		if fits(r) {
			all = append(all, Format(r.OutputFormat))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (o offers) unsupported(w Want) *engine.Error {
	if w.To == "" {
		return engine.Errorf(engine.Unsupported, "This server cannot do this with %s files, only with %s.", w.From, join(o.inputs(w.Engine)))
	}
	return unsupported(w.From, w.To, o.outputs(func(r engine.Row) bool {
		return Format(r.InputFormat) == w.From && (w.Engine == "" || r.Engine == w.Engine)
	}))
}

// inputs lists what the engine reads, or any if it is empty, sorted.
func (o offers) inputs(engine string) (all []Format) {
	for _, r := range o {
		if engine == "" || r.Engine == engine {
			all = append(all, Format(r.InputFormat))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Unsupported is the error of a file that none of the rows fits, which names what they do fit. It has the code
// engine.Unsupported.
func Unsupported(w Want, rows []engine.Row) error { return offers(rows).unsupported(w) }
