package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/gantry-engine/gantry/engine/param"
)

// Handler does the work of one operation with parameters of type P. It may be called from many goroutines. What it does
// outside run.Dir() must bear repeating: a worker can die at any moment, and the task then runs again. A Result that comes
// with an error says what was done before it.
type Handler[P any] interface {
	Run(ctx context.Context, run *Run, params P) (Result, error)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc[P any] func(ctx context.Context, run *Run, params P) (Result, error)

// Run calls f.
func (f HandlerFunc[P]) Run(ctx context.Context, run *Run, params P) (Result, error) {
	return f(ctx, run, params)
}

// The lanes every server has. An operation may name one of its own; it then has the slots of LaneCPU.
const (
	LaneCPU = "cpu" // work bound by the processor
	LaneNet = "net" // work that mostly waits for others
)

// Operation is all there is to know about one operation. Define makes one; its optional fields are then assigned.
type Operation struct {
	Name    string   // as in "export/s3"
	Aliases []string // other spellings that clients use; echoed as sent
	Summary string   // one sentence
	Lane    string
	Params  param.Spec
	Run     func(ctx context.Context, run *Run, params any) (Result, error)

	// Source operations bring files in and have no input.
	Source bool

	// Outside operations wait until Engine.Arrive brings their file.
	Outside bool

	// Check returns what is wrong with the parameters beyond their tags. Known are the input files that exist already when
	// the task is submitted; often there are none yet.
	Check func(params any, known []File) []param.Problem

	// Match is there for an operation with Rows. It returns what is wrong with the parameters since none of the offered rows
	// fits, whatever the files are, and the tool, as Kind has it, without which the task cannot be done; empty if that is not
	// known yet, or there is a choice.
	Match func(params any, known []File, offered []Row) (tool string, problems []param.Problem)

	// Content returns the content that the parameters carry. It is stored when the task is submitted and is then the file
	// that arrived; the parameter with param.RoleContent is not kept.
	Content func(params any) (name string, content io.Reader, err error)

	// Discard removes what an attempt that will not be repeated left outside, by the state of its note; nil if nothing ever
	// is. What is gone already, or was finished after all, is no error.
	Discard func(ctx context.Context, l Leftover, params any, state []byte) error

	// Kind is the storage system that the operation speaks to, such as s3: a task may name a connection of that kind. It is
	// empty where there is nothing that a connection could say.
	Kind string

	// Preflight tries what a task with the parameters would need, and leaves nothing behind; nil if there is nothing to try.
	Preflight func(ctx context.Context, user UserID, params any) []Finding

	// Rows lists what the operation can do in this process, for the catalog; nil for one row without formats.
	Rows func() []Row
}

// Row is one line of the catalog of operations.
type Row struct {
	InputFormat, OutputFormat string // empty where the operation has none
	Engine, EngineVersion     string
	Alternative               bool          // another engine is preferred for the same pair
	Options                   []param.Field // what applies to this row
}

// Define returns the operation that h does with parameters of type P. Defaults hold for what a task leaves out.
func Define[P any](name, summary, lane string, defaults P, h Handler[P]) Operation {
	return Operation{
		Name: name, Summary: summary, Lane: lane, Params: param.Of(defaults),
		Run: func(ctx context.Context, run *Run, params any) (Result, error) {
			return h.Run(ctx, run, params.(P))
		},
	}
}

// CheckWith adapts a typed check to Operation.Check.
func CheckWith[P any](check func(params P, known []File) []param.Problem) func(any, []File) []param.Problem {
	return func(params any, known []File) []param.Problem { return check(params.(P), known) }
}

// MatchWith adapts a typed match to Operation.Match.
func MatchWith[P any](
	match func(params P, known []File, offered []Row) (string, []param.Problem),
) func(any, []File, []Row) (string, []param.Problem) {
	return func(params any, known []File, offered []Row) (string, []param.Problem) {
		return match(params.(P), known, offered)
	}
}

// Catalog is the list of operations of a process. It never changes.
type Catalog struct {
	operations []Operation
	byName     map[string]int
}

// NewCatalog returns the catalog of the operations, sorted by name. A name or alias listed twice is an error.
func NewCatalog(operations ...Operation) (*Catalog, error) {
	c := &Catalog{operations: slices.Clone(operations), byName: map[string]int{}}
	slices.SortFunc(c.operations, func(a, b Operation) int { return cmp.Compare(a.Name, b.Name) })
	for i, op := range c.operations {
		for _, name := range append([]string{op.Name}, op.Aliases...) {
			if _, twice := c.byName[name]; twice {
				return nil, fmt.Errorf("operation %q is listed twice", name)
			}
			c.byName[name] = i
		}
	}
	return c, nil
}

// Find returns the operation of that name or alias.
func (c *Catalog) Find(name string) (Operation, bool) {
	i, ok := c.byName[name]
	if !ok {
		return Operation{}, false
	}
	return c.operations[i], true
}

// All returns the operations, sorted by name.
func (c *Catalog) All() []Operation { return c.operations }

// Lanes returns the names of the lanes of all operations, sorted.
func (c *Catalog) Lanes() []string {
	var lanes []string
	for _, op := range c.operations {
		lanes = append(lanes, op.Lane)
	}
	slices.Sort(lanes)
	return slices.Compact(lanes)
}
