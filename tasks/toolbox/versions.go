package toolbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// To ask a program for its version takes up to a second, and there are dozens. So the answer is kept in the cache folder, a
// file each, for as long as the program is the same file.

// versionFile is where the version of a program is kept, by a name that changes with the program; "" where nothing is kept.
func (b *Box) versionFile(t Tool, args []string) string {
	cache := b.Cache()
	real, err := filepath.EvalSymlinks(t.Path)
	if cache == "" || err != nil {
		return ""
	}
	info, err := os.Stat(real)
	if err != nil {
		return ""
	}
	facts := fmt.Sprint(t.Name, real, info.Size(), info.ModTime().UnixNano(), b.kind, strings.Join(args, " "))
	return filepath.Join(cache, "versions", strings.Map(plain, facts))
}

// plain replaces what should not be in a file's name.
func plain(r rune) rune {
	if r == '/' || r <= ' ' {
		return '_'
	}
	return r
}

// remembered is the version in the file, or "".
func remembered(file string) (version string) {
	if text, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(text, &version)
	}
	return version
}

// remember keeps a version. That it cannot is no loss but of time.
func remember(file, version string) {
	text, err := json.Marshal(version)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "new-")
	if err != nil {
		return
	}
	_, err = temporary.Write(text)
	if closed := temporary.Close(); err != nil || closed != nil || os.Rename(temporary.Name(), file) != nil {
		_ = os.Remove(temporary.Name())
	}
}
