// Package all lists the operations that come with Gantry, but imports and exports, which need the list of storage systems.
package all

import (
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/merge"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// Operations returns the operations.
func Operations() []engine.Operation {
	catalog := convert.Embedded()
	library := pdf.NewLibrary()
	operations := []engine.Operation{
		archive.Operation(),
		convert.Operation(catalog),
		merge.Operation(catalog, library),
	}
	return append(operations, pdf.Operations(library)...)
}
