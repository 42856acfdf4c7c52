package toolbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// launcherName is what this program is called when it is to become another one.
const launcherName = "gantry-launch"

// launch is what a launcher is told, in its only argument.
type launch struct {
	Path      string
	Args      []string
	Ready     int // file to wait on for a byte
	Bounds    Bounds
	Processes int      // of the user
	Fence     bool     // restrict the files that can be reached to the following
	Read      []string // files and folders
	Write     []string // folders
	Offline   bool     // close the network by refusing sockets
	Forward   bool     // serve ProxyAddress and stay, with the program as a child
	Extra     int      // files to hand on, from 3
}

// noCollection keeps a launcher, which lives for some milliseconds, from clearing up after itself; the program does not get it.
const noCollection = "GOGC=off"

// Launch turns the process into what a Box wants it to be, if a Box started it as a launcher, and does not return then. A
// program that uses a Box calls it first, its tests in TestMain.
func Launch() {
	if len(os.Args) != 2 || filepath.Base(os.Args[0]) != launcherName {
		return
	}
	var l launch
	err := json.Unmarshal([]byte(os.Args[1]), &l)
	if err == nil && l.Forward {
		err = l.forward()
	} else if err == nil {
		err = l.become()
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", launcherName, err)
	os.Exit(126)
}

// launched is the command of the own program around c.
func (c *Command) launched(p *process, pipes *pipes) (*exec.Cmd, error) {
	var err error
	if p.scratch, err = os.MkdirTemp(c.box.config.Scratch, "tool-"); err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	if _, err = pipes.toChild(); err != nil {
		return nil, err
	}
	l := launch{
		Path: c.Tool.Path, Args: c.Args, Ready: pipes.first, Bounds: p.bounds, Processes: c.countable(p.bounds.Processes),
		Fence: c.box.kind == Landlock, Write: []string{p.scratch}, Read: []string{c.box.config.Tools},
		Offline: c.box.kind == Landlock && c.box.spaces&syscall.CLONE_NEWNET == 0,
	}
	for _, b := range c.binds {
		l.Read = append(l.Read, b.from)
	}
	if c.dir != "" {
		l.Write = append(l.Write, c.dir)
	}
	spec, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("describe the program: %w", err)
	}
	cmd := &exec.Cmd{
		Path: c.box.self, Args: []string{launcherName, string(spec)}, Env: append(c.env(p.scratch), noCollection), Dir: c.dir,
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

// become restricts the process and turns it into the program.
func (l launch) become() error {
	runtime.LockOSThread() // what follows belongs to a thread, and the program to the one that calls exec
	if err := l.wait(); err != nil {
		return err
	}
	if err := bound(0, l.Bounds, l.Processes); err != nil {
		return err
	}
	if l.Fence {
		if err := l.fence(); err != nil {
			return err
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool { return pair == noCollection })
	return fmt.Errorf("start %s: %w", l.Path, syscall.Exec(l.Path, append([]string{l.Path}, l.Args...), env))
}

// wait lets the Box bound this process from outside first.
func (l launch) wait() error {
	ready := os.NewFile(uintptr(l.Ready), "ready")
	defer ready.Close()
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("wait for the start: %w", err)
	}
	return nil
}

// readable is what a program sees of the machine behind Landlock, and a few files that C libraries want.
var readable = []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/fonts", "/etc/alternatives", "/etc/ld.so.cache", "/etc/mime.types",
	"/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/libreoffice", "/etc/chromium.d", "/etc/ghostscript",
	"/var/lib/ghostscript", "/var/lib/libreoffice", "/var/spool/libreoffice", "/var/cache/fontconfig", "/dev/urandom", "/dev/random",
	"/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"}

// fence leaves the program the machine's programs, its own folder and its inputs, no privileges and no network.
func (l launch) fence() error {
	if err := dropCapabilities(); err != nil {
		return err
	}
	if l.Offline {
		if err := refuseSockets(); err != nil {
			return fmt.Errorf("close the network: %w", err)
		}
	}
	var allowed []allowance
	for _, path := range append(l.Read, readable...) {
		if path != "" {
			allowed = append(allowed, allowance{path, landlockRead})
		}
	}
	for _, path := range append(l.Write, "/dev/null", "/dev/zero", "/dev/full") {
		allowed = append(allowed, allowance{path, landlockWrite})
	}
	return restrict(allowed)
}

// dropCapabilities takes from the thread what root can do beyond others, for good.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	for capability := range uintptr(64) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			break // past the last one, or nothing to drop them with, and so nothing to drop
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
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
