package office

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// seenAs is where a worker with a file system of its own finds this program.
const seenAs = "/run/gantry-office"

// wall is the time for one document. The largest that people have take minutes; one that takes longer goes on for ever.
const wall = 30 * time.Minute

// newPool returns workers that hold the LibreOffice whose libraries are in the folder program, with what its window lacks.
func newPool(box *toolbox.Box, self, program string, calc window) *toolbox.Pool {
	return box.Pool(toolbox.PoolConfig{
		Name: "LibreOffice",
		Size: poolSize(),
		Set: func(c *toolbox.Command) {
			if box.Kind() == toolbox.Bubblewrap {
				c.InAt(self, seenAs)
				c.Tool.Path = seenAs
				if calc.lent != "" {
					c.InAt(calc.lent, filepath.Join(program, windowParts))
				}
			} else {
				c.Tool.Path = c.In(self)
			}
			c.Args = []string{lok.Argument, program}
			c.Env = []string{lok.Environment}
			c.Bounds.Files, c.Bounds.Wall = 1024, wall
		},
		Ready: func(ctx context.Context, w *toolbox.Worker) error {
			ctx, cancel := context.WithTimeoutCause(ctx, beginning, errStill)
			defer cancel()
			_, err := await(ctx, w, silence, func(e lok.Event) bool { return e.Ready })
			return err
		},
	})
}

// workerMemory is what a worker is reckoned with.
const workerMemory = 600 << 20

// poolSize is a worker a core, as far as the memory allows.
func poolSize() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 1
	}
	return max(1, min(runtime.NumCPU(), int(uint64(info.Totalram)*uint64(info.Unit)/workerMemory)))
}

// beginning is how long LibreOffice may take to start.
const beginning = 2 * time.Minute

// silence is how long a worker may go without a sign of life.
const silence = 12 * lok.Beat

var errStill = engine.Errorf(engine.Unavailable, "LibreOffice stood still over this file.")

// await returns the first event that is the one.
func await(
	ctx context.Context, w *toolbox.Worker, patience time.Duration, is func(lok.Event) bool,
) (lok.Event, error) {
	for {
		e, err := receive(ctx, w, patience)
		if err != nil || is(e) {
			return e, err
		}
	}
}

func receive(ctx context.Context, w *toolbox.Worker, patience time.Duration) (e lok.Event, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errStill)
	defer cancel()
	line, err := w.Receive(ctx)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("read what an office worker says: %w", err)
	}
	return e, nil
}

// errElsewhere means that only the command line can help.
var errElsewhere = errors.New("the office worker cannot convert this")

// pooled converts in a worker.
func (e *Engine) pooled(ctx context.Context, job convert.Job, to target) error {
	key, err := hash(job.In)
	if err != nil {
		return err
	}
	return e.pool.Use(ctx, key, func(ctx context.Context, w *toolbox.Worker) error {
		in, err := job.Place(w.Dir()) // a copy, as LibreOffice writes beside what it reads
		if err != nil {
			return err
		}
		out := filepath.Join(w.Dir(), filepath.Base(job.Out()))
		request, err := json.Marshal(lok.Request{
			In: w.Path(in), Out: w.Path(out), Format: to.kit, Save: saveOptions(job), Password: job.Options.Password.Reveal(),
		})
		if err != nil {
			return fmt.Errorf("write a request: %w", err)
		}
		if err := w.Send(ctx, append(request, '\n')); err != nil {
			return err
		}
		event, err := await(ctx, w, e.silence, func(e lok.Event) bool {
			if e.Progress > 0 && e.Progress < 100 {
				job.Progress(e.Progress)
			}
			return e.Done || e.Failed != ""
		})
		if err == nil {
			err = failure(event, job)
		}
		if err != nil {
			return err // LibreOffice is not always in order after a document it could not read; this worker ends
		}
		return w.Take(out, job.Out())
	})
}

// failure says to a person why a worker did not convert.
func failure(e lok.Event, job convert.Job) error {
	switch e.Failed {
	case "":
		return nil
	case lok.NeedsPassword:
		return needsPassword(job)
	case lok.WrongPassword:
		return wrongPassword(job)
	}
	// What has no window for a kit, a label document say, the command line reads all the same; what is damaged it refuses too.
	return errors.Join(errElsewhere, errors.New(e.Detail))
}

func hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	return string(h.Sum(nil)), nil
}

// libraries returns the folder of LibreOffice's libraries, or "" where there is none: it is beside the program.
func libraries(soffice toolbox.Tool) string {
	path, err := filepath.EvalSymlinks(soffice.Path)
	if err != nil {
		return ""
	}
	for _, name := range []string{"libsofficeapp.so", "libmergedlo.so"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), name)); err == nil {
			return filepath.Dir(path)
		}
	}
	return ""
}
