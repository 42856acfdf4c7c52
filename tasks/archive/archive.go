// Package archive packs the files of a task's inputs into one archive.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/zipfile"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
)

// Params are what an archive task takes.
type Params struct {
	OutputFormat string `json:"output_format" doc:"zip, tar, tar.gz, tar.bz2, tar.zst, or 7z where 7-Zip is installed." rule:"required"`
	Filename     string `json:"filename" doc:"Name of the archive with its extension; by default archive and that."`
}

func (p Params) want() convert.Want { return convert.Want{To: filetype.Parse(p.OutputFormat)} }

// Packer makes archives that this program cannot write by itself. Its methods may be called from any number of goroutines.
type Packer interface {
	Name() string
	Version() string
	// Pack makes out, a 7z, of what is in the folder dir, which lies beside it.
	Pack(ctx context.Context, dir, out string, report func(percent int)) error
}

// Operation returns the operation "archive", with 7z where there is a packer.
func Operation(seven Packer) engine.Operation {
	h := handler{seven}
	op := engine.Define("archive", "Pack files into one archive.", engine.LaneCPU, Params{}, h)
	op.Match = convert.MatchBy(Params.want)
	op.Rows = h.rows
	return op
}

type handler struct{ seven Packer }

const engineName = "archivelib"

func (h handler) rows() []engine.Row {
	var rows []engine.Row
	for _, format := range packing.Writes() {
		rows = append(rows, engine.Row{
			OutputFormat: string(format), Engine: engineName, EngineVersion: packing.New().Version(),
		})
	}
	if h.seven != nil {
		rows = append(rows, engine.Row{OutputFormat: "7z", Engine: h.seven.Name(), EngineVersion: h.seven.Version()})
	}
	return rows
}

// Run packs the files in their order. The same files give the same bytes, so that a second attempt changes nothing.
func (h handler) Run(ctx context.Context, r *engine.Run, p Params) (engine.Result, error) {
	files, err := r.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	dir, err := r.Dir()
	if err != nil {
		return engine.Result{}, err
	}
	format := filetype.Parse(p.OutputFormat)
	out := filepath.Join(dir, "archive."+string(format)) // 7-Zip adds an extension where there is none
	result := engine.Result{Engine: engineName, Version: packing.New().Version()}
	switch {
	case format != "7z":
		err = pack(ctx, out, format, entries(r, files))
	case h.seven == nil:
		return engine.Result{}, r.Elsewhere(convert.Unsupported(p.want(), r.Offered()), p.want().Fits)
	default:
		result.Engine, result.Version = h.seven.Name(), h.seven.Version()
		err = h.pack(ctx, r, out, entries(r, files))
	}
	if err != nil {
		return engine.Result{}, fmt.Errorf("write the archive: %w", err)
	}
	name := p.Filename
	if name == "" {
		name = "archive." + string(format)
	}
	made, err := r.Adopt(ctx, name, out)
	if err != nil {
		return engine.Result{}, fmt.Errorf("store the archive: %w", err)
	}
	result.Files = []engine.File{made}
	return result, nil
}

// pack has the packer make a 7z of a folder with the members.
func (h handler) pack(ctx context.Context, r *engine.Run, out string, members []zipfile.Entry) error {
	dir := out + "-members"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, m := range members {
		if err := place(ctx, root, m); err != nil {
			return err
		}
	}
	if err := age(dir); err != nil {
		return err
	}
	return h.seven.Pack(ctx, dir, out, func(percent int) { r.Progress(percent, "") })
}

// age makes the folders as old as the files in them.
func age(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chtimes(path, oldest, oldest)
	})
}

func place(ctx context.Context, root *os.Root, m zipfile.Entry) error {
	content, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := root.MkdirAll(path.Dir(m.Name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(m.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close(), root.Chtimes(m.Name, oldest, oldest))
}

// entries names the members: safe paths, none twice, the same for the same files.
func entries(r *engine.Run, files []engine.File) []zipfile.Entry {
	names, total := make([]string, len(files)), int64(0)
	for i, f := range files {
		names[i] = zipfile.Clean(path.Join(f.Dir, f.Name))
		total += f.Size
	}
	var done atomic.Int64
	progress := func(n int) { r.Progress(int(100*done.Add(int64(n))/max(total, 1)), "") }
	members := make([]zipfile.Entry, len(files))
	for i, name := range zipfile.Unique(names) {
		f := files[i]
		members[i] = zipfile.Entry{
			Name: name, Size: f.Size, Store: zipfile.Compressed(f.MIME),
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				content, err := r.Open(ctx, f)
				if err != nil {
					return nil, err
				}
				return &counted{ReadCloser: content, ctx: ctx, progress: progress}, nil
			},
		}
	}
	return members
}

// counted reports what is read of a file and ends with its context.
type counted struct {
	io.ReadCloser
	ctx      context.Context //nolint:containedctx // a reader for code that takes no context
	progress func(n int)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.ReadCloser.Read(p)
	c.progress(n)
	return n, err
}

func pack(ctx context.Context, path string, format convert.Format, members []zipfile.Entry) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if format == "zip" {
		return zipfile.Write(ctx, out, members, zipfile.Options{})
	}
	p, err := packing.NewWriter(out, format)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := add(ctx, p, m); err != nil {
			return err
		}
	}
	return p.Close()
}

// oldest is the time of every member, as in a ZIP: files carry none, and the same files must give the same archive.
var oldest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func add(ctx context.Context, p *packing.Writer, m zipfile.Entry) (err error) {
	content, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return p.Add(packing.Member{Name: m.Name, Size: m.Size, Modified: oldest}, content)
}
