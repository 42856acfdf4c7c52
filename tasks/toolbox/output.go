package toolbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
)

// ErrEmpty is what CheckOutput says of an output without a byte.
var ErrEmpty = errors.New("the output is empty")

// CheckOutput makes sure that a program left a file where it should: a regular one below dir, reached without a link, not
// empty and of at most the given size. Whether it is of the right type is for the caller to find out.
func CheckOutput(dir, path string, most int64) error {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return errors.New("the output is not in its folder")
	}
	for at := rel; at != "."; at = filepath.Dir(at) {
		info, err := os.Lstat(filepath.Join(dir, at))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return errors.New("the output is missing")
		case err != nil:
			return fmt.Errorf("look at the output: %w", err)
		case at == rel && info.Mode().IsRegular() && info.Size() == 0:
			return ErrEmpty
		case at == rel && info.Mode().IsRegular() && info.Size() > most:
			return engine.Errorf(engine.TooLarge, "The output is larger than %s.", size(most))
		case at == rel && !info.Mode().IsRegular(), at != rel && !info.IsDir():
			return errors.New("the output is not a regular file")
		}
	}
	return nil
}
