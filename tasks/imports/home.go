package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// home reads files of a folder of this machine, and of nothing else: os.Root refuses what leads out of it at the moment of
// opening, by whatever name or link.
type home struct {
	root   *os.Root
	budget int // entries that List may look at
}

func openHome(dir string, limits engine.Limits) (*home, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &home{root: root, budget: limits.ArchiveEntries}, nil
}

// Stat implements exporters.Source.
func (h *home) Stat(_ context.Context, name string) (exporters.Object, error) {
	info, err := h.root.Stat(name)
	if err != nil {
		return exporters.Object{}, h.fault(err, name)
	}
	return objectOf(name, info)
}

// objectOf describes a file that may be read.
func objectOf(name string, info fs.FileInfo) (exporters.Object, error) {
	switch {
	case info.IsDir():
		return exporters.Object{}, engine.Wrap(exporters.ErrFolder, engine.NotFound, "%q is a folder.", name)
	case !info.Mode().IsRegular():
		return exporters.Object{}, engine.Errorf(engine.Invalid, "%q is no file, but a device, a pipe or the like.", name)
	}
	// Where the other names of a file are is not known: it may be one from outside.
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		return exporters.Object{}, engine.Errorf(engine.Denied,
			"%q is a hard link, which may be to a file outside of the home. Copy it.", name)
	}
	return exporters.Object{Name: name, Size: info.Size(),
		Version: fmt.Sprintf("%d-%d", info.ModTime().UnixNano(), info.Size())}, nil
}

// List implements exporters.Source. Links to files are files; those to folders are left out, since they may go in circles.
// So is what is no file, or leads out.
func (h *home) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	dir, start := path.Split(prefix)
	return h.walk(ctx, dir, start, yield)
}

// walk lists the files of a folder, which is empty or ends in a slash, whose names begin with start, and those of the folders
// in it.
func (h *home) walk(ctx context.Context, dir, start string, yield func(exporters.Object) error) error {
	entries, err := h.entries(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if h.budget--; h.budget < 0 {
			return engine.Errorf(engine.TooLarge,
				"There are too many files and folders to look through. Name a folder further down.")
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !strings.HasPrefix(e.Name(), start) {
			continue
		}
		if err := h.entry(ctx, dir+e.Name(), e, yield); err != nil {
			return err
		}
	}
	return nil
}

func (h *home) entry(ctx context.Context, name string, e fs.DirEntry, yield func(exporters.Object) error) error {
	if e.IsDir() {
		return h.walk(ctx, name+"/", "", yield)
	}
	info, err := h.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // it leads nowhere, or out
	}
	o, err := objectOf(name, info)
	if err != nil {
		return err
	}
	return yield(o)
}

// entries are those of a folder, in the order of the names of all files.
func (h *home) entries(dir string) ([]fs.DirEntry, error) {
	f, err := h.root.OpenFile("./"+dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, h.fault(err, dir)
	}
	defer f.Close()
	entries, err := f.ReadDir(h.budget + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, h.fault(err, dir)
	}
	inOrder := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(inOrder(a), inOrder(b)) })
	return entries, nil
}

// Open implements exporters.Source. What stands in a file's place by now may be a pipe, which must not be waited for.
func (h *home) Open(_ context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	f, err := h.root.OpenFile(o.Name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return exporters.Content{}, h.fault(err, o.Name)
	}
	info, err := f.Stat()
	if err == nil {
		var now exporters.Object
		now, err = objectOf(o.Name, info)
		if err == nil && now.Version != o.Version {
			err = engine.Errorf(engine.Conflict, "%q has changed while it was read.", o.Name)
		}
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return exporters.Content{}, err
	}
	return exporters.Content{ReadCloser: f}, nil
}

// Close implements exporters.Source.
func (h *home) Close() error { return h.root.Close() }

// fault says why something cannot be read.
func (h *home) fault(err error, name string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return engine.Wrap(err, engine.NotFound, "There is no file %q.", name)
	case errors.Is(err, syscall.ELOOP), h.escapes(err):
		return engine.Wrap(err, engine.Denied, "%q leads out of the home.", name)
	case errors.Is(err, fs.ErrPermission):
		return engine.Wrap(err, engine.Denied, "The server may not read %q.", name)
	case errors.Is(err, syscall.ENXIO): // of a socket, or a device without a driver
		return engine.Wrap(err, engine.Invalid, "%q is no file, but a device, a pipe or the like.", name)
	}
	return fmt.Errorf("read a file of a home: %w", err)
}

// escapes reports whether err is what os.Root says of a way out, for which it has no name.
func (h *home) escapes(err error) bool {
	var out *fs.PathError
	_, reference := h.root.Lstat("..")
	return errors.As(reference, &out) && errors.Is(err, out.Err)
}
