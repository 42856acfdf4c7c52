package exportertest

import (
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// Export delivers one file of size random bytes, named own.bin, with an engine of its own, and returns how that ended and
// what was logged. It is for what is peculiar to a driver, against a server that a test makes up. The zero Env stands for
// one without an egress policy.
func Export(t testing.TB, def exporters.Definition, env exporters.Env, params map[string]any, size int64) (engine.Task, string) {
	t.Helper()
	s := &suite{Harness: definitionOnly{def: def}, env: env}
	r := s.rigIn(t, t.TempDir())
	r.Start(t)
	task := r.export(t, made{Names: []string{"own.bin"}, Size: size}, params)
	r.Stop(t)
	return task, r.log.String()
}

// definitionOnly is a harness for engines that are not tested by the suite.
type definitionOnly struct {
	Harness
	def exporters.Definition
}

func (d definitionOnly) Definition() exporters.Definition { return d.def }
