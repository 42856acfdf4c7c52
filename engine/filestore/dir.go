// Package filestore keeps the bytes between tasks, in a directory or in a bucket.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/engine"
)

// Dir keeps each blob in a file of its own below a folder. A file appears under its name only when it is whole and on the
// disk, and is never changed then.
type Dir struct {
	root string
	tmp  string

	mu    sync.Mutex
	ready map[string]bool // folders that are known to survive a power loss
}

// OpenDir returns the store in the folder, which is made if it is missing. What unfinished writes of a dead process left
// is removed: one process at a time may have it open.
func OpenDir(root string) (*Dir, error) {
	d := &Dir{root: root, tmp: filepath.Join(root, "tmp"), ready: map[string]bool{}}
	if err := os.RemoveAll(d.tmp); err != nil {
		return nil, fmt.Errorf("clean the file store: %w", err)
	}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("make the file store: %w", err)
	}
	return d, nil
}

// unfinishedFor is for how long a write that others may be at is left alone.
const unfinishedFor = 48 * time.Hour

// OpenShared is OpenDir for a folder that other processes use at the same time, on a file system that all of them see.
func OpenShared(root string) (*Dir, error) {
	d := &Dir{root: root, tmp: filepath.Join(root, "tmp"), ready: map[string]bool{}}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("make the file store: %w", err)
	}
	left, err := os.ReadDir(d.tmp)
	if err != nil {
		return nil, fmt.Errorf("clean the file store: %w", err)
	}
	for _, e := range left {
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > unfinishedFor {
			_ = os.Remove(filepath.Join(d.tmp, e.Name())) // another process may be at the same
		}
	}
	return d, nil
}

// At returns the store in the folder as another process may read it, beside the one that has it open.
func At(root string) *Dir { return &Dir{root: root, tmp: filepath.Join(root, "tmp")} }

// path spreads blobs over 256 folders by the random end of their ids.
func (d *Dir) path(b engine.BlobID) string {
	return filepath.Join(d.root, string(b[len(b)-2:]), string(b))
}

// Create implements engine.Files.
func (d *Dir) Create(ctx context.Context, name string, r io.Reader) (engine.File, error) {
	tmp, err := os.CreateTemp(d.tmp, "new-")
	if err != nil {
		return engine.File{}, storing(err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	m := newMeasure(name)
	if err := copyTo(ctx, tmp, m, r); err != nil {
		return engine.File{}, err
	}
	if err := tmp.Sync(); err != nil {
		return engine.File{}, storing(err)
	}
	return d.publish(tmp.Name(), m.file())
}

// Adopt implements engine.Files.
func (d *Dir) Adopt(ctx context.Context, name, path string) (engine.File, error) {
	src, err := openPlain(path)
	if err != nil {
		return engine.File{}, err
	}
	defer src.Close()
	m := newMeasure(name)
	if err := copyTo(ctx, nil, m, src); err != nil {
		return engine.File{}, err
	}
	if err := src.Sync(); err != nil {
		return engine.File{}, storing(err)
	}
	f, err := d.publish(path, m.file())
	if errors.Is(err, unix.EXDEV) { // on another file system: copy
		return d.recreate(ctx, name, path, src)
	}
	return f, err
}

// openPlain opens a regular file. What a tool has made may be a link to a file of the machine, or a pipe that nobody writes.
func openPlain(path string) (*os.File, error) {
	src, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, storing(err)
	}
	info, err := src.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("adopt what is not a regular file")
	}
	if err != nil {
		src.Close()
		return nil, err
	}
	return src, nil
}

func (d *Dir) recreate(ctx context.Context, name, path string, src io.ReadSeeker) (engine.File, error) {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return engine.File{}, storing(err)
	}
	f, err := d.Create(ctx, name, src)
	if err != nil {
		return f, err
	}
	if err := os.Remove(path); err != nil {
		return engine.File{}, storing(errors.Join(err, d.Remove(ctx, f.Blob)))
	}
	return f, nil
}

// publish moves a whole, synced file to its place and makes the move last.
func (d *Dir) publish(from string, f engine.File) (engine.File, error) {
	to := d.path(f.Blob)
	if err := d.folder(filepath.Dir(to)); err != nil {
		return engine.File{}, storing(err)
	}
	if err := os.Rename(from, to); err != nil {
		return engine.File{}, storing(err)
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return engine.File{}, storing(err)
	}
	return f, nil
}

// folder makes the folder and makes it last. That it exists says nothing: another goroutine, or a process that died, may
// have made it a moment ago.
func (d *Dir) folder(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready[path] {
		return nil
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(d.root); err != nil {
		return err
	}
	d.ready[path] = true
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// storing says what a failure of the disk means to a person; the cause goes to the log.
func storing(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return engine.Wrap(err, engine.Unavailable, "The server's disk is full.")
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		return engine.Wrap(err, engine.Unavailable, "The server cannot write to its disk.")
	}
	return engine.Wrap(err, engine.Unavailable, "The server could not store the file.")
}

// Open implements engine.Files.
func (d *Dir) Open(_ context.Context, b engine.BlobID) (io.ReadSeekCloser, error) {
	if _, ok := engine.ParseID(string(b)); !ok {
		return nil, noBytes(nil)
	}
	f, err := os.Open(d.path(b))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noBytes(err)
	}
	if err != nil {
		return nil, engine.Wrap(err, engine.Unavailable, "The server could not read the file.")
	}
	return f, nil
}

func noBytes(err error) error {
	return engine.Wrap(err, engine.NotFound, "The file is gone: it was deleted or has expired.")
}

// Remove implements engine.Files.
func (d *Dir) Remove(_ context.Context, b engine.BlobID) error {
	if _, ok := engine.ParseID(string(b)); !ok {
		return nil
	}
	if err := os.Remove(d.path(b)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a blob: %w", err)
	}
	return nil
}

// Walk implements engine.Files.
func (d *Dir) Walk(ctx context.Context, yield func(engine.BlobID, time.Time) error) error {
	return filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if path == d.tmp {
			return fs.SkipDir
		}
		id, ok := engine.ParseID(e.Name())
		if e.IsDir() || !ok {
			return nil
		}
		return yield(id, madeAt(id))
	})
}

// madeAt is the time that the id carries (RFC 9562, section 5.7). The file's own would be that of a tool or a backup.
func madeAt(b engine.BlobID) time.Time {
	ms, err := strconv.ParseInt(string(b[:8]+b[9:13]), 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Free implements engine.Files.
func (d *Dir) Free(context.Context) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(d.root, &s); err != nil {
		return -1, fmt.Errorf("ask for free space: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // sizes differ between systems
}

// Link makes a copy of a blob at path that shares its bytes, for a backup on the same file system; else it copies.
func (d *Dir) Link(b engine.BlobID, path string) error {
	if err := os.Link(d.path(b), path); err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	src, err := os.Open(d.path(b))
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// Rel returns the place of a blob below the store's folder.
func (d *Dir) Rel(b engine.BlobID) string {
	return strings.TrimPrefix(d.path(b), d.root+string(filepath.Separator))
}
