// Package embedded lists the engines that need no installed program, no C compiler and no file beside this one.
package embedded

import (
	"github.com/gantry-engine/gantry/tasks/convert"
)

// Engines returns them, in order of preference.
func Engines() []convert.Engine {
	return []convert.Engine{convert.NewImages(), convert.NewSheets(), convert.NewDocuments(), convert.NewArchives(), convert.NewFonts()}
}
