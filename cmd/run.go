package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/zipfile"
)

// runCommand is `gantry run`.
type runCommand struct {
	workFlags
	Job     string   `arg:"" help:"The job: a JSON or YAML file as POST /v2/jobs takes it, - for the standard input." placeholder:"job.json|job.yaml"`
	Files   []string `arg:"" optional:"" help:"Files for the job's import/upload tasks." placeholder:"TASK=FILE"`
	Out     string   `short:"o" help:"Folder for what export/url tasks deliver. A file of the same name there is replaced, but never one that was given to the job." default:"." placeholder:"DIR"`
	Server  string   `help:"Run the job on this server; by default it is run here, without one." placeholder:"URL"`
	Key     string   `help:"API key for the server." env:"GANTRY_API_KEY" placeholder:"KEY"`
	KeyFile string   `help:"File with that key." env:"GANTRY_API_KEY_FILE" placeholder:"FILE"`
}

// Run runs the job to its end, and fails with the message of the task that failed.
func (r *runCommand) Run(ctx context.Context, p *program) error {
	document, err := r.document()
	if err != nil {
		return err
	}
	uploads, err := r.uploads()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.Out, 0o755); err != nil { // before there is anything to lose
		return fmt.Errorf("make the folder for results (-o names another): %w", err)
	}
	c, done, err := r.client(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	job, err := c.create(ctx, document)
	if err != nil {
		return err
	}
	show := newDisplay(p.stdout)
	job, err = r.finish(ctx, c, job, uploads, show)
	show.close()
	if err != nil {
		c.discard(ctx, job.ID)
		return err
	}
	if err := failed(job); err != nil {
		return err
	}
	return r.fetch(ctx, p, c, job, uploads)
}

// document reads the job as JSON.
func (r *runCommand) document() (text []byte, err error) {
	if r.Job == "-" {
		text, err = io.ReadAll(os.Stdin)
	} else {
		text, err = os.ReadFile(r.Job)
	}
	if err != nil {
		return nil, fmt.Errorf("read the job: %w", err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin with it
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		return text, nil
	}
	converted, err := yaml.YAMLToJSON(text) // keeps the order of the tasks
	if err != nil {
		return nil, fmt.Errorf("%s is neither JSON nor YAML: %s", r.Job, yaml.FormatError(err, false, false))
	}
	return converted, nil
}

// uploads reads the TASK=FILE arguments.
func (r *runCommand) uploads() (map[string]string, error) {
	files := map[string]string{}
	for _, arg := range r.Files {
		task, path, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q must be TASK=FILE: the name of an import/upload task and the file for it", arg)
		}
		if _, twice := files[task]; twice {
			return nil, fmt.Errorf("task %s is given two files; an import/upload task takes one", task)
		}
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder", path)
		}
		if err != nil {
			return nil, fmt.Errorf("the file for task %s: %w", task, err)
		}
		files[task] = path
	}
	return files, nil
}

// client returns a client of the server, or of an engine in this process with data of its own that goes afterwards.
func (r *runCommand) client(ctx context.Context, p *program) (*client, func(), error) {
	if r.Server != "" {
		key, err := (&serveCommand{APIKey: r.Key, APIKeyFile: r.KeyFile}).givenKey()
		return newClient(r.Server, key), func() {}, err
	}
	dir, err := os.MkdirTemp("", "gantry-run-")
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := p.open(ctx, appConfig{dataFlags: dataFlags{Data: dir}, workFlags: r.workFlags,
		egress: egress.Unrestricted(), holder: "gantry run", log: log})
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	token := engine.NewToken()
	if err := a.addKey(ctx, token); err != nil {
		a.close()
		os.RemoveAll(dir)
		return nil, nil, err
	}
	local, stop, err := serveLocally(ctx, a)
	if err != nil {
		a.close()
		os.RemoveAll(dir)
		return nil, nil, err
	}
	local.key = token
	return local, func() { stop(); a.close(); os.RemoveAll(dir) }, nil
}

// finish uploads what the job waits for and follows it to its end.
func (r *runCommand) finish(ctx context.Context, c *client, job wireJob, uploads map[string]string, show display) (wireJob, error) {
	for name, path := range uploads {
		task, ok := job.named(name)
		if !ok || task.Result == nil || task.Result.Form == nil {
			return job, fmt.Errorf("the job has no import/upload task %q to upload %s to", name, path)
		}
	}
	for _, task := range job.Tasks {
		path, given := uploads[task.Name]
		waits := task.Result != nil && task.Result.Form != nil
		if waits && !given {
			return job, fmt.Errorf("task %s waits for a file: add %s=FILE", task.Name, task.Name)
		}
		if waits {
			if err := c.upload(ctx, task.Result.Form, path); err != nil {
				return job, fmt.Errorf("upload %s: %w", path, err)
			}
		}
	}
	return c.follow(ctx, job.ID, show)
}

// failed is the message of the first task that failed by itself.
func failed(job wireJob) error {
	if job.Status != string(engine.StatusFailed) {
		return nil
	}
	for _, t := range job.Tasks {
		if t.Status == string(engine.StatusFailed) && t.Code != string(engine.InputFailed) {
			return fmt.Errorf("task %s: %s (%s)", t.Name, t.Message, t.Code)
		}
	}
	return errors.New("the job failed")
}

// fetch downloads what the job exported by URL and prints where it is.
func (r *runCommand) fetch(ctx context.Context, p *program, c *client, job wireJob, uploads map[string]string) error {
	var files []wireFile
	names := r.taken(uploads)
	given := len(names)
	for _, t := range job.Tasks {
		if t.Result == nil {
			continue
		}
		for _, f := range t.Result.Files {
			if f.URL != "" {
				files, names = append(files, f), append(names, engine.CleanName(f.Filename))
			}
		}
	}
	names = zipfile.Unique(names)[given:]
	for i, f := range files {
		path := filepath.Join(r.Out, names[i])
		n, err := c.download(ctx, f.URL, path)
		if err != nil {
			return fmt.Errorf("download %s: %w", f.Filename, err)
		}
		fmt.Fprintf(p.stdout, "%s  %d bytes\n", path, n)
	}
	return nil
}

// taken returns the names in the folder for results that no result may have: those of the files given to the job.
func (r *runCommand) taken(uploads map[string]string) (names []string) {
	out, err := os.Stat(r.Out)
	if err != nil {
		return nil
	}
	for _, path := range uploads {
		if dir, err := os.Stat(filepath.Dir(path)); err == nil && os.SameFile(dir, out) {
			names = append(names, filepath.Base(path))
		}
	}
	return names
}
