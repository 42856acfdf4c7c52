package packing

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/bodgit/sevenzip"
	fastflate "github.com/klauspost/compress/flate"
	"github.com/nwaples/rardecode/v2"
	"golang.org/x/text/encoding/charmap"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/inflate"
)

// unpacker reads an archive's members one after the other and keeps count of what they take.
type unpacker struct {
	job      convert.Job
	file     *os.File
	size     int64
	origin   int64 // bytes of what was asked for, where this lay in it; 0 if this is it
	entries  int
	unpacked int64
	seen     map[string]bool
	links    links
}

type visitor func(Member, io.Reader) error

// each visits every member that is a file or a folder, in the archive's order.
func (u *unpacker) each(ctx context.Context, visit visitor) error {
	in := &progressReader{Reader: convert.Reader(ctx, io.NewSectionReader(u.file, 0, u.size)), u: u}
	var err error
	switch format := u.job.From; format {
	case "zip", "jar":
		err = u.zip(ctx, visit)
	case "7z":
		err = u.sevenZip(ctx, visit)
	case "rar":
		err = u.rar(in, visit)
	case "tar":
		err = u.tar(in, visit)
	case "tar.gz", "tar.bz2", "tar.zst", "tar.xz":
		err = u.compressed(in, format[len("tar."):], func(r io.Reader) error { return u.tar(r, visit) })
	default:
		err = u.compressed(in, format, func(r io.Reader) error {
			return u.visit(visit, Member{Name: SingleName(u.job), Size: -1}, 0, r)
		})
	}
	return u.explain(ctx, err)
}

// explain makes the file's fault of every error that is not this machine's.
func (u *unpacker) explain(ctx context.Context, err error) error {
	var known *engine.Error
	var local *fs.PathError
	var unread *sevenzip.ReadError
	switch {
	case err == nil || errors.As(err, &known) || errors.As(err, &local):
		return err
	case errors.As(err, &unread) && unread.Encrypted,
		strings.Contains(err.Error(), "encrypt") || strings.Contains(err.Error(), "password"):
		return engine.Errorf(engine.Invalid, "The %s file is protected by a password.", u.job.From)
	}
	return convert.Damaged(ctx, u.job.From, err)
}

// progressReader reports how much of the packed file has been read.
type progressReader struct {
	io.Reader
	u    *unpacker
	read int64
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.read += int64(n)
	p.u.job.Progress(int(100 * p.read / max(p.u.size, 1)))
	return n, err
}

// SingleName is what the file in a stream of one is called: the job's name without what says that it is packed.
func SingleName(job convert.Job) string {
	name := strings.Trim(filetype.Stem(job.Name), ". ")
	if name == "" {
		return "file"
	}
	return name
}

func (u *unpacker) compressed(r io.Reader, format convert.Format, read func(io.Reader) error) error {
	inner, err := inflate.Reader(bufio.NewReaderSize(r, 64<<10), string(format))
	if err != nil {
		return err
	}
	defer inner.Close()
	return read(inner)
}

func (u *unpacker) tar(r io.Reader, visit visitor) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		mode := h.FileInfo().Mode()
		m := Member{Name: h.Name, Size: h.Size, Modified: h.ModTime, Dir: h.Typeflag == tar.TypeDir}
		switch h.Typeflag {
		case tar.TypeSymlink:
			m.Link = h.Linkname
		case tar.TypeLink:
			mode |= fs.ModeSymlink
			if m.Link, err = u.hardLink(h); err != nil {
				return err
			}
		}
		if err := u.visit(visit, m, mode, t); err != nil {
			return err
		}
	}
}

func (u *unpacker) zip(ctx context.Context, visit visitor) error {
	z, err := inflate.ZIP(u.file, u.size, u.job.Limits.Entries)
	if err != nil {
		return err
	}
	if err := inflate.CheckOverlap(z.File); err != nil {
		return err
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return fastflate.NewReader(r) })
	for i, f := range z.File {
		if f.Flags&1 != 0 {
			return engine.Errorf(engine.Invalid, "The zip file is protected by a password.")
		}
		m := Member{Name: zipName(f), Size: int64(f.UncompressedSize64), Modified: f.Modified,
			Dir: strings.HasSuffix(f.Name, "/")}
		if err := u.open(ctx, visit, m, f.Mode(), f.Open); err != nil {
			return err
		}
		u.job.Progress(100 * (i + 1) / len(z.File))
	}
	return nil
}

// zipName is the name in UTF-8: names without the UTF-8 flag are in the code page of the first PCs (APPNOTE.TXT D.1).
func zipName(f *zip.File) string {
	if !f.NonUTF8 || utf8.ValidString(f.Name) {
		return f.Name
	}
	name, err := charmap.CodePage437.NewDecoder().String(f.Name)
	if err != nil {
		return strings.ToValidUTF8(f.Name, "_")
	}
	return name
}

