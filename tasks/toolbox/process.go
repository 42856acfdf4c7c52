package toolbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox/launcher"
)

// niceness of every program: the server itself comes first.
const niceness = 5

// forks starts programs, all on one thread that lives as long as the Box: the kernel ends a program together with the
// thread that started it.
func (b *Box) forks() {
	runtime.LockOSThread()
	for start := range b.starter {
		start()
	}
}

func (b *Box) fork(cmd *exec.Cmd) error {
	done := make(chan error)
	b.starter <- func() { done <- cmd.Start() }
	return <-done
}

// process is a program that runs.
type process struct {
	command *Command
	bounds  Bounds
	cmd     *exec.Cmd
	first   int // its end is that of all the others
	cgroup  *cgroup
	scratch string // private temporary folder of a program without a file system of its own
	stop    func() // what was opened for it
	began   time.Time
	tail    tail
	lines   *lines // nil unless somebody listens
	sink    *sink  // nil unless what it prints goes somewhere
	met     atomic.Pointer[Bound]

	mu    sync.Mutex
	ended bool
}

// start starts the program under its bounds.
func (c *Command) start(ctx context.Context, bounds Bounds) (_ *process, err error) {
	if err := c.possible(); err != nil {
		return nil, err
	}
	p := &process{command: c, bounds: bounds, began: time.Now(), stop: func() {}}
	defer func() {
		if err != nil {
			p.clear()
		}
	}()
	if c.Online {
		if p.stop, err = c.online(); err != nil {
			return nil, err
		}
	}
	pipes := &pipes{first: 3 + len(c.Extra)}
	defer pipes.close()
	if c.box.kind == Bubblewrap {
		p.cmd, err = c.bubblewrap(bounds, pipes)
	} else {
		p.cmd, err = c.launched(p, pipes)
	}
	if err != nil {
		return nil, err
	}
	p.cmd.ExtraFiles = append(append([]*os.File{}, c.Extra...), pipes.inside...)
	p.connect()
	if err := c.box.fork(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Tool.Name, err)
	}
	pipes.closeInside()
	if err := p.release(pipes); err != nil {
		p.kill()
		_ = p.cmd.Wait()
		p.end()
		return nil, fmt.Errorf("start %s: %w: %s", c.Tool.Name, err, p.tail.text())
	}
	return p, nil
}

// possible refuses what must not or cannot be run here.
func (c *Command) possible() error {
	switch {
	case c.box.kind == Refused:
		return refusal()
	case (c.exact || c.Online) && c.box.kind != Bubblewrap:
		return engine.Errorf(engine.Unavailable, "This operation needs bubblewrap, which this server does not have or cannot use.")
	case c.Tool.Path == "":
		return engine.Errorf(engine.Unavailable, "This server does not have %s.", c.Tool.Name)
	}
	for _, b := range c.binds {
		info, err := os.Lstat(b.from)
		if err != nil {
			return fmt.Errorf("let %s read a file: %w", c.Tool.Name, err)
		}
		if !info.Mode().IsRegular() && !info.IsDir() {
			return engine.Errorf(engine.Invalid, "The input is not a regular file.")
		}
	}
	return nil
}

// connect wires input and output.
func (p *process) connect() {
	c := p.command
	p.cmd.Stdin = c.Stdin
	var messages io.Writer = &p.tail
	if c.OnLine != nil {
		p.lines = &lines{each: c.OnLine}
		messages = io.MultiWriter(&p.tail, p.lines)
	}
	p.cmd.Stderr, p.cmd.Stdout = messages, messages // the same one: exec then serialises the writes
	if file, ok := c.Stdout.(*os.File); ok {
		p.cmd.Stdout = file // handed on as it is
	} else if c.Stdout != nil {
		p.sink = &sink{to: c.Stdout, kill: p.kill}
		p.cmd.Stdout = p.sink
	}
	p.cmd.WaitDelay = 2 * time.Second
}

// sink ends a program of which something printed was not taken: many do not mind, and go on for ever. It remembers why, as
// exec tells only how the program died of it.
type sink struct {
	to   io.Writer
	kill func()
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	if err != nil {
		s.err = errors.Join(s.err, err)
		s.kill()
	}
	return n, err
}

// release bounds the first process, which still waits, and lets it go on.
func (p *process) release(pipes *pipes) (err error) {
	p.mu.Lock()
	p.first = p.cmd.Process.Pid
	p.mu.Unlock()
	if pipes.info != nil {
		inside, err := pipes.firstInside()
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.first = inside
		p.mu.Unlock()
		if err := launcher.Bound(inside, p.command.limits(p.bounds)); err != nil {
			return err
		}
	}
	p.cgroup = p.command.box.cgroups.make(p.bounds)
	if err := p.cgroup.add(p.first); err != nil {
		return err
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, p.first, niceness)
	_, err = pipes.ready.Write([]byte{1})
	return err
}

