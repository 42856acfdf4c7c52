package sqlstore_test

import (
	"os"
	"testing"

	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestGraph(t *testing.T) {
	enginetest.TestGraph(t, func(t testing.TB, c enginetest.Config) *enginetest.Server { return enginetest.New(t, c) })
}

func TestGraphOnPostgres(t *testing.T) {
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	enginetest.TestGraph(t, func(t testing.TB, c enginetest.Config) *enginetest.Server {
		c.Log = os.Stderr
		c.Database = enginetest.DatabaseOf(t, server, c.Dir)
		return enginetest.New(t, c)
	})
}
