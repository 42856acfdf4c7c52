package office

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// worker is a process that holds a LibreOffice open. It is for one goroutine at a time.
type worker struct {
	dir       string // all of the machine that it may write to, and see beside programs
	command   *toolbox.Command
	requests  io.WriteCloser
	events    chan lok.Event // closed when it ends
	kill      context.CancelFunc
	ended     chan struct{}
	err       error // why it ended, once it has
	documents int
	shaken    bool // a document failed: LibreOffice is not always in order after that
	memory    int64
	born      time.Time
	idle      *time.Timer
}

// errDied is the error of a worker that ended over a document, or stood still.
var errDied = errors.New("the office worker died")

// The patience with a worker: for its start, and for a sign of life.
const (
	startWait = time.Minute
	beatWait  = 12 * lok.Beat
)

// startWorker starts a worker with a folder of its own below parent, and waits until it is ready.
func startWorker(ctx context.Context, box *toolbox.Box, program, parent string) (*worker, error) {
	dir, err := os.MkdirTemp(parent, "office-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for an office worker: %w", err)
	}
	w := &worker{dir: dir, events: make(chan lok.Event, 16), ended: make(chan struct{}), born: time.Now()}
	if err := w.start(ctx, box, program); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if _, err := w.await(ctx, startWait, func(e lok.Event) bool { return e.Ready }); err != nil {
		w.stop()
		return nil, fmt.Errorf("start an office worker: %w", err)
	}
	return w, nil
}

func (w *worker) start(ctx context.Context, box *toolbox.Box, program string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	profile, err := newProfile(w.dir)
	if err != nil {
		return err
	}
	c := box.Command(toolbox.Tool{Name: "LibreOffice"}, w.dir)
	c.Tool.Path = c.In(self)
	c.Args = []string{lok.Argument, program, c.Path(profile)}
	c.Env = []string{lok.Environment}
	c.Bounds.Files = 1024
	requests, in := io.Pipe()
	out, events := io.Pipe()
	c.Stdin, c.Stdout = requests, events
	w.command, w.requests = c, in
	ctx, w.kill = context.WithCancel(context.WithoutCancel(ctx)) // it outlives the task that asked for it
	go w.listen(out)
	go func() {
		defer close(w.ended)
		outcome, err := c.Run(ctx)
		w.err = errors.Join(errDied, err, outcome.Err())
		requests.Close()
		events.Close()
	}()
	return nil
}

func (w *worker) listen(out io.ReadCloser) {
	defer close(w.events)
	defer out.Close()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e lok.Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			return
		}
		w.events <- e
	}
}

// await returns the first event that is the one, or why it will not come. The worker has to say something every so often.
func (w *worker) await(ctx context.Context, patience time.Duration, is func(lok.Event) bool) (lok.Event, error) {
	silence := time.NewTimer(patience)
	defer silence.Stop()
	for {
		select {
		case e, ok := <-w.events:
			if !ok {
				w.kill() // if it only closed its output
				<-w.ended
				return e, w.err
			}
			if is(e) {
				return e, nil
			}
			silence.Reset(patience)
		case <-silence.C:
			return lok.Event{}, fmt.Errorf("%w: it stands still", errDied)
		case <-ctx.Done():
			return lok.Event{}, context.Cause(ctx)
		}
	}
}

// convert has the worker convert a job. After an error the worker is of no more use.
func (w *worker) convert(ctx context.Context, job convert.Job, format, options string) (lok.Failure, error) {
	dir := filepath.Join(w.dir, "job")
	defer os.RemoveAll(dir)
	in, err := job.Place(dir)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, filepath.Base(job.Out()))
	w.documents++
	request := lok.Request{In: w.command.Path(in), Out: w.command.Path(out), Format: format, Save: options}
	if err := json.NewEncoder(w.requests).Encode(request); err != nil {
		return "", fmt.Errorf("%w: %w", errDied, err)
	}
	e, err := w.await(ctx, beatWait, func(e lok.Event) bool {
		if e.Progress > 0 && e.Progress < 100 {
			job.Progress(e.Progress)
		}
		w.memory = e.Memory
		return e.Done || e.Failed != ""
	})
	w.shaken = w.shaken || e.Failed != ""
	if err != nil || e.Failed != "" {
		return e.Failed, err
	}
	return "", collect(out, job.Out())
}

// stop ends the worker, and removes its folder.
func (w *worker) stop() {
	w.kill()
	w.requests.Close()
	go func() {
		for range w.events { // what it still says
		}
	}()
	<-w.ended
	os.RemoveAll(w.dir)
}

// collect moves an output to where the program that made it has no access, and takes nothing but a plain file there: behind
// a link could be any file of the machine.
func collect(from, to string) error {
	err := os.Rename(from, to)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		err = copyFile(from, to)
	}
	if err != nil {
		return engine.Wrap(err, engine.Invalid, "LibreOffice made nothing of this file.")
	}
	if info, err := os.Lstat(to); err != nil || !info.Mode().IsRegular() {
		return engine.Wrap(err, engine.Invalid, "LibreOffice made nothing of this file.")
	}
	return nil
}
