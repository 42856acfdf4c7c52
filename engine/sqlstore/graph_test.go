package sqlstore_test

import (
	"testing"

	"github.com/gantry-engine/gantry/engine/enginetest"
)

func TestGraph(t *testing.T) {
	enginetest.TestGraph(t, func(t testing.TB, c enginetest.Config) *enginetest.Server { return enginetest.New(t, c) })
}
