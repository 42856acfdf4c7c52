package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
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
func (*Archives) Version() string { return ModuleVersion("github.com/klauspost/compress") }

// Pairs lists zip, tar, 7z, rar, compressed tar and single compressed files to zip and to tar with its compressions, svg and
// svgz into each other, and cbr to cbz.
func (*Archives) Pairs() []Pair {
	var pairs []Pair
	for _, from := range Unpackable() {
		for _, to := range Packable() {
			pairs = append(pairs, Pair{From: from, To: to})
		}
	}
	return append(pairs, Pair{From: "svgz", To: "svg"}, Pair{From: "svg", To: "svgz"}, Pair{From: "cbr", To: "cbz"})
}

// Unpackable lists the archives that are read here, without a program.
func Unpackable() []Format {
	return []Format{"zip", "jar", "tar", "tar.gz", "tar.bz2", "tar.zst", "tar.xz", "7z", "rar", "gz", "bz2", "zst", "xz"}
}

// Convert makes one archive.
func (*Archives) Convert(ctx context.Context, job Job) ([]string, error) {
	switch job.To {
	case "svg":
		return []string{job.Out()}, job.inflate(ctx)
	case "svgz":
		return []string{job.Out()}, job.deflate(ctx)
	}
	if job.From == "cbr" {
		job.From = "rar"
	}
	return []string{job.Out()}, job.unpacked(func(u *unpacker) error { return u.repack(ctx, job.To) })
}

// unpacked calls read with an unpacker of the job's input.
func (j Job) unpacked(read func(*unpacker) error) error {
	in, err := os.Open(j.In)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	return read(&unpacker{job: j, file: in, size: info.Size(), seen: map[string]bool{}})
}

// inflate unpacks one text.
func (j Job) inflate(ctx context.Context) error {
	return j.unpacked(func(u *unpacker) error {
		return Save(ctx, j.Out(), func(w io.Writer) error {
			return u.explain(ctx, u.compressed(Reader(ctx, u.file), "gz", func(r io.Reader) error {
				_, err := io.Copy(w, &memberReader{r: r, u: u})
				return err
			}))
		})
	})
}

// deflate packs one text.
func (j Job) deflate(ctx context.Context) error {
	return j.unpacked(func(u *unpacker) error {
		return Save(ctx, j.Out(), func(w io.Writer) error {
			z := gzip.NewWriter(w)
			_, err := io.Copy(z, Reader(ctx, u.file))
			return errors.Join(err, z.Close())
		})
	})
}

// repack writes the members into the job's output.
func (u *unpacker) repack(ctx context.Context, to Format) error {
	return Save(ctx, u.job.Out(), func(w io.Writer) error {
		p, err := NewPacker(w, to)
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
