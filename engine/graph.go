package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
)

// common are the parameters that every operation has.
type common struct {
	Timeout int `json:"timeout" doc:"Seconds the task may run; the server's limit where it is lower or not given." rule:"min=0"`
}

var commonSpec = param.Of(common{})

// isName reports whether a task or a connection can be called so. A regular expression that counts to 255 would cost every
// start of the program more than all that the package does else.
func isName(s string) bool {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, other)
}

// draft is a submission on its way to a NewJob: what is known of each task, and every mistake found so far.
type draft struct {
	engine   *Engine
	user     UserID
	specs    []TaskSpec
	index    map[string]int // task name to its place
	tasks    []NewTask
	ops      []Operation       // zero where unknown
	params   []any             // nil where wrong
	deps     [][]int           // places of inputs and needs in this job
	raw      []json.RawMessage // of the parameters, with what a connection says
	lost     []bool            // whose connection cannot be used
	foreign  map[ID]Task       // tasks of other jobs that are named as inputs
	problems []param.Problem
	hidden   bool

	refreshed bool // the fleet was asked again
}

// check turns a submission into tasks that can be stored, or lists every mistake of the whole job.
func (e *Engine) check(ctx context.Context, user UserID, s Submission) (*draft, error) {
	d := &draft{engine: e, user: user, specs: s.Tasks, hidden: s.Hidden, index: map[string]int{}}
	if d.size(); len(d.problems) > 0 {
		return nil, InvalidParams(d.problems)
	}
	if err := d.loadForeign(ctx); err != nil {
		return nil, err
	}
	n := len(d.specs)
	d.tasks, d.ops, d.params, d.deps = make([]NewTask, n), make([]Operation, n), make([]any, n), make([][]int, n)
	for i := range d.specs {
		d.tasks[i].ID = NewID()
	}
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	for i := range d.specs {
		if err := d.task(ctx, i); err != nil {
			return nil, err
		}
	}
	d.cycles()
	if len(d.problems) > 0 {
		return nil, InvalidParams(d.problems)
	}
	return d, nil
}

// size checks what must hold before anything else is looked at.
func (d *draft) size() {
	limits, inputs := d.engine.Limits, 0
	for i, t := range d.specs {
		inputs += len(t.Input)
		if _, twice := d.index[t.Name]; twice {
			d.problem(i, "name", "is the name of two tasks; give each its own")
		}
		d.index[t.Name] = i
	}
	switch {
	case len(d.specs) == 0:
		d.problems = append(d.problems, param.Problemf("tasks", "The tasks field is required."))
	case len(d.specs) > limits.JobTasks:
		d.problems = append(d.problems, param.Problemf("tasks",
			"has %d tasks; this server takes %d in a job. Split the job: a task may name tasks of other jobs as its input.",
			len(d.specs), limits.JobTasks))
	case inputs > limits.JobInputs:
		d.problems = append(d.problems, param.Problemf("tasks",
			"have %d inputs in all; this server takes %d in a job", inputs, limits.JobInputs))
	}
}

