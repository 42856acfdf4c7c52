package packing

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/dsnet/compress/bzip2"
	fastflate "github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// Member is one file or folder of an archive.
type Member struct {
	Name       string // relative, with slashes, without . and .. parts
	Size       int64  // bytes; -1 if unknown
	Modified   time.Time
	Dir        bool
	Executable bool
	Link       string // where a symbolic link leads, from its folder; "" for what is none
}

// Writer writes an archive member by member. It keeps none of a member's bytes. It is not safe for concurrent use.
type Writer struct {
	zip     *zip.Writer
	tar     *tar.Writer
	closers []io.Closer // from the inside to the outside
}

// Writes lists the archives that a Writer writes.
func Writes() []convert.Format {
	return []convert.Format{"zip", "tar", "tar.gz", "tar.bz2", "tar.zst"}
}

// NewWriter starts an archive of one of the Writes formats on w.
func NewWriter(w io.Writer, format convert.Format) (*Writer, error) {
	if !slices.Contains(Writes(), format) && !asZIP(format) {
		return nil, fmt.Errorf("pack %s: possible are %v", format, Writes())
	}
	if asZIP(format) {
		z := zip.NewWriter(w)
		z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
			return fastflate.NewWriter(w, flate.DefaultCompression)
		})
		return &Writer{zip: z, closers: []io.Closer{z}}, nil
	}
	outer, err := compressor(w, format)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", format, err)
	}
	t := tar.NewWriter(outer)
	return &Writer{tar: t, closers: []io.Closer{t, outer}}, nil
}

// asZIP says whether the format is a ZIP: of anything, of an e-book's parts, of a comic's pages.
func asZIP(f convert.Format) bool { return f == "zip" || f == "oeb" || f == "cbz" }

type uncompressed struct{ io.Writer }

func (uncompressed) Close() error { return nil }

func compressor(w io.Writer, format convert.Format) (io.WriteCloser, error) {
	switch format {
	case "tar.gz":
		return gzip.NewWriter(w), nil
	case "tar.bz2":
		return bzip2.NewWriter(w, nil)
	case "tar.zst":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return uncompressed{w}, nil
}

// Add writes one member with the bytes of r, which is not read for a folder or a link. A tar needs m.Size; r must then have
// exactly that many bytes.
func (p *Writer) Add(m Member, r io.Reader) error {
	w, err := p.start(m)
	if err != nil {
		return fmt.Errorf("add %q: %w", m.Name, err)
	}
	if m.Dir || m.Link != "" {
		return nil
	}
	n, err := io.Copy(w, r)
	if err != nil {
		return fmt.Errorf("add %q: %w", m.Name, err)
	}
	if m.Size >= 0 && n != m.Size {
		return fmt.Errorf("add %q: %d bytes instead of %d", m.Name, n, m.Size)
	}
	return nil
}

func (p *Writer) start(m Member) (io.Writer, error) {
	if p.zip != nil {
		return p.startZIP(m)
	}
	h := &tar.Header{Name: m.Name, Size: m.Size, Mode: int64(m.mode().Perm()), ModTime: m.Modified, Typeflag: tar.TypeReg}
	switch {
	case m.Dir:
		h.Name, h.Size, h.Typeflag = m.Name+"/", 0, tar.TypeDir
	case m.Link != "":
		h.Size, h.Typeflag, h.Linkname = 0, tar.TypeSymlink, m.Link
	case m.Size < 0:
		return nil, errors.New("its size is not known")
	}
	return p.tar, p.tar.WriteHeader(h)
}

func (p *Writer) startZIP(m Member) (io.Writer, error) {
	h := &zip.FileHeader{Name: m.Name, Modified: m.Modified, Method: zip.Deflate}
	h.SetMode(m.mode())
	switch {
	case m.Dir:
		h.Name, h.Method = m.Name+"/", zip.Store
	case m.Link != "":
		h.Method = zip.Store
	}
	w, err := p.zip.CreateHeader(h)
	if err == nil && m.Link != "" {
		_, err = io.WriteString(w, m.Link)
	}
	return w, err
}

// mode is the type and the permissions of what is unpacked: of those only whether it can be run is carried over.
func (m Member) mode() fs.FileMode {
	switch {
	case m.Dir:
		return fs.ModeDir | 0o755
	case m.Link != "":
		return fs.ModeSymlink | 0o777
	case m.Executable:
		return 0o755
	}
	return 0o644
}

// Close ends the archive. Without it the archive is incomplete. It does not close the underlying writer.
func (p *Writer) Close() error {
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
