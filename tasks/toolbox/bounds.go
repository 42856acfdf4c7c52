package toolbox

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Bounds are what a command may take. A field that is zero has the value of the Box's own Bounds.
type Bounds struct {
	Wall      time.Duration // from start to end
	CPU       time.Duration // of one process; twice Wall on every core where it is not given
	File      int64         // bytes of the largest file it may write
	Folder    int64         // bytes on disk of all files in its folder
	Memory    int64         // bytes of all its processes
	Processes int           // at a time, threads counting where control groups are at work
	Files     int           // open at a time in one process
}

// DefaultBounds returns 5 hours, 10 GiB for a file, 20 GiB in the folder, 4 GiB of memory, 512 processes, 256 open files.
func DefaultBounds() Bounds {
	return Bounds{Wall: 5 * time.Hour, File: 10 << 30, Folder: 20 << 30, Memory: 4 << 30, Processes: 512, Files: 256}
}

func (b Bounds) or(other Bounds) Bounds {
	b = Bounds{
		Wall: cmp.Or(b.Wall, other.Wall), CPU: cmp.Or(b.CPU, other.CPU),
		File: cmp.Or(b.File, other.File), Folder: cmp.Or(b.Folder, other.Folder),
		Memory: cmp.Or(b.Memory, other.Memory), Processes: cmp.Or(b.Processes, other.Processes),
		Files: cmp.Or(b.Files, other.Files),
	}
	return b
}

// processor is the bound of one process's time on the processor.
func (b Bounds) processor() time.Duration {
	return cmp.Or(b.CPU, 2*b.Wall*time.Duration(runtime.NumCPU()))
}

// Bound names one of the Bounds.
type Bound string

// The bounds that can end a command.
const (
	BoundWall      Bound = "time"
	BoundCPU       Bound = "processor time"
	BoundFile      Bound = "file size"
	BoundFolder    Bound = "folder size"
	BoundMemory    Bound = "memory"
	BoundProcesses Bound = "processes"
)

// exceeded is the error of a command that met a bound. A file that takes too long once takes too long again, so a timeout is
// marked as one that is not tried anew.
func (b Bounds) exceeded(met Bound, tool string) error {
	switch met {
	case BoundWall:
		return engine.Wrap(engine.ErrTimedOut, engine.Timeout, "%s took longer than %s for this file.", tool, b.Wall)
	case BoundCPU:
		return engine.Wrap(engine.ErrTimedOut, engine.Timeout, "%s took more than %s of processor time for this file.", tool, b.processor())
	case BoundFile:
		return engine.Errorf(engine.TooLarge, "%s would have written a file larger than %s.", tool, size(b.File))
	case BoundFolder:
		return engine.Errorf(engine.TooLarge, "%s would have written files of more than %s.", tool, size(b.Folder))
	case BoundProcesses:
		return engine.Errorf(engine.TooLarge, "%s started more than %d processes for this file.", tool, b.Processes)
	}
	return engine.Errorf(engine.TooLarge, "%s needed more than %s of memory for this file.", tool, size(b.Memory))
}

func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
