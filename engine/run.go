package engine

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// Run is one attempt of a task as its handler sees it. It is valid until the handler returns; its methods may be called
// from several goroutines.
type Run struct {
	Ref
	Job  ID
	User UserID
	Name string // of the task
	Log  *slog.Logger

	operation Operation
	tool      string // that the task needs; empty if any worker can try
	offered   func() []Row

	files  Files
	reader Reader
	graph  Graph
	limits Limits

	workDir   string
	retryOf   ID
	leftovers Leftovers
	store     Store
	sealer    Sealer

	mu      sync.Mutex
	dir     string // empty until it is asked for
	created []BlobID
	noted   bool // there may be notes
}

// Dir returns a private folder, made when it is first asked for and removed with all it holds when the handler returns.
func (r *Run) Dir() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir != "" {
		return r.dir, nil
	}
	dir, err := os.MkdirTemp(r.workDir, "task-")
	if err != nil {
		return "", Wrap(err, Unavailable, "The server cannot make a work folder.")
	}
	r.dir = dir
	return dir, nil
}

// clean removes the folder. What cannot be removed goes at the next start.
func (r *Run) clean() {
	if r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
}

// Inputs returns what the task reads: each of its inputs in order with its files, then what arrived for it from outside.
func (r *Run) Inputs(ctx context.Context) ([]Input, error) { return r.reader.Inputs(ctx, r.Task) }

// Files returns the files of all inputs, in order. Without any it is an error with the code NoFiles; when an input was
// deleted since the task became ready, with the code InputFailed.
func (r *Run) Files(ctx context.Context) ([]File, error) {
	inputs, err := r.Inputs(ctx)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, in := range inputs {
		if in.Gone {
			return nil, Errorf(InputFailed, "An input was deleted while the task ran.")
		}
		if !in.Need {
			files = append(files, in.Files...)
		}
	}
	if len(files) == 0 {
		return nil, Errorf(NoFiles, "The input tasks have no files.")
	}
	return files, nil
}

// Open returns the bytes of a file from their beginning; each call is a reader of its own.
func (r *Run) Open(ctx context.Context, f File) (io.ReadSeekCloser, error) {
	return r.files.Open(ctx, f.Blob)
}

// Path returns a path of the file's bytes for programs that need one. They must not be changed. The path's own name is
// "in" with the extension ext (with its dot); it is inside Dir.
func (r *Run) Path(ctx context.Context, f File, ext string) (path string, err error) {
	parent, err := r.Dir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent, "in-")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "in"+ext)
	src, err := r.files.Open(ctx, f.Blob)
	if err != nil {
		return "", err
	}
	defer src.Close()
	if local, ok := src.(*os.File); ok && os.Link(local.Name(), path) == nil {
		return path, nil
	}
	dst, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(dst, src); err != nil {
		dst.Close()
		return "", err
	}
	return path, dst.Close()
}

// Create stores what r delivers as a file of the given name, which is cleaned. It is bounded by Limits.Transfer.
func (r *Run) Create(ctx context.Context, name string, src io.Reader) (File, error) {
	return r.note(r.files.Create(ctx, CleanName(name), &boundedReader{src: src, left: r.limits.Transfer}))
}

// Adopt stores a file of Dir under the given name, which is cleaned; the path is gone afterwards.
func (r *Run) Adopt(ctx context.Context, name, path string) (File, error) {
	return r.note(r.files.Adopt(ctx, CleanName(name), path))
}

// note remembers the blobs of this attempt, which the settlement names.
func (r *Run) note(f File, err error) (File, error) {
	if err == nil {
		r.mu.Lock()
		r.created = append(r.created, f.Blob)
		r.mu.Unlock()
	}
	return f, err
}

// Progress reports how far the work is, from 0 to 100, with an optional remark. It never blocks.
func (r *Run) Progress(percent int, message string) {
	r.graph.Progress(r.Ref, min(max(percent, 0), 99), message)
}

// Limits returns the limits of the server.
func (r *Run) Limits() Limits { return r.limits }

// boundedReader fails with TooLarge in place of the byte past its bound.
type boundedReader struct {
	src  io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, Errorf(TooLarge, "The file is larger than this server takes for one file.")
	}
	return n, err
}
