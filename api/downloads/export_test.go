package downloads

import "github.com/gantry-engine/gantry/engine"

// Parse is parse, for tests.
func (l *Links) Parse(escapedPath string) (task engine.ID, name string, ok bool) {
	return l.parse(escapedPath)
}
