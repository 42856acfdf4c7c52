package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Archives repacks archives: what comes in is read member by member and written into another kind of archive, without
// touching the disk. An archive with links, devices, names that lead out of a folder or the same name twice is refused
// as a whole, so that what comes out is complete and safe to unpack. Archives inside an archive stay packed.
type Archives struct{}

// NewArchives makes the engine.
func NewArchives() *Archives { return &Archives{} }

// Name is "archivelib".
func (*Archives) Name() string { return "archivelib" }

// Version is that of github.com/klauspost/compress.
func (*Archives) Version() string { return moduleVersion("github.com/klauspost/compress") }

// Pairs lists zip, tar, 7z, rar, compressed tar and single compressed files to zip and to tar with its compressions.
func (*Archives) Pairs() []Pair {
	var pairs []Pair
	for _, from := range []Format{
		"zip", "jar", "tar", "tar.gz", "tar.bz2", "tar.zst", "tar.xz", "7z", "rar", "gz", "bz2", "zst", "xz",
	} {
		for _, to := range Packable() {
			if from != to {
				pairs = append(pairs, Pair{From: from, To: to})
			}
		}
	}
	return pairs
}

// Convert makes one archive.
func (*Archives) Convert(ctx context.Context, job Job) ([]string, error) {
	in, err := os.Open(job.In)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	u := &unpacker{job: job, file: in, size: info.Size(), seen: map[string]bool{}}
	return []string{job.Out()}, save(job.Out(), func(w io.Writer) error {
		p, err := NewPacker(&contextWriter{ctx, w}, job.To)
		if err != nil {
			return err
		}
		return errors.Join(u.each(ctx, func(m Member, r io.Reader) error { return u.add(p, m, r) }), p.Close())
	})
}

// add hands a member on. One whose size is unknown goes through a scratch file if the output needs to know it.
func (u *unpacker) add(p *Packer, m Member, r io.Reader) error {
	if m.Size >= 0 || m.Dir || p.zip != nil {
		return p.Add(m, r)
	}
	f, err := os.CreateTemp(u.job.Dir, "member-*")
	if err != nil {
		return fmt.Errorf("create a scratch file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if m.Size, err = io.Copy(f, r); err != nil {
		return fmt.Errorf("unpack %q: %w", m.Name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a scratch file: %w", err)
	}
	return p.Add(m, f)
}
