package enginetest

import (
	"os"
	"testing"
)

// Missing ends a test that needs a program which is not there: it skips, but fails with GANTRY_TESTS=all in the environment,
// where everything has been installed, unless SKIP_TOOLS there says that some was left out.
func Missing(t testing.TB, name string) {
	t.Helper()
	if os.Getenv("GANTRY_TESTS") == "all" && os.Getenv("SKIP_TOOLS") == "" {
		t.Fatalf("%s is not installed: testdata/test.sh does that", name)
	}
	t.Skipf("%s is not installed", name)
}