// loadForeign reads the tasks of other jobs that are named as inputs, as far as they are the user's.
func (d *draft) loadForeign(ctx context.Context) error {
	d.foreign = map[ID]Task{}
	var ids []ID
	for i, t := range d.specs {
		_, needs := d.needs(i)
		for _, name := range slices.Concat(t.Input, needs) {
			if _, here := d.index[name]; here && !d.hidden {
				continue
			}
			if id, ok := ParseID(name); ok {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	tasks, err := d.engine.Store.Reader.Tasks(ctx, TaskQuery{User: d.user, IDs: ids})
	for _, t := range tasks {
		d.foreign[t.ID] = t
	}
	return err
}

// connect puts what connections hold in the place of their names.
func (d *draft) connect(ctx context.Context) error {
	d.raw, d.lost = make([]json.RawMessage, len(d.specs)), make([]bool, len(d.specs))
	for i, spec := range d.specs {
		op, _ := d.engine.Catalog.Find(spec.Operation)
		raw, problems, err := d.engine.connected(ctx, d.user, op, spec.Params)
		if err != nil {
			return err
		}
		d.raw[i], d.lost[i] = raw, len(problems) > 0
		for _, p := range problems {
			d.problem(i, p.Field, "%s", p.Message)
		}
	}
	return nil
}

// needs returns the parameter that names a task, and the names in it.
func (d *draft) needs(i int) (field string, names []string) {
	op, _ := d.engine.Catalog.Find(d.specs[i].Operation)
	f, ok := op.Params.Field(param.RoleTask)
	if !ok {
		return "", nil
	}
	var raw map[string]any
	if json.Unmarshal(d.specs[i].Params, &raw) != nil {
		return "", nil
	}
	if name, ok := raw[f.Name].(string); ok && name != "" {
		return f.Name, []string{name}
	}
	return "", nil
}

func (d *draft) problem(i int, field, format string, args ...any) {
	p := param.Problemf(field, format, args...)
	if !d.hidden {
		p.Field = strings.TrimSuffix("tasks."+d.specs[i].Name+"."+field, ".") // without a field it is about all of the task
	}
	d.problems = append(d.problems, p)
}

func (d *draft) task(ctx context.Context, i int) error {
	spec, t := d.specs[i], &d.tasks[i]
	if !isName(spec.Name) && !d.hidden {
		d.problem(i, "name", "may have letters, digits, - and _, up to 255 of them")
	}
	op, ok := d.engine.Catalog.Find(spec.Operation)
	switch {
	case spec.Operation == "":
		d.problem(i, "operation", "is required")
	case !ok:
		d.problem(i, "operation", "%q is unknown here; GET /v2/operations lists what there is", shortened(spec.Operation))
	}
	t.Name, t.Operation, t.Spelling, t.Lane, t.IgnoreError = spec.Name, op.Name, spec.Operation, op.Lane, spec.IgnoreError
	t.RetryOf, t.Awaits = spec.RetryOf, op.Outside
	d.ops[i] = op
	known := d.inputs(i, ok && !op.Source)
	if !ok {
		return nil
	}
	return d.decode(ctx, i, op, known)
}

// inputs resolves what a task depends on and returns the files of its inputs that exist already.
func (d *draft) inputs(i int, wanted bool) (known []File) {
	spec, t := d.specs[i], &d.tasks[i]
	if !wanted {
		return nil
	}
	if len(spec.Input) == 0 {
		d.problem(i, "input", "is required: the name of a task of this job, the id of another task, or a list of these")
	}
	for _, name := range spec.Input {
		id, ok := d.resolve(i, "input", name)
		if ok && !slices.Contains(t.Inputs, id) {
			t.Inputs = append(t.Inputs, id)
		}
		if other := d.foreign[id]; ok && other.Result != nil {
			known = append(known, other.Result.Files...)
		}
	}
	field, needs := d.needs(i)
	for _, name := range needs {
		if id, ok := d.resolve(i, field, name); ok && !slices.Contains(t.Inputs, id) {
			t.Needs = append(t.Needs, id)
		}
	}
	return known
}

func (d *draft) resolve(i int, field, name string) (ID, bool) {
	if at, here := d.index[name]; here && !d.hidden {
		if at == i {
			d.problem(i, field, "names the task itself")
			return "", false
		}
		if !slices.Contains(d.deps[i], at) {
			d.deps[i] = append(d.deps[i], at)
		}
		return d.tasks[at].ID, true
	}
	if other, ok := d.foreign[ID(name)]; ok {
		return other.ID, true
	}
	if d.hidden {
		d.problem(i, field, "%q is not the id of a task of yours; ended tasks are kept for a limited time", shortened(name))
	} else {
		d.problem(i, field, "%q is neither a task of this job nor the id of a task of yours", shortened(name))
	}
	return "", false
}

func (d *draft) decode(ctx context.Context, i int, op Operation, known []File) error {
	raw := d.raw[i]
	params, problems := op.Params.Decode(raw)
	if d.lost[i] {
		problems = op.about(problems, false)
	}
	_, more := commonSpec.Decode(raw)
	for _, p := range more {
		if !slices.Contains(problems, p) { // that it is no object is said once
			problems = append(problems, p)
		}
	}
	if len(problems) == 0 && op.Check != nil && !d.lost[i] {
		problems = op.Check(params, known)
	}
	if len(problems) == 0 && op.Match != nil {
		var err error
		if problems, err = d.match(ctx, i, params, known); err != nil {
			return err
		}
	}
	for _, p := range problems {
		d.problem(i, p.Field, "%s", p.Message)
	}
	if len(problems) == 0 {
		d.params[i] = params
	}
	return nil
}

// match finds the tool that the task needs. Before it is refused for the want of one, or because no worker is known, the fleet is
// asked again: one may have come this moment.
func (d *draft) match(ctx context.Context, i int, params any, known []File) (problems []param.Problem, err error) {
	op, e := d.ops[i], d.engine
	again := e.Fleet != nil && !d.refreshed
	if !again || e.Fleet.Rows(op.Name) != nil {
		d.tasks[i].Tool, problems = op.Match(params, known, e.Rows(op))
		if !again || len(problems) == 0 {
			return problems, nil
		}
	}
	d.refreshed = true
	rows, err := e.RowsNow(ctx, op)
	if err != nil {
		return nil, err
	}
	d.tasks[i].Tool, problems = op.Match(params, known, rows)
	return problems, nil
}

// seal gives each task what is stored of it: the sealed payload, the redacted copy, and content as a file.
func (d *draft) seal(ctx context.Context) error {
	for i := range d.tasks {
		if err := d.sealTask(ctx, i); err != nil {
			d.discard(ctx)
			return err
		}
	}
	return nil
}

func (d *draft) sealTask(ctx context.Context, i int) (err error) {
	t, op, raw := &d.tasks[i], d.ops[i], d.raw[i]
	t.Redacted = d.redacted(i)
	if op.Content != nil {
		name, content, err := op.Content(d.params[i])
		if err != nil {
			return err
		}
		if err := d.store(ctx, t, name, content); err != nil {
			return err
		}
		raw = op.Params.WithoutContent(raw)
	}
	if op.Outside {
		t.UploadUntil = d.engine.now().Add(d.engine.Limits.UploadForm)
	}
	t.Payload, err = d.engine.Sealer.Seal(raw, string(t.ID))
	return err
}

func (d *draft) store(ctx context.Context, t *NewTask, name string, content io.Reader) error {
	f, err := d.engine.Files.Create(ctx, CleanName(name), content)
	if err != nil {
		return err
	}
	t.Arrived = &f
	return nil
}

// redacted is the payload as it is shown: the parameters without secrets, the operation, and the input as a list.
func (d *draft) redacted(i int) json.RawMessage {
	shown := map[string]json.RawMessage{}
	if json.Unmarshal(d.ops[i].Params.Redact(d.specs[i].Params), &shown) != nil {
		shown = map[string]json.RawMessage{}
	}
	if !d.hidden {
		shown["operation"], _ = json.Marshal(d.specs[i].Operation)
	}
	if d.specs[i].Input != nil {
		shown["input"], _ = json.Marshal(d.specs[i].Input)
	}
	out, _ := json.Marshal(shown)
	return out
}

// discard removes the content that was stored for a job that is not to be.
func (d *draft) discard(ctx context.Context) {
	for _, t := range d.tasks {
		if t.Arrived == nil {
			continue
		}
		if err := d.engine.Files.Remove(context.WithoutCancel(ctx), t.Arrived.Blob); err != nil {
			d.engine.Log.Warn("content of a refused job stays until the next sweep", "error", err)
		}
	}
}

func shortened(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%.80s…", s)
	}
	return s
}
