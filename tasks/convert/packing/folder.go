package packing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Unpack writes what is in the job's archive into the folder dir, which is empty. It refuses what Engine refuses.
func Unpack(ctx context.Context, job convert.Job, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open a scratch folder: %w", err)
	}
	defer root.Close()
	return unpacked(job, func(u *unpacker) error {
		return u.each(ctx, func(m Member, r io.Reader) error { return place(root, m, r) })
	})
}

func place(root *os.Root, m Member, r io.Reader) error {
	if m.Dir {
		return root.MkdirAll(m.Name, 0o700)
	}
	if err := root.MkdirAll(filepath.Dir(m.Name), 0o700); err != nil {
		return fmt.Errorf("unpack %q: %w", m.Name, err)
	}
	if m.Link != "" {
		return root.Symlink(m.Link, m.Name)
	}
	f, err := root.OpenFile(m.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600|m.mode()&0o100)
	if err != nil {
		return fmt.Errorf("unpack %q: %w", m.Name, err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("unpack %q: %w", m.Name, err)
	}
	if m.Modified.IsZero() {
		return nil
	}
	return root.Chtimes(m.Name, m.Modified, m.Modified)
}

// Repack makes the job's output of the archive at path, which a program took out of the job's input. Its size counts as
// that of the input, so that the ratio holds for both together.
func Repack(ctx context.Context, job convert.Job, path string) error {
	info, err := os.Stat(job.In)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	inner := job
	inner.In = path
	if inner.From, err = filetype.DetectFile(path, ""); err != nil {
		return err
	}
	return unpacked(inner, func(u *unpacker) error {
		u.origin = info.Size()
		return u.repack(ctx, job.To)
	})
}

// PackFolder makes the job's output of what a program unpacked into the folder dir, within the same limits as an archive that
// is read here: devices and links that lead out of it are refused, entries and bytes are counted.
func PackFolder(ctx context.Context, job convert.Job, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open a scratch folder: %w", err)
	}
	defer root.Close()
	return unpacked(job, func(u *unpacker) error {
		return convert.Save(ctx, job.Out(), func(w io.Writer) error {
			p, err := NewWriter(w, job.To)
			if err != nil {
				return err
			}
			err = fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
				if err != nil {
					return fmt.Errorf("read what was unpacked: %w", err)
				}
				return u.member(ctx, p, root, name)
			})
			return errors.Join(err, p.Close())
		})
	})
}

// member hands one entry of a folder on.
func (u *unpacker) member(ctx context.Context, p *Writer, root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return fmt.Errorf("read what was unpacked: %w", err)
	}
	m := Member{Name: name, Size: info.Size(), Modified: info.ModTime(), Dir: info.IsDir()}
	pass := func(m Member, r io.Reader) error { return u.add(p, m, r) }
	switch mode := info.Mode(); {
	case mode.Type() == fs.ModeSymlink:
		if m.Link, err = root.Readlink(name); err != nil {
			return fmt.Errorf("read what was unpacked: %w", err)
		}
		return u.visit(pass, m, mode, nil)
	case !m.Dir && !mode.IsRegular():
		return u.visit(pass, m, mode|fs.ModeIrregular, nil) // which says what is wrong; opening a pipe would wait for ever
	}
	return u.open(ctx, pass, m, info.Mode(), func() (io.ReadCloser, error) { return root.Open(name) })
}
