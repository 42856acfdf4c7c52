package engine

import (
	"errors"
	"io"
	"os"
	"sync"
)

// workDirs are the private folders of running tasks. To make and remove one waits for the file system's journal, and so
// for other people's fsyncs; most tasks leave theirs empty, and the next task may have it.
type workDirs struct {
	mu    sync.Mutex
	empty []string
}

// take returns an empty folder below parent that nobody else uses.
func (d *workDirs) take(parent string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.empty); n > 0 {
		dir := d.empty[n-1]
		d.empty = d.empty[:n-1]
		return dir, nil
	}
	return os.MkdirTemp(parent, "task-")
}

// giveBack removes the folder with all it holds, or keeps it for the next task if it holds nothing.
func (d *workDirs) giveBack(dir string) {
	if !isEmpty(dir) {
		_ = os.RemoveAll(dir) // what cannot be removed goes at the next start
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.empty = append(d.empty, dir)
}

func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
