package imports

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/engine/zipfile"
	"github.com/gantry-engine/gantry/exporters"
)

type workspaceParams struct {
	Workspace string `json:"workspace" doc:"The name or id of a workspace of yours." rule:"required"`
	Path      string `json:"path" doc:"The file's path, from the home, after ~/ or in full; or a pattern with * and ? for several files." rule:"required"`
	Archive   bool   `json:"archive" doc:"Import a folder, as one ZIP file."`
	FileName  string `json:"filename" doc:"The file's name, with its extension; by default its own. %d is the number of one of several."`
	Single    bool   `json:"single" rule:"hidden"` // the path is no pattern, and the file gets a link
}

// Workspace returns the operation import/workspace. SFTP is the reading side of that kind, and env what it is lent: operators
// register computers, so their addresses are under no policy.
func Workspace(sftp *exporters.Reading, env exporters.Env) engine.Operation {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	op := engine.Define("import/workspace", "Imports files from the home of a registered computer.", engine.LaneNet,
		workspaceParams{}, engine.HandlerFunc[workspaceParams](
			func(ctx context.Context, run *engine.Run, p workspaceParams) (engine.Result, error) {
				env := env
				env.Task, env.Owner, env.Attempt, env.Log = run.Task, run.User, run.Attempt, run.Log
				return (&visit{run: run, params: p, sftp: sftp, env: env}).fetch(ctx)
			}))
	op.Source = true
	return op
}

// visit is one import from a workspace.
type visit struct {
	run    *engine.Run
	params workspaceParams
	sftp   *exporters.Reading
	env    exporters.Env
	source exporters.Source
	name   string // what the path names, from the home
}

func (v *visit) fetch(ctx context.Context) (engine.Result, error) {
	w, remote, err := v.run.Workspace(ctx, v.params.Workspace)
	if err != nil {
		return engine.Result{}, err
	}
	if v.name, err = fromHome(w, remote != nil, v.params.Path); err != nil {
		return engine.Result{}, err
	}
	if err := v.enter(ctx, w, remote); err != nil {
		return engine.Result{}, err
	}
	defer v.source.Close()
	chosen, err := v.choose(ctx)
	if errors.Is(err, exporters.ErrFolder) {
		return v.folder(ctx, w)
	}
	if err != nil {
		return engine.Result{}, err
	}
	t := &transfer{run: v.run, source: v.source, objects: chosen, name: v.params.FileName,
		files: make([]engine.File, len(chosen))}
	if err := t.all(ctx); err != nil {
		return engine.Result{}, err
	}
	return v.result(t.files...), nil
}

// enter opens the home, and says so where it is not there.
func (v *visit) enter(ctx context.Context, w engine.Workspace, remote []byte) (err error) {
	if remote == nil {
		if v.source, err = openHome(w.Home, v.run.Limits()); err != nil {
			return away(err)
		}
		return nil
	}
	params, err := v.remoteParams(w, remote)
	if err != nil {
		return err
	}
	if v.source, err = v.sftp.Open(ctx, v.env, params); err != nil {
		return err
	}
	_, err = v.source.Stat(ctx, ".")
	if errors.Is(err, exporters.ErrFolder) {
		return nil
	}
	v.source.Close()
	switch code := engine.CodeOf(err); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case code == engine.Unauthorized, code == engine.Denied:
		return engine.Wrap(err, engine.Conflict,
			"The computer is not the one that was registered, or does not let this server in: %s", engine.MessageOf(err))
	}
	return away(err)
}

func away(err error) error { return engine.Wrap(err, engine.Conflict, "The computer is not running.") }

// remoteParams are those of the SFTP server that has the home.
func (v *visit) remoteParams(w engine.Workspace, remote []byte) (any, error) {
	var members map[string]any
	if err := json.Unmarshal(remote, &members); err != nil {
		return nil, err
	}
	members["root"], members["file"] = w.Home, v.name
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	params, problems := v.sftp.Params.Decode(raw)
	if len(problems) > 0 {
		return nil, engine.InvalidParams(problems)
	}
	return params, nil
}

// named is what exporters.Select reads.
type named struct {
	File string `json:"file" rule:"role=name"`
}

// choose returns the object of the name, or those that it matches.
func (v *visit) choose(ctx context.Context) ([]exporters.Chosen, error) {
	limits := v.run.Limits()
	if !v.params.Single {
		return exporters.Select(ctx, v.source, param.Of(named{}), named{v.name}, limits)
	}
	o, err := v.source.Stat(ctx, v.name)
	if err == nil && o.Size > limits.Transfer {
		err = engine.Errorf(engine.TooLarge, "The file has %d bytes; this server takes %d for one.", o.Size, limits.Transfer)
	}
	return []exporters.Chosen{{Object: o}}, err
}

