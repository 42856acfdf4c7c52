// Package all lists the operations that come with Gantry, but imports and exports, which need the list of storage systems.
package all

import (
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// Operations returns the operations.
func Operations() []engine.Operation {
	operations := []engine.Operation{
		archive.Operation(),
		convert.Operation(convert.Embedded()),
	}
	return append(operations, pdf.Operations(pdf.NewLibrary())...)
}
