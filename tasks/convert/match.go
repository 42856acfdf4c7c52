package convert

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// offers are the conversions that some worker offers.
type offers []engine.Row

// engineAliases are names that clients know an engine by, beside its own.
var engineAliases = map[string]string{"office": "libreoffice", "archivetool": "archivelib"}

// engineNamed returns the name by which the engine that a client asks for is known here.
func engineNamed(name string) string { return cmp.Or(engineAliases[name], name) }

// match finds what no file could make possible. Where one engine alone can do what is asked for, it is the task's tool.
func match(p Params, known []engine.File, rows []engine.Row) (tool string, problems []param.Problem) {
	p.Engine = engineNamed(p.Engine)
	offered, to := offers(rows), ParseFormat(p.OutputFormat)
	problems = offered.checkEngine(p)
	if to == "" {
		return "", problems // reported by the tags
	}
	if !slices.ContainsFunc(rows, func(r engine.Row) bool { return Format(r.OutputFormat) == to }) {
		return "", append(problems, param.Problemf("output_format", "must be one of %s", join(offered.outputs(anyRow))))
	}
	if len(problems) > 0 {
		return "", problems
	}
	if from := ParseFormat(p.InputFormat); from != "" {
		if tool = offered.tool(from, to, p); tool == none {
			return "", append(problems, param.Problemf("input_format", "%s", offered.unsupported(from, to, p.Engine).Message))
		}
		return tool, nil
	}
	tool = offered.tool("", to, p)
	for _, f := range known {
		from := formatOf(f)
		if from == "" {
			continue
		}
		switch t := offered.tool(from, to, p); t {
		case none:
			problems = append(problems, param.Problemf("output_format", "%s: %s", f.Name, offered.unsupported(from, to, p.Engine).Message))
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

// none is the tool of what cannot be done.
const none = "-"

// tool is the only engine that can do it; empty if there are several, none if there is none. From may be unknown.
func (o offers) tool(from, to Format, p Params) string {
	var engines []string
	for _, r := range o {
		if fits(r, from, to, p) {
			engines = append(engines, r.Engine)
		}
	}
	slices.Sort(engines)
	switch engines = slices.Compact(engines); {
	case len(engines) == 0:
		return none
	case len(engines) > 1:
		return ""
	case p.Engine != "" && p.EngineVersion != "":
		return engines[0] + " " + p.EngineVersion
	}
	return engines[0]
}

// fits reports whether the row does what is asked for. A version counts together with its engine only.
func fits(r engine.Row, from, to Format, p Params) bool {
	return (from == "" || Format(r.InputFormat) == from) && Format(r.OutputFormat) == to &&
		(p.Engine == "" || p.Engine == r.Engine && (p.EngineVersion == "" || p.EngineVersion == r.EngineVersion))
}

func (o offers) checkEngine(p Params) []param.Problem {
	if p.Engine == "" {
		return nil
	}
	var names, versions []string
	for _, r := range o {
		names = append(names, r.Engine)
		if r.Engine == p.Engine {
			versions = append(versions, r.EngineVersion)
		}
	}
	if len(versions) == 0 {
		return []param.Problem{param.Problemf("engine", "must be one of %s", strings.Join(distinct(names), ", "))}
	}
	if p.EngineVersion != "" && !slices.Contains(versions, p.EngineVersion) {
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

func (o offers) unsupported(from, to Format, name string) *engine.Error {
	return unsupported(from, to, o.outputs(func(r engine.Row) bool {
		return Format(r.InputFormat) == from && (name == "" || r.Engine == name)
	}))
}