func (v *visit) result(files ...engine.File) engine.Result {
	for i := range files {
		files[i].Link = v.params.Single
	}
	return engine.Result{Files: files}
}

// folder packs a folder, where that is wanted.
func (v *visit) folder(ctx context.Context, w engine.Workspace) (engine.Result, error) {
	if !v.params.Archive {
		return engine.Result{}, engine.Errorf(engine.Invalid, "%q is a folder. Set archive to have it as a ZIP file.", v.params.Path)
	}
	prefix := strings.TrimRight(v.name, "/") + "/"
	if v.name == "." {
		prefix = ""
	}
	entries, err := v.entries(ctx, prefix)
	if err != nil {
		return engine.Result{}, err
	}
	dir, err := v.run.Dir()
	if err != nil {
		return engine.Result{}, err
	}
	at := filepath.Join(dir, "archive.zip")
	if err := pack(ctx, at, entries); err != nil {
		return engine.Result{}, err
	}
	name := v.params.FileName
	if name == "" {
		name = path.Base(path.Join(w.HomeAs, v.name)) + ".zip"
	}
	f, err := v.run.Adopt(ctx, name, at)
	if err != nil {
		return engine.Result{}, err
	}
	return v.result(f), nil
}

// entries are the files of a folder, within the limits of what one import may bring.
func (v *visit) entries(ctx context.Context, prefix string) (entries []zipfile.Entry, err error) {
	limits, total := v.run.Limits(), int64(0)
	var names []string
	err = v.source.List(ctx, prefix, func(o exporters.Object) error {
		if total += o.Size; total > limits.Transfer || len(entries) >= limits.ArchiveEntries {
			return engine.Errorf(engine.TooLarge,
				"The folder is too large for one ZIP file: this server takes %d bytes and %d files.", limits.Transfer, limits.ArchiveEntries)
		}
		names = append(names, zipfile.Clean(strings.TrimPrefix(o.Name, prefix)))
		entries = append(entries, zipfile.Entry{Size: o.Size,
			Open: func(ctx context.Context) (io.ReadCloser, error) { return v.source.Open(ctx, o, 0) }})
		return nil
	})
	for i, name := range zipfile.Unique(names) {
		entries[i].Name = name
	}
	return entries, err
}

func pack(ctx context.Context, at string, entries []zipfile.Entry) error {
	out, err := os.Create(at)
	if err != nil {
		return engine.Wrap(err, engine.Unavailable, "The server cannot write to its work folder.")
	}
	err = errors.Join(zipfile.Write(ctx, out, entries, zipfile.Options{}), out.Close())
	var known *engine.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	return engine.Wrap(err, engine.Conflict, "A file of the folder has changed while it was read.")
}

// fromHome returns what the path names, from the home. Client and server may call the home by different names. Where links
// lead is for the source to see; here it is only about the text.
func fromHome(w engine.Workspace, remote bool, asked string) (string, error) {
	name := asked
	out := engine.Errorf(engine.Denied, "%q is outside of the home.", asked)
	switch {
	case strings.ContainsRune(asked, 0):
		return "", engine.Errorf(engine.Invalid, "The path has a zero byte in it.")
	case asked == "~", strings.HasPrefix(asked, "~/"):
		name = asked[1:]
	case strings.HasPrefix(asked, "~"):
		return "", out
	case strings.HasPrefix(asked, "/"):
		rest, inside := insideOf(asked, homes(w, remote))
		if !inside {
			return "", out
		}
		name = rest
	}
	depth, here := 0, true
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			depth, here = depth-1, false
		default:
			depth, here = depth+1, false
		}
		if depth < 0 {
			return "", out
		}
	}
	if here {
		return ".", nil
	}
	return strings.TrimLeft(name, "/"), nil
}

// homes are the names of the home.
func homes(w engine.Workspace, remote bool) []string {
	all := []string{w.HomeAs, w.Home}
	if remote {
		return all
	}
	if found, err := filepath.EvalSymlinks(w.Home); err == nil {
		all = append(all, found)
	}
	return all
}

// insideOf returns what follows the first of the folders in which the path is, comparing whole parts.
func insideOf(asked string, folders []string) (rest string, ok bool) {
	for _, dir := range folders {
		dir = strings.TrimRight(dir, "/")
		rest, ok := strings.CutPrefix(asked, dir)
		if ok && dir != "" && (rest == "" || rest[0] == '/') {
			return rest, true
		}
	}
	return "", false
}
