package toolbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Worker is a program that a Pool keeps running. It belongs to one use at a time, and to one goroutine of that.
type Worker struct {
	State any // what Ready leaves to the next use

	pool    *Pool
	process *process
	dir     string // what it may write
	in      string // what it may read
	ins     int
	send    *os.File
	receive *os.File
	answers *bufio.Reader
	uses    int
	rest    *time.Timer   // while it is idle
	fit     chan struct{} // closed when it can be used once more
	ended   chan struct{}
	err     error // why it ended; after ended
	once    sync.Once
}

// Folders of a worker, one private folder of the machine around both.
const (
	workerWrites = "job"
	workerReads  = "in"
)

func (p *Pool) newWorker(ctx context.Context) (_ *Worker, err error) {
	home, err := os.MkdirTemp(p.box.config.Scratch, "worker-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	w := &Worker{pool: p, dir: filepath.Join(home, workerWrites), in: filepath.Join(home, workerReads), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			w.closePipes()
			os.RemoveAll(home)
		}
	}()
	if err := errors.Join(os.Mkdir(w.dir, 0o700), os.Mkdir(w.in, 0o700)); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	c := p.box.Command(Tool{}, w.dir)
	c.bindAs(w.in, inputFolder)
	p.config.Set(c)
	c.Tool.Name = p.config.Name
	theirs, err := w.openPipes(c, p.config.Pipes)
	if err != nil {
		return nil, err
	}
	bounds := c.Bounds.or(p.box.config.Bounds)
	bounds.CPU = time.Duration(p.config.Uses) * bounds.processor() // the kernel counts over all uses
	w.process, err = c.start(ctx, bounds)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	w.answers = bufio.NewReader(w.receive)
	p.all.Add(1)
	go func() {
		defer p.all.Done()
		outcome, err := w.process.wait()
		if err == nil {
			err = fmt.Errorf("%s ended: exit %d, signal %d: %s", outcome.Tool, outcome.Exit, outcome.Signal, outcome.Messages)
		}
		w.err = err
		close(w.ended)
		os.RemoveAll(home)
	}()
	return w, nil
}

// openPipes makes the ways to and from the worker and returns their other ends.
func (w *Worker) openPipes(c *Command, extra bool) (theirs []*os.File, err error) {
	reads, send, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	receive, writes, err := os.Pipe()
	if err != nil {
		reads.Close()
		send.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	w.send, w.receive = send, receive
	if extra {
		c.Extra = []*os.File{reads, writes}
	} else {
		c.Stdin, c.Stdout = reads, writes
	}
	return []*os.File{reads, writes}, nil
}

func (w *Worker) closePipes() {
	if w.send != nil {
		w.send.Close()
		w.receive.Close()
	}
}

// Dir is the folder that the worker may write, empty at the beginning of each use.
func (w *Worker) Dir() string { return w.dir }

// Path returns the path under which the worker sees a file of its folder.
func (w *Worker) Path(file string) string { return w.process.command.Path(file) }

// In lets the worker read a file until the end of the use, and returns the path under which it sees it. That path is
// absolute and has the same last name.
func (w *Worker) In(file string) (string, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return "", fmt.Errorf("let %s read a file: %w", w.pool.config.Name, err)
	}
	if !info.Mode().IsRegular() {
		return "", engine.Errorf(engine.Invalid, "The input is not a regular file.")
	}
	w.ins++
	folder := filepath.Join(w.in, strconv.Itoa(w.ins))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", fmt.Errorf("let %s read a file: %w", w.pool.config.Name, err)
	}
	to := filepath.Join(folder, filepath.Base(file))
	if os.Link(file, to) != nil {
		if err := copyFile(file, to); err != nil {
			return "", fmt.Errorf("let %s read a file: %w", w.pool.config.Name, err)
		}
	}
	if w.pool.box.kind != Bubblewrap {
		return to, nil
	}
	return path.Join(inputFolder, strconv.Itoa(w.ins), filepath.Base(file)), nil
}

// Take moves a file that the worker made out of its folder to the path to, which no worker can reach.
func (w *Worker) Take(file, to string) error {
	if err := CheckOutput(w.dir, file, w.process.bounds.File); err != nil {
		return fmt.Errorf("%s: %w", w.pool.config.Name, err)
	}
	if os.Rename(file, to) != nil {
		if err := copyFile(file, to); err != nil {
			return fmt.Errorf("take the output: %w", err)
		}
	}
	if info, err := os.Lstat(to); err != nil || !info.Mode().IsRegular() { // it could have been exchanged meanwhile
		os.Remove(to)
		return errors.New("the output is not a regular file")
	}
	return nil
}

// Send writes to the worker what it is to do.
func (w *Worker) Send(ctx context.Context, request []byte) error {
	stop := context.AfterFunc(ctx, func() { w.send.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := w.send.Write(request); err != nil {
		return w.fault(ctx, err)
	}
	return nil
}

// Receive returns the next answer, without what ends it. The slice is the caller's. An answer that is too large is an error
// with the code engine.TooLarge.
func (w *Worker) Receive(ctx context.Context) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { w.receive.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var answer []byte
	for {
		part, err := w.answers.ReadSlice(w.pool.config.End)
		answer = append(answer, part...)
		switch {
		case len(answer) > w.pool.config.Frame:
			return nil, engine.Errorf(engine.TooLarge, "%s answers with more than %s for this file.", w.pool.config.Name, size(int64(w.pool.config.Frame)))
		case err == nil:
			return bytes.TrimSuffix(answer, []byte{w.pool.config.End}), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, w.fault(ctx, err)
		}
	}
}

// patience is how long the end of a pipe may precede that of its program.
const patience = 2 * time.Second

// fault tells why a pipe failed: mostly because the worker is gone, and then that counts.
func (w *Worker) fault(ctx context.Context, err error) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.ended:
		return w.err
	case <-timer.C:
		return fmt.Errorf("speak with %s: %w", w.pool.config.Name, err)
	}
}

// use calls work with a context that ends with the worker, which is when the time of one use is over at the latest.
func (w *Worker) use(ctx context.Context, work func(context.Context, *Worker) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	defer time.AfterFunc(w.process.bounds.Wall, func() { w.process.exceed(BoundWall) }).Stop()
	go func() {
		select {
		case <-w.ended:
			cancel(w.err)
		case <-done:
		}
	}()
	return work(ctx, w)
}

// death is why the worker ended, nil while it lives.
func (w *Worker) death() error {
	select {
	case <-w.ended:
		return w.err
	default:
		return nil
	}
}

// discard ends the worker and waits for its end.
func (w *Worker) discard() {
	w.once.Do(func() {
		w.process.kill()
		<-w.ended
		w.closePipes()
	})
}

// size is the memory of the worker's processes.
func (w *Worker) size() int64 {
	return resident(w.pool.box.trees.below(w.process.first))
}

// clear empties the worker's folders for the next use.
func (w *Worker) clear() error {
	w.ins = 0
	for _, dir := range []string{w.dir, w.in} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
