package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/pkg/sftp"

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

// still holds that the name leads where it led.
func (s *source) still(ctx context.Context, c *session, name, at string) error {
	switch again, err := s.at(ctx, c, name); {
	case err != nil:
		return err
	case again != at:
		return engine.Errorf(engine.Conflict, "%q has changed at the SFTP server while it was opened.", name)
	}
	return nil
}

const (
	openings = 3        // of one file below a root
	compared = 32 << 10 // bytes of each
)

// open opens the file. The protocol cannot open a name without following links, nor say which file a handle is of, so that with
// a root a link may be there just while the file is opened, between two looks at where the name leads. Therefore the file is
// opened several times, each between two such looks, and must begin alike in all: who swaps it would have to win each time.
func (s *source) open(ctx context.Context, c *session, name string) (*sftp.File, error) {
	f, start, err := s.openOnce(ctx, c, name)
	if err != nil || s.root == "" {
		return f, err
	}
	for range openings - 1 {
		other, same, err := s.openOnce(ctx, c, name)
		if err == nil {
			other.Close()
			if !bytes.Equal(start, same) {
				err = engine.Errorf(engine.Conflict, "%q has changed at the SFTP server while it was opened.", name)
			}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// openOnce opens the file; with a root it looks before and after, and returns the file's beginning.
func (s *source) openOnce(ctx context.Context, c *session, name string) (f *sftp.File, start []byte, err error) {
	at, err := s.at(ctx, c, name)
	if err != nil {
		return nil, nil, err
	}
	if f, err = c.Open(at); err != nil {
		return nil, nil, fault(ctx, err, fmt.Sprintf("read %q", name))
	}
	if s.root == "" {
		return f, nil, nil
	}
	if err = s.still(ctx, c, name, at); err == nil {
		start = make([]byte, compared)
		var n int
		if n, err = f.ReadAt(start, 0); err == nil || errors.Is(err, io.EOF) {
			return f, start[:n], nil
		}
		err = fault(ctx, err, fmt.Sprintf("read %q", name))
	}
	f.Close()
	return nil, nil, err
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