// kill ends the program and all it started. It may be called from any goroutine, at any time, more than once.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.cmd == nil || p.cmd.Process == nil {
		return
	}
	if p.first != 0 && p.first != p.cmd.Process.Pid {
		_ = syscall.Kill(p.first, syscall.SIGKILL) // bwrap ends with it
		return
	}
	for _, pid := range p.command.box.trees.below(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.cgroup.kill()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// exceed ends the program because it met a bound.
func (p *process) exceed(b Bound) {
	p.met.CompareAndSwap(nil, &b)
	p.kill()
}

// errWall is the cause of the end of a context by Bounds.Wall.
var errWall = errors.New("the command's time is over")

// finish waits for the program's end and says how it came.
func (p *process) finish(ctx context.Context) (Outcome, error) {
	timed, cancel := context.WithTimeoutCause(ctx, p.bounds.Wall, errWall)
	defer cancel()
	stop := context.AfterFunc(timed, func() {
		if context.Cause(timed) == errWall {
			p.exceed(BoundWall)
		}
		p.kill()
	})
	outcome, err := p.wait()
	stop()
	if ctx.Err() != nil {
		return outcome, context.Cause(ctx)
	}
	return outcome, err
}

// wait watches the program until it ends.
func (p *process) wait() (Outcome, error) {
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(done)
	}()
	waited := p.cmd.Wait()
	close(done)
	<-watched
	if p.lines != nil {
		p.lines.flush()
	}
	outcome := p.outcome()
	p.judge(outcome)
	full := p.full(outcome)
	p.end()
	if met := p.met.Load(); met != nil {
		return outcome, p.bounds.exceeded(*met, p.command.Tool.Name)
	}
	if p.sink != nil && p.sink.err != nil {
		return outcome, p.sink.err
	}
	if full != nil {
		return outcome, full
	}
	var exit *exec.ExitError
	if waited != nil && !errors.As(waited, &exit) {
		return outcome, fmt.Errorf("run %s: %w", p.command.Tool.Name, waited)
	}
	if p.command.box.kind == Bubblewrap && outcome.Exit == 1 && strings.HasPrefix(outcome.Messages, "bwrap: ") {
		return outcome, fmt.Errorf("run %s: %s", p.command.Tool.Name, p.tail.text())
	}
	return outcome, nil
}

// outcome reads how the program ended.
func (p *process) outcome() Outcome {
	state := p.cmd.ProcessState
	o := Outcome{
		Tool: p.command.Tool.Name, Exit: state.ExitCode(), Wall: time.Since(p.began),
		CPU:      state.UserTime() + state.SystemTime(),
		Messages: clean(p.tail.text(), p.secretPaths()),
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		o.Signal = status.Signal()
	case p.command.box.kind == Bubblewrap && o.Exit > 128 && o.Exit <= 128+31: // how bwrap passes a signal on
		o.Signal, o.Exit = syscall.Signal(o.Exit-128), -1
	}
	return o
}

// secretPaths are the folders that no message may show, and those that mean nothing to its reader.
func (p *process) secretPaths() []string {
	known := []string{p.command.dir, p.scratch, p.command.box.config.Tools, p.command.dirAs}
	for _, b := range p.command.binds {
		known = append(known, filepath.Dir(b.from), filepath.Dir(b.to))
	}
	return known
}

// judge finds out whether the kernel ended the program because of a bound.
func (p *process) judge(o Outcome) {
	met := Bound("")
	switch {
	case o.Exit == 0:
		return
	case o.Signal == syscall.SIGXCPU, o.Signal == syscall.SIGKILL && o.CPU >= p.bounds.processor():
		met = BoundCPU
	case o.Signal == syscall.SIGXFSZ, strings.Contains(o.Messages, "File too large"):
		met = BoundFile
	default:
		if met = p.cgroup.met(); met == "" && measure(p.command.dir).largest >= p.bounds.File {
			met = BoundFile
		}
	}
	if met != "" {
		p.met.CompareAndSwap(nil, &met)
	}
}

// end makes sure that nothing of the program is left.
func (p *process) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if p.command.box.kind != Bubblewrap { // there all have ended with the first
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.cgroup.kill()
	}
	p.clear()
}

func (p *process) clear() {
	p.stop()
	p.cgroup.remove()
	if p.scratch != "" {
		_ = os.RemoveAll(p.scratch)
	}
}
