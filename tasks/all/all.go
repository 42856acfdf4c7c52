// Package all lists the operations that come with Gantry, but imports and exports, which need the list of storage systems.
package all

import (
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// Operations returns the operations.
func Operations() []engine.Operation {
	return []engine.Operation{
		archive.Operation(),
		convert.Operation(convert.Embedded()),
	}
}
