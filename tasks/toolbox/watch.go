package toolbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How often a program is looked at.
const (
	lookAtMemory = 250 * time.Millisecond
	lookAtFolder = 4 // times less often
)

// maxEntries is how many files a program may have in its folder.
const maxEntries = 250_000

// watch ends the program when it meets one of the bounds that the kernel does not keep.
func (p *process) watch(done <-chan struct{}) {
	tick := time.NewTicker(lookAtMemory)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if met := p.look(n%lookAtFolder == 0); met != "" {
			p.exceed(met)
			return
		}
	}
}

func (p *process) look(folder bool) Bound {
	if p.cgroup == nil {
		pids := p.command.box.trees.below(p.first)
		if len(pids) > p.bounds.Processes {
			return BoundProcesses
		}
		if resident(pids) > p.bounds.Memory {
			return BoundMemory
		}
	} else if met := p.cgroup.met(); met == BoundProcesses { // the kernel refuses more, which may go on for ever
		return met
	}
	if folder && p.command.dir != "" {
		if m := measure(p.command.dir); m.bytes > p.bounds.Folder || m.entries > maxEntries {
			return BoundFolder
		}
	}
	return ""
}

// resident is the memory that the processes have for themselves. What they share with files is not counted, and what lies
// in a sandbox's own file systems is bounded by their size.
func resident(pids []int) int64 {
	var pages int64
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
		if err != nil {
			continue // it has just ended
		}
		words := strings.Fields(string(text))
		if len(words) > 2 {
			all, _ := strconv.ParseInt(words[1], 10, 64)
			shared, _ := strconv.ParseInt(words[2], 10, 64)
			pages += all - shared
		}
	}
	return pages * int64(os.Getpagesize())
}

// trees knows which process started which. One look serves all programs for a moment.
type trees struct {
	mu      sync.Mutex
	looked  time.Time
	parents map[int][]int // the children by parent, and by process group
}

// below returns a process and all that came from it and can still be told to have.
func (t *trees) below(root int) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) > lookAtMemory/2 {
		t.parents, t.looked = children(), time.Now()
	}
	seen, all := map[int]bool{root: true}, []int{root}
	for i := 0; i < len(all); i++ {
		for _, child := range t.parents[all[i]] {
			if !seen[child] {
				seen[child] = true
				all = append(all, child)
			}
		}
	}
	return all
}

func children() map[int][]int {
	found := map[int][]int{}
	entries, _ := os.ReadDir("/proc") // it cannot fail where anything works
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything; what follows it are the state, the parent, the group and the session.
		words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(words) < 4 {
			continue
		}
		for _, word := range words[1:4] {
			if of, _ := strconv.Atoi(word); of > 1 && of != pid {
				found[of] = append(found[of], pid)
			}
		}
	}
	return found
}

// measured is what a folder holds.
type measured struct {
	bytes   int64 // on disk
	largest int64 // in length
	entries int
}

// measure looks at a folder and follows no links. What vanishes meanwhile does not count.
func measure(dir string) measured {
	var m measured
	if dir == "" {
		return m
	}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if m.entries++; m.entries > maxEntries {
			return filepath.SkipAll
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			m.bytes += stat.Blocks * 512
		}
		m.largest = max(m.largest, info.Size())
		return nil
	})
	return m
}
