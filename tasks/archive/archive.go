// Package archive packs the files of a task's inputs into one archive.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/engine/zipfile"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// Params are what an archive task takes.
type Params struct {
	OutputFormat string `json:"output_format" doc:"zip, tar, tar.gz, tar.bz2 or tar.zst." rule:"required"`
	Filename     string `json:"filename" doc:"Name of the archive with its extension; by default archive and that."`
}

// Operation returns the operation "archive".
func Operation() engine.Operation {
	op := engine.Define("archive", "Pack files into one archive.", engine.LaneCPU, Params{},
		engine.HandlerFunc[Params](run))
	op.Check = engine.CheckWith(check)
	op.Rows = rows
	return op
}

const engineName = "archivelib"

func rows() []engine.Row {
	var rows []engine.Row
	for _, format := range convert.Packable() {
		rows = append(rows, engine.Row{
			OutputFormat: string(format), Engine: engineName, EngineVersion: convert.NewArchives().Version(),
		})
	}
	return rows
}

func check(p Params, _ []engine.File) []param.Problem {
	if slices.Contains(convert.Packable(), convert.ParseFormat(p.OutputFormat)) {
		return nil
	}
	words := make([]string, len(convert.Packable()))
	for i, format := range convert.Packable() {
		words[i] = string(format)
	}
	return []param.Problem{param.Problemf("output_format", "must be one of %s", strings.Join(words, ", "))}
}

// run packs the files in their order. The same files give the same bytes, so that a second attempt changes nothing.
func run(ctx context.Context, r *engine.Run, p Params) (engine.Result, error) {
	files, err := r.Files(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	format := convert.ParseFormat(p.OutputFormat)
	dir, err := r.Dir()
	if err != nil {
		return engine.Result{}, err
	}
	out, err := os.CreateTemp(dir, "archive-*")
	if err != nil {
		return engine.Result{}, fmt.Errorf("create the archive: %w", err)
	}
	defer out.Close()
	pack := packTar
	if format == "zip" {
		pack = packZIP
	}
	if err := pack(ctx, out, format, entries(r, files)); err != nil {
		return engine.Result{}, fmt.Errorf("write the archive: %w", err)
	}
	if err := out.Close(); err != nil {
		return engine.Result{}, fmt.Errorf("write the archive: %w", err)
	}
	name := p.Filename
	if name == "" {
		name = "archive." + string(format)
	}
	made, err := r.Adopt(ctx, name, out.Name())
	if err != nil {
		return engine.Result{}, fmt.Errorf("store the archive: %w", err)
	}
	return engine.Result{
		Files: []engine.File{made}, Engine: engineName, Version: convert.NewArchives().Version(),
	}, nil
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

func packZIP(ctx context.Context, out *os.File, _ convert.Format, members []zipfile.Entry) error {
	return zipfile.Write(ctx, out, members, zipfile.Options{})
}

func packTar(ctx context.Context, out *os.File, format convert.Format, members []zipfile.Entry) error {
	p, err := convert.NewPacker(out, format)
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

func add(ctx context.Context, p *convert.Packer, m zipfile.Entry) (err error) {
	content, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return p.Add(convert.Member{Name: m.Name, Size: m.Size, Modified: oldest}, content)
}
