package v2

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

const (
	maxTag      = 255  // characters of a job's tag
	maxProblems = 1000 // that are listed, so that an answer has an end
)

// document is the body of POST /v2/jobs.
type document struct {
	engine.Submission
	redirect bool
}

// ParseJob reads a job as POST /v2/jobs takes it: an object, of which tasks is an object of tasks by name or a list of
// tasks that each have a name. The order of the tasks is kept. What is no such JSON at all is an Invalid error that
// says where; every other mistake is reported at once as problems of an Invalid error. Whether the operations exist
// and their parameters are right is for the engine to say.
func ParseJob(body []byte) (engine.Submission, error) {
	doc, err := parseJob(body)
	return doc.Submission, err
}

func parseJob(body []byte) (document, error) {
	var doc document
	var p parser
	fields, err := p.body(body)
	if err != nil {
		return doc, err
	}
	for _, f := range fields {
		switch f.name {
		case "tasks":
			doc.Tasks = p.tasks(f.raw)
		case "tag":
			doc.Tag = p.tag(f.raw)
		case "webhook_url":
			doc.WebhookURL = p.address("webhook_url", f.raw)
		case "redirect":
			doc.redirect = p.boolean("redirect", f.raw)
		}
	}
	if len(doc.Tasks) == 0 && !p.mentions("tasks") {
		p.problem("tasks", "The tasks field is required.")
	}
	return doc, p.err()
}

// parseTask reads the body of POST /v2/{operation}. Name, operation and ignore_error are for tasks in jobs; clients
// send them nevertheless.
func parseTask(operation string, body []byte) (engine.TaskSpec, error) {
	var p parser
	fields, err := p.body(body)
	if err != nil {
		return engine.TaskSpec{}, err
	}
	fields = slices.DeleteFunc(fields, func(m member) bool { return m.name == "operation" || m.name == "ignore_error" })
	spec := p.spec("", fields)
	spec.Operation = operation
	return spec, p.err()
}

// parser collects the mistakes of a document.
type parser struct {
	problems []param.Problem
}

func (p *parser) problem(field, format string, args ...any) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, param.Problemf(field, format, args...))
	}
}

func (p *parser) mentions(field string) bool {
	return slices.ContainsFunc(p.problems, func(q param.Problem) bool { return q.Field == field })
}

func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	return engine.InvalidParams(p.problems)
}

// body reads the object that a body must be. An empty body is an empty object, and so is an empty list: PHP sends that.
func (p *parser) body(body []byte) ([]member, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if at := invalidUTF8(body); at >= 0 { // the decoder would put other characters there, and a file would not be what was sent
		return nil, engine.Wrap(api.ErrMalformed, engine.Invalid, "The body is not UTF-8 at byte %d; JSON must be.", at+1)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, malformed(body, err)
	}
	if k := kind(raw); k != "an object" && k != "an empty list" {
		return nil, engine.Wrap(api.ErrMalformed, engine.Invalid,
			"The body must be a JSON object; it is %s (line 1, byte 1).", k)
	}
	return p.object("", raw), nil
}

// invalidUTF8 returns the place of the first byte that is no UTF-8, or -1.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
}

// malformed says where JSON went wrong.
func malformed(body []byte, err error) error {
	at := len(body)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = min(int(syntax.Offset), at)
	}
	before := body[:max(at-1, 0)]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return engine.Wrap(errors.Join(api.ErrMalformed, err), engine.Invalid,
		"The body is not valid JSON at line %d, column %d (byte %d): %s.", line, column, at, err)
}

// object returns the members of an object in their order, without nulls, which are as good as absent.
func (p *parser) object(field string, raw json.RawMessage) []member {
	switch k := kind(raw); k {
	case "an object":
	case "an empty list": // PHP's empty object
		return nil
	default:
		p.problem(field, "must be an object, not %s", k)
		return nil
	}
	members, twice, whole := members(raw)
	if !whole {
		p.problem(cmp.Or(field, "body"), "has more than %d members", maxElements)
		return nil
	}
	for _, name := range twice {
		p.problem(join(field, name), "is given twice")
	}
	return members
}

