package toolbox

import "context"

// Installed is a program that was found, with the box to run it in and what its row of a table says about it. An engine that
// is one program has it embedded.
type Installed[Row any] struct {
	Box  *Box
	Tool Tool
	Row  Row
}

// FindEach looks for the program of every row, and returns those that are there, in order.
func FindEach[Row any](ctx context.Context, box *Box, rows []Row, program func(Row) Program) (found []Installed[Row]) {
	for _, row := range rows {
		if tool, ok := box.Find(ctx, program(row)); ok {
			found = append(found, Installed[Row]{box, tool, row})
		}
	}
	return found
}

// Name is that of the program.
func (i Installed[Row]) Name() string { return i.Tool.Name }

// Version is that of the program.
func (i Installed[Row]) Version() string { return i.Tool.Version }
