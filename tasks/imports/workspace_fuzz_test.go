package imports_test

import (
	"path"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// FuzzPathFromHome holds that no text names what is not below the home.
func FuzzPathFromHome(f *testing.F) {
	for _, asked := range []string{"a", "~/a", "/home/user/a", "/srv/a/../b", "../x", "/home/user/../x", "~x", "...", "a/../..", "//", "/home/user//..//", ""} {
		f.Add(asked)
	}
	w := engine.Workspace{Home: "/srv/a", HomeAs: "/home/user/"}
	f.Fuzz(func(t *testing.T, asked string) {
		name, err := imports.FromHome(w, asked)
		if err != nil {
			return
		}
		joined := path.Join("/h", name)
		if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "~/") && asked[0] == '~' && !strings.HasPrefix(asked, "~/~/") || joined != "/h" && !strings.HasPrefix(joined, "/h/") {
			t.Errorf("%q became %q", asked, name)
		}
	})
}
