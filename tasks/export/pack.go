package export

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/zipfile"
)

// archiveName is what the ZIP file of several files is called.
const archiveName = "archive.zip"

// pack makes one ZIP file of the files, as an ordinary stored file.
func pack(ctx context.Context, run *engine.Run, files []engine.File) (engine.File, error) {
	dir, err := run.Dir()
	if err != nil {
		return engine.File{}, err
	}
	path := filepath.Join(dir, archiveName)
	out, err := os.Create(path)
	if err != nil {
		return engine.File{}, engine.Wrap(err, engine.Unavailable, "The server cannot write to its work folder.")
	}
	err = zipfile.Write(ctx, out, entries(run, files), zipfile.Options{})
	if err = errors.Join(err, out.Close()); err != nil {
		return engine.File{}, err
	}
	return run.Adopt(ctx, archiveName, path)
}

func entries(run *engine.Run, files []engine.File) []zipfile.Entry {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = zipfile.Clean(filepath.ToSlash(filepath.Join(f.Dir, f.Name)))
	}
	list := make([]zipfile.Entry, len(files))
	for i, name := range zipfile.Unique(names) {
		list[i] = zipfile.Entry{
			Name: name, Size: files[i].Size, Store: zipfile.Compressed(files[i].MIME),
			Open: func(ctx context.Context) (io.ReadCloser, error) { return run.Open(ctx, files[i]) },
		}
	}
	return list
}
