package toolbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// cgroups makes control groups, where this process may. A nil one makes none.
type cgroups struct {
	v2     bool
	memory string // folder in which groups are made
	pids   string // the same one with v2; "" if that controller is not ours
	next   atomic.Int64
}

// cgroupPrefix begins the name of each of our groups; the process's number follows.
const cgroupPrefix = "gantry-"

// findCgroups looks whether control groups are delegated to this process, in the second version or the first.
func findCgroups() *cgroups {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	own := ownGroups(string(text))
	if dir, ok := own[""]; ok {
		if c := delegated(filepath.Join("/sys/fs/cgroup", dir)); c != nil {
			return c
		}
	}
	c := &cgroups{memory: controller("memory", own), pids: controller("pids", own)}
	if c.memory == "" {
		return nil
	}
	return c
}

// ownGroups reads /proc/self/cgroup: by controller in the first version, under "" for the second.
func ownGroups(text string) map[string]string {
	own := map[string]string{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, name := range strings.Split(parts[1], ",") {
			own[name] = parts[2]
		}
	}
	return own
}

// controller returns the folder of a controller of the first version if groups can be made in it.
func controller(name string, own map[string]string) string {
	dir, ok := own[name]
	if !ok {
		return ""
	}
	dir = filepath.Join("/sys/fs/cgroup", name, dir)
	sweep(dir)
	probe := filepath.Join(dir, fmt.Sprintf("%s%d-probe", cgroupPrefix, os.Getpid()))
	if os.Mkdir(probe, 0o755) != nil || os.Remove(probe) != nil {
		return ""
	}
	return dir
}

// delegated makes use of a group of the second version that was handed to this process alone, as systemd's Delegate=yes
// does: the process moves into a group below it, for only then may the others have controllers.
func delegated(dir string) *cgroups {
	sweep(dir)
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	self := strconv.Itoa(os.Getpid())
	if err != nil || strings.TrimSpace(string(procs)) != self {
		return nil
	}
	leaf := filepath.Join(dir, cgroupPrefix+self+"-server")
	if os.Mkdir(leaf, 0o755) != nil {
		return nil
	}
	if write(leaf, "cgroup.procs", self) != nil || write(dir, "cgroup.subtree_control", "+memory +pids") != nil {
		_ = write(dir, "cgroup.procs", self)
		_ = os.Remove(leaf)
		return nil
	}
	return &cgroups{v2: true, memory: dir, pids: dir}
}

// sweep removes what processes that were killed left behind. The kernel refuses to remove a group in use.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, cgroupPrefix+"*"))
	for _, path := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), cgroupPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && pid != os.Getpid() && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.Remove(path)
		}
	}
}

func (c *cgroups) version() string {
	switch {
	case c == nil:
		return "watch"
	case c.v2:
		return "v2"
	}
	return "v1"
}

func (c *cgroups) close() {
	if c == nil || !c.v2 {
		return
	}
	_ = write(c.memory, "cgroup.subtree_control", "-memory -pids")
	_ = write(c.memory, "cgroup.procs", strconv.Itoa(os.Getpid()))
	_ = os.Remove(filepath.Join(c.memory, cgroupPrefix+strconv.Itoa(os.Getpid())+"-server"))
}

// cgroup is the control group of one program; nil when there is none.
type cgroup struct {
	v2   bool
	dirs []string // of memory, then of pids
}

// make makes a group with the bounds, or none when that fails: the Box then watches by itself.
func (c *cgroups) make(b Bounds) *cgroup {
	if c == nil {
		return nil
	}
	name := fmt.Sprintf("%s%d-%d", cgroupPrefix, os.Getpid(), c.next.Add(1))
	g := &cgroup{v2: c.v2, dirs: []string{filepath.Join(c.memory, name)}}
	if c.pids != "" && c.pids != c.memory {
		g.dirs = append(g.dirs, filepath.Join(c.pids, name))
	}
	for _, dir := range g.dirs {
		if os.Mkdir(dir, 0o755) != nil {
			g.remove()
			return nil
		}
	}
	if g.limit(b) != nil {
		g.remove()
		return nil
	}
	return g
}

func (g *cgroup) limit(b Bounds) error {
	memory, pids := strconv.FormatInt(b.Memory, 10), g.dirs[len(g.dirs)-1]
	if g.v2 || len(g.dirs) > 1 {
		if err := write(pids, "pids.max", strconv.Itoa(b.Processes)); err != nil {
			return err
		}
	}
	if !g.v2 {
		err := write(g.dirs[0], "memory.limit_in_bytes", memory)
		_ = write(g.dirs[0], "memory.memsw.limit_in_bytes", memory) // absent on machines without swap
		return err
	}
	_ = write(g.dirs[0], "memory.swap.max", "0")
	_ = write(g.dirs[0], "memory.oom.group", "1")
	return write(g.dirs[0], "memory.max", memory)
}

func (g *cgroup) add(pid int) error {
	if g == nil {
		return nil
	}
	for _, dir := range g.dirs {
		if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("put the program into its control group: %w", err)
		}
	}
	return nil
}

// met is the bound at which the kernel stopped the program, if it did.
func (g *cgroup) met() Bound {
	if g == nil {
		return ""
	}
	events := map[bool]string{true: "memory.events", false: "memory.oom_control"}[g.v2]
	switch {
	case count(g.dirs[0], events, "oom_kill") > 0:
		return BoundMemory
	case count(g.dirs[len(g.dirs)-1], "pids.events", "max") > 0:
		return BoundProcesses
	}
	return ""
}

// count reads the number behind a word.
func count(dir, file, word string) int {
	text, _ := os.ReadFile(filepath.Join(dir, file))
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == word {
			n, _ := strconv.Atoi(value)
			return n
		}
	}
	return 0
}

// kill ends every process of the group, at once where the kernel can: the second version since 5.14.
func (g *cgroup) kill() {
	if g == nil || g.v2 && write(g.dirs[0], "cgroup.kill", "1") == nil {
		return
	}
	text, _ := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
	for _, word := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 1 { // 0 is one that this process cannot see
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// remove removes the group. The kernel refuses while a process of it is still ending; one that outlasts this goes at the
// next start.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	for _, dir := range g.dirs {
		for range 500 {
			if err := os.Remove(dir); !errors.Is(err, syscall.EBUSY) {
				break
			}
			g.kill()
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func write(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}
