// Package packing reads and writes archives, member by member and within limits: as an engine, and for others that have programs
// to pack or unpack.
package packing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// Engine repacks archives: what comes in is read member by member and written into another kind of archive, without
// touching the disk. Links are kept, hard ones as symbolic ones. An archive with devices, with names or links that lead out of its
// folder or the same name twice is refused as a whole, so that what comes out is complete and safe to unpack. Archives inside an
// archive stay packed.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "archivelib".
func (*Engine) Name() string { return "archivelib" }

// Version is that of github.com/klauspost/compress.
func (*Engine) Version() string { return convert.ModuleVersion("github.com/klauspost/compress") }

// Pairs lists zip, tar, 7z, rar, compressed tar and single compressed files to zip and to tar with its compressions, svg and
// svgz into each other, and cbr to cbz.
func (*Engine) Pairs() []convert.Pair {
	var pairs []convert.Pair
	for _, from := range Reads() {
		for _, to := range Writes() {
			pairs = append(pairs, convert.Pair{From: from, To: to})
		}
	}
	return append(pairs, convert.Pair{From: "svgz", To: "svg"}, convert.Pair{From: "svg", To: "svgz"}, convert.Pair{From: "cbr", To: "cbz"})
}

// Reads lists the archives that are read here, without a program.
func Reads() []convert.Format {
	return []convert.Format{"zip", "jar", "tar", "tar.gz", "tar.bz2", "tar.zst", "tar.xz", "7z", "rar", "gz", "bz2", "zst", "xz"}
}

// Convert makes one archive.
func (*Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	switch job.To {
	case "svg":
		return []string{job.Out()}, unpackText(ctx, job)
	case "svgz":
		return []string{job.Out()}, packText(ctx, job)
	}
	if job.From == "cbr" {
		job.From = "rar"
	}
	return []string{job.Out()}, unpacked(job, func(u *unpacker) error { return u.repack(ctx, job.To) })
}

// unpacked calls read with an unpacker of the job's input.
func unpacked(job convert.Job, read func(*unpacker) error) error {
	in, err := os.Open(job.In)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	return read(&unpacker{job: job, file: in, size: info.Size(), seen: map[string]bool{}})
}

// unpackText unpacks one text.
func unpackText(ctx context.Context, job convert.Job) error {
	return unpacked(job, func(u *unpacker) error {
		return convert.Save(ctx, job.Out(), func(w io.Writer) error {
			return u.explain(ctx, u.compressed(convert.Reader(ctx, u.file), "gz", func(r io.Reader) error {
				_, err := io.Copy(w, &memberReader{r: r, u: u})
				return err
			}))
		})
	})
}

// packText packs one text.
func packText(ctx context.Context, job convert.Job) error {
	return unpacked(job, func(u *unpacker) error {
		return convert.Save(ctx, job.Out(), func(w io.Writer) error {
			z := gzip.NewWriter(w)
			_, err := io.Copy(z, convert.Reader(ctx, u.file))
			return errors.Join(err, z.Close())
		})
	})
}

// repack writes the members into the job's output.
func (u *unpacker) repack(ctx context.Context, to convert.Format) error {
	return convert.Save(ctx, u.job.Out(), func(w io.Writer) error {
		p, err := NewWriter(w, to)
		if err != nil {
			return err
		}
		return errors.Join(u.each(ctx, func(m Member, r io.Reader) error { return u.add(p, m, r) }), p.Close())
	})
}

// add hands a member on. One whose size is unknown goes through a scratch file if the output needs to know it.
func (u *unpacker) add(p *Writer, m Member, r io.Reader) error {
	if m.Size >= 0 || m.Dir || m.Link != "" || p.zip != nil {
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
