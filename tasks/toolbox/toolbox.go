// Package toolbox runs external programs: without a shell, without a network, with one writable folder, within bounds of
// time, memory, processes and disk, and with all they started gone when they end.
//
// A Box finds programs (Find), makes commands for them (Command) and keeps workers alive (Pool). Code that uses it need not
// know how a program is fenced in: it asks the Command for the path under which the program sees a file.
package toolbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
)

// Kind is a way to fence a program in.
type Kind string

// The kinds, best first. Under Refused no program is run.
const (
	Bubblewrap  Kind = "bubblewrap"  // namespaces of its own, a file system of its own
	Landlock    Kind = "landlock"    // the machine's file system behind rules of the kernel
	Unsandboxed Kind = "unsandboxed" // bounds only, by the operator's explicit wish
	Refused     Kind = "refused"
)

// Config is what a Box is made of. The zero value is usable.
type Config struct {
	Tools       string         // folder with tools that no package brings; "" if there is none
	Scratch     string         // an existing folder of this process alone for temporary folders; "" for the machine's own
	Unsandboxed bool           // run programs without a fence where none works
	Sandbox     Kind           // this one only; "" for the best that works here
	Egress      *egress.Policy // whom commands that are Online may call; nil for nobody
	Bounds      Bounds         // zero fields have the values of DefaultBounds
	Log         *slog.Logger   // nil for none
}

// Box runs programs. It is safe for concurrent use.
type Box struct {
	config  Config
	kind    Kind
	spaces  uintptr // namespaces that a launched program gets
	bwrap   string
	self    string
	cgroups *cgroups
	starter chan func()
	trees   trees

	mu    sync.Mutex
	found map[string]*finding
	ends  []func()
}

// New returns a Box with the best fence that works here. It runs short trials, so ctx should allow a second or two. Where no
// fence works, and Config.Unsandboxed does not allow to go without, the Box refuses every command. Close it after use.
func New(ctx context.Context, c Config) (*Box, error) {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.Bounds = c.Bounds.or(DefaultBounds())
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the own program: %w", err)
	}
	if c.Tools != "" {
		if c.Tools, err = filepath.Abs(c.Tools); err != nil {
			return nil, fmt.Errorf("find the tools folder: %w", err)
		}
	}
	sweepScratch(c.Scratch)
	b := &Box{config: c, self: self, starter: make(chan func()), found: map[string]*finding{}}
	go b.forks()
	b.cgroups = findCgroups() // before there is any process beside this one, if only one that is just ending
	b.choose(ctx)
	if b.kind == Refused {
		b.cgroups.close()
		b.cgroups = nil
	}
	return b, nil
}

// sweepScratch removes what a process that was killed left in the folder.
func sweepScratch(dir string) {
	if dir == "" {
		return
	}
	for _, kind := range []string{"tool-*", "worker-*"} {
		left, _ := filepath.Glob(filepath.Join(dir, kind))
		for _, path := range left {
			_ = os.RemoveAll(path)
		}
	}
}

// Defer has Close call end first, the last one given before the others: for what keeps workers of its own.
func (b *Box) Defer(end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends = append(b.ends, end)
}

// Close ends what the Box keeps running; no command may run or be started then.
func (b *Box) Close() {
	b.mu.Lock()
	ends := b.ends
	b.mu.Unlock()
	for _, end := range slices.Backward(ends) {
		end()
	}
	close(b.starter)
	b.cgroups.close()
}

// Kind is how programs are fenced in here.
func (b *Box) Kind() Kind { return b.kind }

// Egress is whom commands that are Online may call; nil for nobody.
func (b *Box) Egress() *egress.Policy { return b.config.Egress }

// Cgroup is the version of the control groups that bound memory and processes, "v1" or "v2"; "watch" where the Box looks
// after them itself.
func (b *Box) Cgroup() string { return b.cgroups.version() }

// File returns the path of a file of the tools folder, such as a WebAssembly module, and whether it is there.
func (b *Box) File(name string) (string, bool) {
	path := filepath.Join(b.config.Tools, name)
	info, err := os.Stat(path)
	return path, b.config.Tools != "" && err == nil && info.Mode().IsRegular()
}

// Folder makes a private folder that is there until Close. After a kill it goes when the next Box has the same Scratch.
func (b *Box) Folder() (string, error) {
	dir, err := os.MkdirTemp(b.config.Scratch, "tool-")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	b.Defer(func() { _ = os.RemoveAll(dir) })
	return dir, nil
}

// Cache is a folder of this user for what can be made again, such as compiled code; "" if there is none.
func (b *Box) Cache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "gantry")
}

// Has reports whether there is a program of that name. It does not run it.
func (b *Box) Has(file string) bool {
	return lookup(file) != "" || b.config.Tools != "" && runnable(filepath.Join(b.config.Tools, "bin", file))
}

// trial bounds one look at whether a fence works.
const trial = 5 * time.Second

// choose picks the first kind under which a harmless program runs.
func (b *Box) choose(ctx context.Context) {
	b.bwrap = lookup("bwrap")
	for _, kind := range []Kind{Bubblewrap, Landlock, Unsandboxed} {
		if b.config.Sandbox != "" && b.config.Sandbox != kind || kind == Unsandboxed && !b.config.Unsandboxed {
			continue
		}
		for _, spaces := range namespaces(kind) {
			b.kind, b.spaces = kind, spaces
			if b.tries(ctx) == nil {
				return
			}
		}
	}
	b.kind = Refused
}

func (b *Box) tries(ctx context.Context) error {
	if b.kind == Bubblewrap && b.bwrap == "" {
		return errors.New("bubblewrap is not installed")
	}
	ctx, cancel := context.WithTimeout(ctx, trial)
	defer cancel()
	outcome, err := b.Command(Tool{Name: "true", Path: lookup("true")}, "").Run(ctx)
	return errors.Join(err, outcome.Err())
}

// refusal is why no command runs.
func refusal() error {
	return engine.Errorf(engine.Unavailable, "This server cannot fence in external programs, so it does not run them: "+
		"its operator can install bubblewrap, or allow programs without a fence with --unsandboxed-tools.")
}