func (p *parser) tasks(raw json.RawMessage) []engine.TaskSpec {
	if kind(raw) == "a list" {
		return p.listed(raw)
	}
	var specs []engine.TaskSpec
	for _, m := range p.object("tasks", raw) {
		spec := p.task(join("tasks", m.name), m.raw)
		spec.Name = m.name
		specs = append(specs, spec)
	}
	return specs
}

// listed reads the form of a list, in which each task has its name inside.
func (p *parser) listed(raw json.RawMessage) []engine.TaskSpec {
	items, whole := elements(raw)
	if !whole {
		p.problem("tasks", "has more than %d elements", maxElements)
		return nil
	}
	specs, seen := make([]engine.TaskSpec, 0, len(items)), map[string]bool{}
	for i, item := range items {
		at := join("tasks", strconv.Itoa(i))
		var name string
		if kind(item) == "an object" {
			name = p.nameIn(at, item)
		}
		if name != "" {
			at = join("tasks", name)
		}
		if seen[name] && name != "" {
			p.problem(at, "is the name of two tasks; give each its own")
		}
		seen[name] = true
		spec := p.task(at, item)
		spec.Name = name
		specs = append(specs, spec)
	}
	return specs
}

func (p *parser) nameIn(field string, raw json.RawMessage) string {
	members, _, _ := members(raw)
	for _, m := range members {
		if m.name == "name" {
			return p.text(join(field, "name"), m.raw)
		}
	}
	p.problem(join(field, "name"), "is required where tasks is a list")
	return ""
}

func (p *parser) task(field string, raw json.RawMessage) engine.TaskSpec {
	return p.spec(field, p.object(field, raw))
}

// spec sorts the fields of a task into what every task has and the parameters of its operation.
func (p *parser) spec(field string, fields []member) engine.TaskSpec {
	var spec engine.TaskSpec
	var params []member
	for _, f := range fields {
		at := join(field, f.name)
		switch f.name {
		case "name":
		case "operation":
			spec.Operation = p.text(at, f.raw)
		case "input":
			spec.Input = p.input(at, f.raw)
		case "ignore_error":
			spec.IgnoreError = p.boolean(at, f.raw)
		default:
			params = append(params, f)
		}
	}
	spec.Params = assemble(params)
	return spec
}

// input is a name or a list of names. Anything else would name a task by accident.
func (p *parser) input(field string, raw json.RawMessage) []string {
	switch k := kind(raw); k {
	case "a string":
		return []string{p.text(field, raw)}
	case "an empty list":
		return []string{}
	case "a list":
	default:
		p.problem(field, "must be a name or a list of names, not %s", k)
		return nil
	}
	items, whole := elements(raw)
	if !whole {
		p.problem(field, "has more than %d elements", maxElements)
		return nil
	}
	names := make([]string, len(items))
	for i, item := range items {
		if k := kind(item); k != "a string" {
			p.problem(field, "must be a name or a list of names; its element %d is %s", i, k)
			return names
		}
		names[i] = p.text(field, item)
	}
	return names
}

func (p *parser) text(field string, raw json.RawMessage) string {
	var s string
	if k := kind(raw); k != "a string" {
		p.problem(field, "must be a string, not %s", k)
		return ""
	}
	_ = json.Unmarshal(raw, &s) // it is a string
	return s
}

// boolean is lenient, as some clients know strings alone.
func (p *parser) boolean(field string, raw json.RawMessage) bool {
	switch string(raw) {
	case `true`, `"true"`, `1`, `"1"`:
		return true
	case `false`, `"false"`, `0`, `"0"`, `""`:
		return false
	}
	p.problem(field, "must be true or false")
	return false
}

func (p *parser) tag(raw json.RawMessage) string {
	tag := p.text("tag", raw)
	if n := utf8.RuneCountInString(tag); n > maxTag {
		p.problem("tag", "has %d characters; it may have %d", n, maxTag)
	}
	return tag
}

func (p *parser) address(field string, raw json.RawMessage) string {
	text := p.text(field, raw)
	if p.mentions(field) || text == "" {
		return ""
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		p.problem(field, "must be an address that begins with http:// or https://")
	}
	return text
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}
