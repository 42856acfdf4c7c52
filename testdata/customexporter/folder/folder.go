// Package folder is an exporter to a folder of the machine, as an example of one that does not come with Gantry.
package folder

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// Params are the parameters of export/folder.
type Params struct {
	File string `json:"file" doc:"The file's path below the folder; %d is the number of one of several files." rule:"role=name"`
	Path string `json:"path" doc:"The folder for the files, which keep their own names, where there is no file." rule:"role=folder"`
}

// Definition returns the definition of the kind folder. Root is where all files go: the operator's choice, not the task's.
func Definition(root string) exporters.Definition {
	def := exporters.Define("folder", "Exports files to a folder of the server.", Params{},
		func(context.Context, exporters.Env, Params) (exporters.Exporter, error) { return open(root) })
	def.Promises.NoResume = "a copy takes no longer than to find out what is there"
	def.Clean = func(name string) (string, error) {
		if name = path.Clean(name); !fs.ValidPath(name) || name == "." {
			return "", errors.New("it does not lie below the folder")
		}
		return name, nil
	}
	def.Discard = exporters.DiscardWith(func(_ context.Context, _ exporters.Env, _ Params, temp string) error {
		return discard(root, temp)
	})
	def.Check = func(context.Context, exporters.Env, any) []exporters.Finding { return []exporters.Finding{check(root)} }
	return def
}

// exporter writes below one folder, and nowhere else.
type exporter struct{ root *os.Root }

func open(root string) (*exporter, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, engine.Wrap(err, engine.NotFound, "The folder for exports is not there; the server's operator has to make it.")
	}
	return &exporter{r}, nil
}

// Close implements exporters.Exporter.
func (e *exporter) Close() error { return e.root.Close() }

// Export implements exporters.Exporter. The file is written under another name and renamed when it is whole.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	temp := path.Join(path.Dir(d.Name), "."+d.ID+".part")
	state, err := json.Marshal(temp)
	if err != nil {
		return exporters.Receipt{}, err
	}
	if err := d.Checkpoint.Save(ctx, state); err != nil { // before anything is there
		return exporters.Receipt{}, err
	}
	if err := e.write(ctx, d, temp); err != nil {
		return exporters.Receipt{}, err
	}
	if err := e.root.Rename(temp, d.Name); err != nil {
		return exporters.Receipt{}, fault(err, d.Name)
	}
	return exporters.Receipt{Facts: map[string]string{"location": d.Name}}, nil
}

func (e *exporter) write(ctx context.Context, d exporters.Delivery, temp string) error {
	src, err := d.Open(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := e.root.MkdirAll(path.Dir(temp), 0o755); err != nil {
		return fault(err, d.Name)
	}
	dst, err := e.root.Create(temp)
	if err != nil {
		return fault(err, d.Name)
	}
	if _, err := io.Copy(dst, src); err != nil { // where the file is not what it should be, its last bytes are this error
		return errors.Join(fault(err, d.Name), dst.Close())
	}
	return errors.Join(dst.Sync(), dst.Close())
}

// fault says what to do about an error of the file system, and leaves others as they are.
func fault(err error, name string) error {
	var place *fs.PathError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return engine.Wrap(err, engine.Denied, "The server may not write %q there.", name)
	case errors.As(err, &place):
		return engine.Wrap(err, engine.Unavailable, "%q could not be written.", name)
	}
	return err
}

func discard(root, temp string) error {
	e, err := open(root)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err, temp)
	}
	return nil
}

// check writes and removes an empty file.
func check(root string) exporters.Finding {
	e, err := open(root)
	if err != nil {
		return exporters.Finding{Text: engine.MessageOf(err)}
	}
	defer e.Close()
	f, err := e.root.Create(".check.part")
	if err != nil {
		return exporters.Finding{Text: engine.MessageOf(fault(err, "a file"))}
	}
	if err := errors.Join(f.Close(), e.root.Remove(".check.part")); err != nil {
		return exporters.Finding{Text: "Files can be written to the folder, but not removed."}
	}
	return exporters.Finding{OK: true, Text: "Files can be written to the folder, and removed."}
}
