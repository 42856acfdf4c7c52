package engine

import (
	"context"
	"slices"
	"strings"
)

// Fleet tells what the processes that share the tables can do. Its methods may be called from several goroutines.
type Fleet interface {
	// Announce tells the others what this process can do in the lanes that have slots. What is submitted anywhere after it has
	// returned may count on that.
	Announce(ctx context.Context, lanes []Lane) error

	// Rows returns the rows of an operation that some worker offers which is there, or was until lately: no row twice, and of
	// each pair of formats the preferred engine first. It is nil where no worker is known, and empty where none has any.
	Rows(operation string) []Row

	// Refresh makes Rows tell what is true now rather than a moment ago.
	Refresh(ctx context.Context) error
}

// Announce tells the processes that share the tables what this one can do. It comes before anybody is told that it is ready.
func (e *Engine) Announce(ctx context.Context) error {
	if e.Fleet == nil {
		return nil
	}
	return e.Fleet.Announce(ctx, e.Lanes)
}

// Rows lists what the operation can do, here or on another worker; one row without formats where it has none.
func (e *Engine) Rows(op Operation) []Row {
	if op.Rows == nil {
		return []Row{{}}
	}
	if e.Fleet != nil {
		if rows := e.Fleet.Rows(op.Name); rows != nil {
			return rows
		}
	}
	return op.Rows()
}

// RowsNow is Rows as of this moment.
func (e *Engine) RowsNow(ctx context.Context, op Operation) ([]Row, error) {
	if e.Fleet != nil {
		if err := e.Fleet.Refresh(ctx); err != nil {
			return nil, err
		}
	}
	return e.Rows(op), nil
}

// tools are the names under which a worker that has the row's engine is found, the widest first.
func (r Row) tools() []string {
	if r.Engine == "" {
		return nil
	}
	return []string{r.Engine, r.Engine + " " + r.EngineVersion}
}

// Kind names a sort of task for a queue: those of an operation that any worker with the operation can try, or those that
// need the tool, the engine of one of its rows, with its version after a space or without.
func Kind(operation, tool string) string { return strings.TrimSpace(operation + " " + tool) }

// Kinds lists the sorts of task of the operation that a worker like this one can run: none if it has none of the rows that the
// operation could have.
func (op Operation) Kinds() []string {
	kinds := []string{op.Name}
	if op.Rows == nil {
		return kinds
	}
	rows := op.Rows()
	if len(rows) == 0 {
		return nil
	}
	for _, row := range rows {
		for _, tool := range row.tools() {
			kinds = append(kinds, Kind(op.Name, tool))
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// handOn is how an attempt ends whose task another worker is to run.
type handOn struct{ tool string }

func (h handOn) Error() string { return "the task needs a worker with " + h.tool }

// Elsewhere returns the error that hands the task on to a worker that offers a row which fits, or err if there is none. A
// handler calls it when it cannot do its task here, before it has done anything.
func (r *Run) Elsewhere(err error, fits func(Row) bool) error {
	own := r.operation.Kinds()
	for _, row := range r.offered() {
		if !fits(row) {
			continue
		}
		for rank, tool := range row.tools() {
			// Each time it is handed on it is to something narrower, so that it does not go round in circles.
			if rank >= rankOf(r.tool) && tool != r.tool && !slices.Contains(own, Kind(r.operation.Name, tool)) {
				return handOn{tool}
			}
		}
	}
	return err
}

// rankOf is the least place among Row.tools of what is narrower than the tool.
func rankOf(tool string) int {
	switch {
	case tool == "":
		return 0
	case !strings.Contains(tool, " "):
		return 1
	}
	return 2
}

// Offered lists what the operation can do, here or on another worker.
func (r *Run) Offered() []Row { return r.offered() }
