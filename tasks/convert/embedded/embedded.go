// Package embedded lists the engines that need no installed program, no C compiler and no file beside this one.
package embedded

import (
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/eot"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/convert/plain"
	"github.com/gantry-engine/gantry/tasks/convert/sheet"
)

// Engines returns them, in order of preference.
func Engines() []convert.Engine {
	return []convert.Engine{picture.New(), sheet.New(), plain.New(), packing.New(), eot.New()}
}
