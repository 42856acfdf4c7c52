package engine

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Download is a file that may be handed out. Close it after use.
type Download struct {
	File
	ContentType string          // as which the file is sent; empty: its own media type
	Until       time.Time       // the link's end, zero if it has none; the file may be handed out to its end if it was begun before
	Bytes       io.ReadSeeker   // a bare *os.File where it is one
	Gone        <-chan struct{} // closed when the task or the stored file is deleted: stop sending

	close func()
}

// Close ends the download.
func (d *Download) Close() { d.close() }

// Download opens the file of that name to which the task shows a link. NotFound if the task or the file is gone or has no
// link: whether the signature is right is the caller's concern, whether it still counts is decided here.
func (e *Engine) Download(ctx context.Context, task ID, name string) (*Download, error) {
	gone, forget := e.gone.watch(task)
	f, until, err := e.Store.Reader.Downloadable(ctx, task, name)
	if err == nil && !e.now().Before(until) {
		err = Errorf(NotFound, "The link has expired.")
	}
	if err != nil {
		forget()
		return nil, err
	}
	src, err := e.Files.Open(ctx, f.Blob)
	if err != nil {
		forget()
		return nil, err
	}
	return &Download{File: f, Until: until, Bytes: src, Gone: gone, close: func() { src.Close(); forget() }}, nil
}

// watchers lets downloads know that what they are of was deleted.
type watchers struct {
	mu sync.Mutex
	on map[ID]map[chan struct{}]struct{}
}

func (w *watchers) watch(task ID) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on == nil {
		w.on = map[ID]map[chan struct{}]struct{}{}
	}
	if w.on[task] == nil {
		w.on[task] = map[chan struct{}]struct{}{}
	}
	w.on[task][ch] = struct{}{}
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.on[task], ch); len(w.on[task]) == 0 {
			delete(w.on, task)
		}
	}
}

// watched returns what somebody downloads.
func (w *watchers) watched() []ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.on))
}

func (w *watchers) close(task ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.on[task] {
		close(ch)
	}
	delete(w.on, task)
}
