package pdf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// Library is the engine that is part of this program: github.com/pdfcpu/pdfcpu. It needs nothing installed, writes nothing
// but its outputs, and calls nobody.
type Library struct{}

// NewLibrary makes the engine.
func NewLibrary() *Library {
	disableConfigDir()
	return &Library{}
}

// disableConfigDir keeps pdfcpu from writing settings, fonts and certificates to the home folder. Its switch is global and
// without a lock, so that it is turned once, before any use.
var disableConfigDir = sync.OnceFunc(api.DisableConfigDir)

// Name is "pdfcpu".
func (*Library) Name() string { return "pdfcpu" }

// Version is that of the module.
func (*Library) Version() string { return strings.Fields(strings.TrimPrefix(model.VersionStr, "v"))[0] }

// What one document may take while it is read, and how deep its objects may nest.
const (
	maxStream    = 512 << 20
	maxUnpacked  = 128 << 20
	maxObjects   = 4_000_000
	maxNesting   = 100
	maxFileBytes = 2 << 30
	maxPages     = 100_000
)

// settings are pdfcpu's: no network, no clean-up that was not asked for.
func settings(command model.CommandMode) *model.Configuration {
	c := model.NewDefaultConfiguration()
	c.Cmd = command
	c.Offline = true
	c.CheckFileNameExt, c.CreateBookmarks = false, false
	c.Optimize, c.OptimizeBeforeWriting = false, false
	c.Limits.MaxStreamBytes, c.Limits.MaxDecodeBytes = maxStream, maxUnpacked
	c.Limits.MaxObjectCount, c.Limits.MaxXRefEntries = maxObjects, maxObjects
	c.Limits.MaxRecursionDepth = maxNesting
	return c
}

// document is an open file that pdfcpu has read and found sound.
type document struct {
	*model.Context
	file *os.File
}

// read opens and checks a file. The document reads from the file until it is closed.
func read(ctx context.Context, in string, c *model.Configuration) (*document, error) {
	f, err := os.Open(in)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	d, err := readFrom(ctx, f, c)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &document{Context: d, file: f}, nil
}

func readFrom(ctx context.Context, f *os.File, c *model.Configuration) (*model.Context, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, engine.Errorf(engine.TooLarge, "The PDF is larger than the %d GiB this server can work on without qpdf.",
			maxFileBytes>>30)
	}
	d, err := pdfcpu.ReadWithContext(ctx, &contextSeeker{ctx, f}, c)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if d.EnsurePageCount() == nil && d.PageCount > maxPages { // each takes time, and a small file can have very many
		return nil, engine.Errorf(engine.TooLarge, "The PDF has %d pages; this server works on at most %d.", d.PageCount, maxPages)
	}
	if err := api.ValidateContext(d); err != nil {
		return nil, err
	}
	if d.PageCount < 1 {
		return nil, errNoPages
	}
	return d, nil
}

func (d *document) close() { d.file.Close() }

// contextSeeker fails when its context ends: it is for code that takes no context.
type contextSeeker struct {
	ctx context.Context //nolint:containedctx // a reader for code that takes no context
	*os.File
}

func (c *contextSeeker) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.File.Read(p)
}

func (c *contextSeeker) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.File.Write(p)
}

// write writes what pdfcpu holds to a new file.
func write(ctx context.Context, d *model.Context, out string) error {
	f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	b := bufio.NewWriterSize(&contextSeeker{ctx, f}, 64<<10)
	return errors.Join(api.WriteContext(d, b), b.Flush(), f.Close())
}

// guard runs work, which calls pdfcpu: a panic there fails this file only, and pdfcpu's errors become the file's fault.
func guard(ctx context.Context, work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = damaged(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	return explain(ctx, work())
}

func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, pdfcpu.ErrWrongPassword), errors.Is(err, pdfcpu.ErrEncrypted):
		return errLocked
	case errors.Is(err, pdfcpu.ErrPermissionDenied):
		return errNeedsOwner
	}
	return blame(ctx, err)
}

// Count implements Engine.
func (*Library) Count(ctx context.Context, in string, password param.Secret) (n int, err error) {
	c := settings(model.LISTINFO)
	c.UserPW, c.OwnerPW = password.Reveal(), password.Reveal()
	err = look(ctx, in, c, func(d *document) error {
		n = d.PageCount
		return nil
	})
	return n, err
}

// countOpen is Count of a file that is not encrypted at all, not even so that everyone can open it.
func (*Library) countOpen(ctx context.Context, in string) (n int, err error) {
	err = look(ctx, in, settings(model.LISTINFO), func(d *document) error {
		if d.Encrypt != nil {
			return errLocked
		}
		n = d.PageCount
		return nil
	})
	return n, err
}

