package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc (see proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// spent is a process with the processor time that it and its children that have ended took.
type spent struct {
	parent int
	time   time.Duration
}

// processes are all of the machine.
func processes() map[int]spent {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	all := map[int]spent{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var pid, parent int
		var skip string
		var user, system, children, childrenSystem int64
		_, _ = fmt.Sscan(string(text), &pid)
		fields := string(text[strings.LastIndexByte(string(text), ')')+1:])
		if n, _ := fmt.Sscan(fields, &skip, &parent, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip,
			&user, &system, &children, &childrenSystem); n == 15 {
			all[pid] = spent{parent, time.Duration(user+system+children+childrenSystem) * tick}
		}
	}
	return all
}

// processorTime is what the processes took with all that they have started.
func processorTime(pids ...int) (sum time.Duration) {
	all := processes()
	counted := map[int]bool{}
	for len(pids) > 0 {
		pid := pids[0]
		pids = pids[1:]
		if counted[pid] {
			continue
		}
		counted[pid] = true
		sum += all[pid].time
		for child, p := range all {
			if p.parent == pid {
				pids = append(pids, child)
			}
		}
	}
	return sum
}

// serverTime is the processor time that a server took which a script has started. What a child took is missing where nobody
// waited for its end, as with OpenSSH's connections that the client closes.
func (s *suite) serverTime(name string) time.Duration {
	files, _ := filepath.Glob(filepath.Join(s.dir, name, "run", "*.pid")) // the pattern is well-formed
	var pids []int
	for _, file := range files {
		var pid int
		text, err := os.ReadFile(file)
		if n, _ := fmt.Sscan(string(text), &pid); err == nil && n == 1 {
			pids = append(pids, pid)
		}
	}
	return processorTime(pids...)
}
