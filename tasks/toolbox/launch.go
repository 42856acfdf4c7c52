package toolbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/tasks/toolbox/launcher"
)

// launched is the command of the own program, as a launcher, around c.
func (c *Command) launched(p *process, pipes *pipes) (*exec.Cmd, error) {
	var err error
	if p.scratch, err = os.MkdirTemp(c.box.config.Scratch, "tool-"); err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	if _, err = pipes.toChild(); err != nil {
		return nil, err
	}
	spec := launcher.Spec{
		Path: c.Tool.Path, Args: c.Args, Ready: pipes.first, Limits: c.limits(p.bounds),
		Fence: c.box.kind == Landlock, Write: []string{p.scratch}, Read: []string{c.box.config.Tools},
		Offline: c.box.kind == Landlock && c.box.spaces&syscall.CLONE_NEWNET == 0,
	}
	for _, b := range c.binds {
		spec.Read = append(spec.Read, b.from)
	}
	if c.dir != "" {
		spec.Write = append(spec.Write, c.dir)
	}
	cmd := &exec.Cmd{
		Path: c.box.self, Args: []string{launcher.Name, spec.Argument()}, Env: append(c.env(p.scratch), launcher.NoCollection), Dir: c.dir,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: c.box.spaces},
	}
	if c.dir == "" {
		cmd.Dir = p.scratch
	}
	if c.box.spaces&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 65534, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 65534, HostID: os.Getgid(), Size: 1}}
	}
	return cmd, nil
}

// namespaces are the sets to try for a kind, best first.
func namespaces(kind Kind) []uintptr {
	const spaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	if kind != Landlock {
		return []uintptr{0}
	}
	return []uintptr{spaces | syscall.CLONE_NEWUSER, spaces, 0}
}

// limits are what the kernel keeps a process of the program to.
func (c *Command) limits(b Bounds) []launcher.Limit {
	limits := []launcher.Limit{
		{Resource: unix.RLIMIT_CPU, Most: uint64(b.processor()/time.Second) + 1, Spare: 1},
		{Resource: unix.RLIMIT_FSIZE, Most: uint64(b.File)},
		{Resource: unix.RLIMIT_NOFILE, Most: uint64(b.Files)},
		{Resource: unix.RLIMIT_CORE},
	}
	if most := c.countable(b.Processes); most > 0 {
		limits = append(limits, launcher.Limit{Resource: unix.RLIMIT_NPROC, Most: uint64(most)})
	}
	return limits
}

// countable is how many processes the kernel is to let the user of the program have; 0 where it would not count well. In a
// user namespace it counts those of the namespace alone, elsewhere all that the user has. It never counts those of root.
func (c *Command) countable(most int) int {
	switch {
	case os.Getuid() == 0:
		return 0
	case c.box.kind == Bubblewrap || c.box.spaces&syscall.CLONE_NEWUSER != 0:
		if !countsBySpace() {
			return 0
		}
		return most
	}
	return most + threads(os.Getuid())
}

// threads counts what a user has running.
func threads(user int) (n int) {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range found {
		info, err := os.Stat(dir)
		if err != nil {
			continue // it has just ended
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == user {
			tasks, _ := os.ReadDir(filepath.Join(dir, "task"))
			n += len(tasks)
		}
	}
	return n
}

// countsBySpace reports whether the kernel counts processes by user namespace: since 5.14.
func countsBySpace() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	release := unix.ByteSliceToString(name.Release[:])
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major > 5 || major == 5 && minor >= 14
}
