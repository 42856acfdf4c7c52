package office

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// When a worker is replaced by a fresh one, and when it ends because nobody needs it.
const (
	maxDocuments = 100
	maxMemory    = 600 << 20
	maxAge       = time.Hour
	maxIdle      = 10 * time.Minute
)

// workers keeps some workers alive. It is safe for concurrent use.
type workers struct {
	box     *toolbox.Box
	program string // the folder of LibreOffice's libraries
	dir     string
	slots   chan struct{}

	mu     sync.Mutex
	idle   []*worker // the one used last is last
	failed int       // starts in a row
	closed bool
}

func newWorkers(box *toolbox.Box, program, dir string) *workers {
	return &workers{box: box, program: program, dir: dir, slots: make(chan struct{}, poolSize())}
}

// poolSize is a worker a core, as far as the memory allows.
func poolSize() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 1
	}
	return max(1, min(runtime.NumCPU(), int(uint64(info.Totalram)*uint64(info.Unit)/maxMemory)))
}

// maxFailed is how many starts may fail in a row before no more is tried.
const maxFailed = 3

// usable reports whether asking for a worker is worth it.
func (p *workers) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed < maxFailed && !p.closed
}

// take returns a worker that is ready, and waits while all are busy. Hand it to put.
func (p *workers) take(ctx context.Context) (*worker, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if w := p.pop(); w != nil {
		return w, nil
	}
	w, err := startWorker(ctx, p.box, p.program, p.dir)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.failed = 0
	case ctx.Err() == nil:
		p.failed++
	}
	if err != nil {
		<-p.slots
	}
	return w, err
}

// pop takes the worker that was used last and is still alive.
func (p *workers) pop() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		w.idle.Stop()
		select {
		case <-w.ended:
			go w.stop()
		default:
			return w
		}
	}
	return nil
}

// put takes a worker back, and replaces it when it is worn.
func (p *workers) put(w *worker, fit bool) {
	if fit && (w.shaken || w.documents >= maxDocuments || w.memory > maxMemory || time.Since(w.born) > maxAge) {
		go p.renew(w)
		return
	}
	if !fit || !p.keep(w) {
		w.stop()
	}
	<-p.slots
}

// renew starts a fresh worker in place of a worn one, so that no document has to wait for it.
func (p *workers) renew(w *worker) {
	defer func() { <-p.slots }()
	w.stop()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	if fresh, err := startWorker(ctx, p.box, p.program, p.dir); err == nil && !p.keep(fresh) {
		fresh.stop()
	}
}

func (p *workers) keep(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	w.idle = time.AfterFunc(maxIdle, func() { p.dismiss(w) })
	p.idle = append(p.idle, w)
	return true
}

// dismiss ends a worker that was idle for long.
func (p *workers) dismiss(w *worker) {
	p.mu.Lock()
	at := slices.Index(p.idle, w)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	p.mu.Unlock()
	if at >= 0 {
		w.stop()
	}
}

// close ends all workers. Those that are busy end when their documents are done.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.idle.Stop()
		w.stop()
	}
	for range cap(p.slots) { // whoever has a worker puts it back
		p.slots <- struct{}{}
	}
}

// inputBar is a part of Calc's window that it does not open a document without, even where nobody looks. Packages without
// windows leave it out.
const inputBar = "../share/config/soffice.cfg/modules/scalc/ui/inputbar.ui"

// opens reports whether workers can open documents of a kind.
func (p *workers) opens(k kind) bool {
	if k != sheet {
		return true
	}
	_, err := os.Stat(filepath.Join(p.program, inputBar))
	return err == nil
}

// libraries returns the folder of LibreOffice's libraries, or "" where there is none: it is beside the program.
func libraries(soffice toolbox.Tool) string {
	path, err := filepath.EvalSymlinks(soffice.Path)
	if err != nil {
		return ""
	}
	for _, name := range []string{"libsofficeapp.so", "libmergedlo.so"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), name)); err == nil {
			return filepath.Dir(path)
		}
	}
	return ""
}

func copyFile(from, to string) error {
	src, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}
