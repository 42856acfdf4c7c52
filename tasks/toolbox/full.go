package toolbox

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/engine"
)

// leastRoom is what a disk has left, in bytes, when it counts as full.
const leastRoom = 64 << 10

// full is the error of a program that has ended and whose disk is full; nil where there was room. Many programs do not mind,
// and end well with half an output; others say so and remove what they wrote.
func (p *process) full(o Outcome) error {
	said := strings.ToLower(o.Messages)
	switch {
	case p.room() < leastRoom, o.Exit != 0 && strings.Contains(said, "disk quota exceeded"):
		return p.diskFull()
	case o.Exit == 0 || !strings.Contains(said, "no space left on device"):
		return nil
	case p.command.box.kind == Bubblewrap && p.room() >= p.bounds.Folder: // more than it may write there, so it was /tmp
		return p.bounds.exceeded(BoundMemory, p.command.Tool.Name)
	}
	return p.diskFull()
}

func (p *process) diskFull() error {
	return engine.Wrap(syscall.ENOSPC, engine.Unavailable,
		"The server's disk is full, so %s could not do its work: its operator has to make room.", p.command.Tool.Name)
}

// room is how many bytes the program can still write to disk, and very many where it writes to none.
func (p *process) room() int64 {
	room := int64(1 << 62)
	for _, dir := range []string{p.command.dir, p.scratch} {
		var s unix.Statfs_t
		if dir != "" && unix.Statfs(dir, &s) == nil && s.Blocks > 0 {
			room = min(room, int64(s.Bavail)*s.Bsize)
		}
	}
	return room
}