// look reads a file for what it finds in it.
func look(ctx context.Context, in string, c *model.Configuration, find func(d *document) error) error {
	return guard(ctx, func() error {
		d, err := read(ctx, in, c)
		if err != nil {
			return err
		}
		defer d.close()
		return find(d)
	})
}

// Assemble implements Engine.
func (*Library) Assemble(ctx context.Context, out string, parts ...Part) error {
	return guard(ctx, func() error {
		var whole *document
		for _, part := range parts {
			d, err := read(ctx, part.Path, settings(model.COLLECT))
			if err != nil {
				return err
			}
			defer d.close()
			if part.Pages != nil || d.Encrypt != nil {
				if d.Context, err = pdfcpu.ExtractPages(d.Context, part.all(d.PageCount), false); err != nil {
					return err
				}
			}
			if whole == nil {
				whole = d
				continue
			}
			if err := pdfcpu.MergeXRefTables("", d.Context, whole.Context, false, false); err != nil {
				return err
			}
		}
		return write(ctx, whole.Context, out)
	})
}

func (p Part) all(count int) []int {
	if p.Pages != nil {
		return p.Pages
	}
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// Split implements Engine.
func (*Library) Split(ctx context.Context, in, dir string, count int, progress func(int)) (paths []string, err error) {
	err = guard(ctx, func() error {
		d, err := read(ctx, in, settings(model.COLLECT))
		if err != nil {
			return err
		}
		defer d.close()
		for n := 1; n <= count; n++ {
			page, err := pdfcpu.ExtractPages(d.Context, []int{n}, false)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, fmt.Sprintf("page-%d.pdf", n))
			if err := write(ctx, page, path); err != nil {
				return err
			}
			paths = append(paths, path)
			progress(100 * n / count)
		}
		return nil
	})
	return paths, err
}

// Rotate implements Engine.
func (*Library) Rotate(ctx context.Context, in, out string, pages []int, turn Turn) error {
	return guard(ctx, func() error {
		d, err := read(ctx, in, settings(model.ROTATE))
		if err != nil {
			return err
		}
		defer d.close()
		for _, n := range pages {
			page, _, inherited, err := d.PageDict(n, false)
			if err != nil {
				return err
			}
			degrees := turn.Degrees
			if turn.Relative {
				degrees += inherited.Rotate
			}
			page.Update("Rotate", types.Integer((degrees%360+360)%360))
		}
		return write(ctx, d.Context, out)
	})
}

// Encrypt implements Engine.
func (*Library) Encrypt(ctx context.Context, in, out string, lock Lock) error {
	c := settings(model.ENCRYPT)
	c.UserPW, c.OwnerPW, c.Permissions = lock.User.Reveal(), lock.Owner.Reveal(), lock.permissions()
	return guard(ctx, func() error {
		d, err := read(ctx, in, c)
		if err != nil {
			return err
		}
		defer d.close()
		return write(ctx, d.Context, out)
	})
}

// permissions are the bits of table 22 of ISO 32000-1.
func (l Lock) permissions() model.PermissionFlags {
	p := model.PermissionsNone
	if l.Extract {
		p |= model.PermissionExtract
	}
	if l.Accessibility {
		p |= model.PermissionExtractRev3
	}
	switch l.Print {
	case "full":
		p |= model.PermissionPrintRev2 | model.PermissionPrintRev3
	case "low":
		p |= model.PermissionPrintRev2
	}
	switch l.Modify {
	case "all":
		p |= model.PermissionModify
		fallthrough
	case "annotate":
		p |= model.PermissionModAnnFillForm
		fallthrough
	case "form":
		p |= model.PermissionFillRev3
		fallthrough
	case "assembly":
		p |= model.PermissionAssembleRev3
	}
	return p
}

// Decrypt implements Engine.
func (*Library) Decrypt(ctx context.Context, in, out string, password param.Secret) error {
	c := settings(model.DECRYPT)
	c.UserPW, c.OwnerPW = password.Reveal(), password.Reveal()
	err := guard(ctx, func() error {
		d, err := read(ctx, in, c)
		if errors.Is(err, pdfcpu.ErrNotEncrypted) {
			return copyFile(ctx, in, out)
		}
		if err != nil {
			return err
		}
		defer d.close()
		return write(ctx, d.Context, out)
	})
	if errors.Is(err, errLocked) {
		return errWrongPassword
	}
	return err
}

func copyFile(ctx context.Context, in, out string) error {
	src, err := os.Open(in)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer src.Close()
	dst, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	_, err = io.Copy(dst, struct{ io.Reader }{&contextSeeker{ctx, src}})
	return errors.Join(err, dst.Close())
}