func (u *unpacker) sevenZip(ctx context.Context, visit visitor) error {
	z, err := sevenzip.NewReader(u.file, u.size)
	if err != nil {
		return err
	}
	if len(z.File) > u.job.Limits.Entries {
		return engine.Errorf(engine.TooLarge, "The archive has more than %d entries.", u.job.Limits.Entries)
	}
	for i, f := range z.File {
		info := f.FileInfo()
		m := Member{Name: f.Name, Size: int64(f.UncompressedSize), Modified: f.Modified, Dir: info.IsDir()}
		if err := u.open(ctx, visit, m, info.Mode(), f.Open); err != nil {
			return err
		}
		u.job.Progress(100 * (i + 1) / len(z.File))
	}
	return nil
}

func (u *unpacker) rar(r io.Reader, visit visitor) error {
	a, err := rardecode.NewReader(r, rardecode.MaxDictionarySize(inflate.MaxWindow))
	if err != nil {
		return err
	}
	for {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m := Member{Name: h.Name, Size: h.UnPackedSize, Modified: h.ModificationTime, Dir: h.IsDir}
		if h.UnKnownSize {
			m.Size = -1
		}
		if err := u.visit(visit, m, h.Mode(), a); err != nil {
			return err
		}
	}
}

func (u *unpacker) open(
	ctx context.Context, visit visitor, m Member, mode fs.FileMode, open func() (io.ReadCloser, error),
) error {
	if m.Dir {
		return u.visit(visit, m, mode, strings.NewReader(""))
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return u.visit(visit, m, mode, convert.Reader(ctx, r))
}

// maxLink bounds what a symbolic link's place is read up to, in archives that keep it like a file's content.
const maxLink = 4096

// visit checks a member against the bounds and hands it on with a reader that counts.
func (u *unpacker) visit(visit visitor, m Member, mode fs.FileMode, r io.Reader) error {
	u.entries++
	if u.entries > u.job.Limits.Entries {
		return engine.Errorf(engine.TooLarge, "The archive has more than %d entries.", u.job.Limits.Entries)
	}
	name, err := memberName(m.Name)
	if err != nil {
		return err
	}
	m.Name, m.Executable = name, mode&0o100 != 0
	if mode&fs.ModeSymlink != 0 {
		if m, err = u.link(m, r); err != nil {
			return err
		}
	} else if mode&^(fs.ModeDir|fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
		return engine.Errorf(engine.Invalid, "The archive holds a device, which is not carried over: %q.", name)
	}
	switch {
	case name == ".":
		return nil // the folder that everything lies in
	case u.seen[name] && m.Dir:
		return nil
	case u.seen[name]:
		return engine.Errorf(engine.Invalid, "The archive holds two files of the same name: %q.", name)
	}
	u.seen[name] = true
	if err := u.links.note(m); err != nil {
		return err
	}
	if m.Size > u.job.Limits.Unpacked {
		return u.bomb()
	}
	return visit(m, &memberReader{r: r, u: u})
}

// memberName is a relative path with slashes. A name that leads elsewhere is an error, not something to be repaired:
// other programs would take it at its word.
func memberName(raw string) (string, error) {
	name := strings.ReplaceAll(raw, `\`, "/")
	clean := path.Clean(strings.TrimRight(name, "/"))
	shown := raw[:min(len(raw), 100)]
	switch {
	case len(name) > 4096 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return "", engine.Errorf(engine.Invalid, "The archive holds a name that cannot be used: %q.", shown)
	case strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':':
		return "", engine.Errorf(engine.Invalid, "The archive holds an absolute path: %q.", shown)
	case strings.Contains("/"+name+"/", "/../"):
		return "", engine.Errorf(engine.Invalid, "The archive holds a path that leads out of its folder: %q.", shown)
	}
	return clean, nil
}

// memberReader counts the unpacked bytes of all members together.
type memberReader struct {
	r io.Reader
	u *unpacker
}

func (m *memberReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.u.unpacked += int64(n)
	limits := m.u.job.Limits
	if m.u.unpacked > limits.Unpacked ||
		m.u.unpacked > limits.RatioMin && m.u.unpacked > limits.Ratio*cmp.Or(m.u.origin, m.u.size) {
		return 0, m.u.bomb()
	}
	return n, err
}

func (u *unpacker) bomb() error {
	return engine.Errorf(engine.TooLarge, "The archive unpacks to more than %d times its size or more than %d GiB.",
		u.job.Limits.Ratio, u.job.Limits.Unpacked>>30)
}
