package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// at is the path that the server is asked for. With a root it is the real path of what the name stands for below that, as the
// server finds it through all links; what is not below the real root is Denied. Every part of it is looked at too, since some
// servers call a path real that still has links in it.
func (s *source) at(ctx context.Context, c *session, name string) (string, error) {
	if s.root == "" {
		return there(name), nil
	}
	base, err := c.RealPath(there(s.root))
	if err != nil {
		return "", fault(ctx, err, "find the root folder")
	}
	found, err := c.RealPath(base + "/" + name)
	if err != nil {
		return "", fault(ctx, err, fmt.Sprintf("read %q", name))
	}
	rest, ok := below(base, found)
	if !ok {
		return "", outside(name)
	}
	at := base
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		at = path.Join(at, part)
		info, err := c.Lstat(at)
		switch {
		case err != nil:
			return "", fault(ctx, err, fmt.Sprintf("read %q", name))
		case info.Mode()&fs.ModeSymlink != 0:
			return "", outside(name)
		}
	}
	return found, nil
}

// below returns what follows base in a path that is base or below it, comparing whole parts.
func below(base, found string) (rest string, ok bool) {
	if found == base {
		return "", true
	}
	return strings.CutPrefix(found, strings.TrimSuffix(base, "/")+"/")
}

func outside(name string) error {
	return engine.Errorf(engine.Denied, "%q leads out of the folder that may be read.", name)
}
