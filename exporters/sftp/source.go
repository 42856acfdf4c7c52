package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// source reads files from one server.
type source struct {
	*server
	root string // empty: all that the user may read
}

func openSource(env exporters.Env, p ReadParams) (*source, error) {
	s, err := newServer(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &source{s, p.Root}, nil
}

// ofOurs are the temporary names of deliveries.
var ofOurs = regexp.MustCompile(`^\..*\.[0-9a-f-]{36}-[0-9]+\.(part|old)$`)

// there is the path that the server is asked for.
func there(name string) string {
	if name = strings.TrimPrefix(name, "~/"); name == "" {
		return "."
	}
	return name
}

const (
	answerTime = time.Minute      // for one answer of the server
	folderTime = 10 * time.Minute // for all of one folder
)

// answered returns a context that ends when the server has not answered in time.
func answered(ctx context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, within, engine.Errorf(engine.Timeout, "%s did not answer in time.", who))
}

// Stat implements exporters.Source.
func (s *source) Stat(ctx context.Context, name string) (o exporters.Object, err error) {
	ctx, stop := answered(ctx, answerTime)
	defer stop()
	err = s.with(ctx, func(c *session) error {
		at, err := s.at(ctx, c, name)
		if err != nil {
			return err
		}
		info, err := c.Stat(at)
		switch {
		case err != nil:
			return fault(ctx, err, fmt.Sprintf("read %q", name))
		case info.IsDir():
			return engine.Wrap(exporters.ErrFolder, engine.NotFound,
				"%q is a folder at the SFTP server; the path parameter imports what is in it.", name)
		case !info.Mode().IsRegular():
			return engine.Errorf(engine.Invalid, "%q is no file at the SFTP server, but a device, a pipe or the like.", name)
		}
		o = objectOf(name, info)
		return nil
	})
	return o, err
}

func objectOf(name string, info fs.FileInfo) exporters.Object {
	return exporters.Object{Name: name, Size: info.Size(), Version: fmt.Sprintf("%d-%d", info.ModTime().Unix(), info.Size())}
}

// List implements exporters.Source. Links to files are files; those to folders are left out, since they may go in circles.
func (s *source) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	dir, start := path.Split(prefix)
	return s.with(ctx, func(c *session) error { return s.walk(ctx, c, dir, start, yield) })
}

// walk lists the files of a folder, which is empty or ends in a slash, whose names begin with start, and those of the
// folders in it.
func (s *source) walk(ctx context.Context, c *session, dir, start string, yield func(exporters.Object) error) error {
	listing, stop := answered(ctx, folderTime)
	defer stop()
	at, err := s.at(listing, c, dir)
	if err != nil {
		return err
	}
	entries, err := c.ReadDirContext(listing, at)
	if err != nil {
		return fault(listing, err, fmt.Sprintf("list %q", dir))
	}
	if err := s.still(listing, c, dir, at); err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.FileInfo) bool {
		return !strings.HasPrefix(e.Name(), start) || ofOurs.MatchString(e.Name()) || strings.Contains(e.Name(), "/")
	})
	slices.SortFunc(entries, func(a, b fs.FileInfo) int { return strings.Compare(inOrder(a), inOrder(b)) })
	for _, e := range entries {
		name := dir + e.Name()
		if e.Mode()&fs.ModeSymlink != 0 {
			to, err := s.through(ctx, c, name)
			if err != nil || !to.Mode().IsRegular() {
				continue // leads nowhere, out of the root, or not to a file
			}
			e = to
		}
		switch {
		case e.IsDir():
			err = s.walk(ctx, c, name+"/", "", yield)
		case e.Mode().IsRegular():
			err = yield(objectOf(name, e))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// through is what a link leads to.
func (s *source) through(ctx context.Context, c *session, name string) (fs.FileInfo, error) {
	at, err := s.at(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return c.Stat(at)
}

// inOrder is what an entry is ordered by, so that the names of all files are in order.
func inOrder(e fs.FileInfo) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// Open implements exporters.Source.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	c, err := s.take(ctx)
	if err != nil {
		return exporters.Content{}, err
	}
	r := &reader{ctx: ctx, source: s, session: c, offset: offset, stop: context.AfterFunc(ctx, c.close)}
	if err := r.open(ctx, o); err != nil {
		r.Close()
		return exporters.Content{}, err
	}
	return exporters.Content{ReadCloser: r}, nil
}

// piece is what is asked for at once; the library sends for its parts without waiting in between.
const piece = 1 << 20

// reader reads one file on a connection of its own.
type reader struct {
	ctx     context.Context //nolint:containedctx // of the one transfer that this is
	source  *source
	session *session
	file    *sftp.File
	stop    func() bool
	offset  int64
	buffer  []byte
	rest    []byte // of buffer
	err     error
	busy    atomic.Bool // something is asked of the connection, or it is broken
	closing sync.Once
}

// open opens the file and compares it with what it was.
func (r *reader) open(ctx context.Context, o exporters.Object) (err error) {
	ctx, stop := answered(ctx, answerTime)
	defer stop()
	defer context.AfterFunc(ctx, r.session.close)()
	r.busy.Store(true)
	if r.file, err = r.source.open(ctx, r.session, o.Name); err != nil {
		return err
	}
	info, err := r.file.Stat()
	if err != nil {
		return fault(ctx, err, fmt.Sprintf("read %q", o.Name))
	}
	r.busy.Store(false)
	if o.Version != "" && objectOf(o.Name, info).Version != o.Version {
		return engine.Errorf(engine.Conflict, "%q has changed at the SFTP server while it was imported.", o.Name)
	}
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.err == nil {
		if r.buffer == nil {
			r.buffer = make([]byte, piece)
		}
		var n int
		r.busy.Store(true)
		n, r.err = r.file.ReadAt(r.buffer, r.offset)
		r.busy.Store(r.err != nil && !errors.Is(r.err, io.EOF))
		r.offset, r.rest = r.offset+int64(n), r.buffer[:n]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	switch {
	case len(r.rest) > 0 || r.err == nil:
		return n, nil
	case errors.Is(r.err, io.EOF):
		return n, io.EOF
	}
	return n, fault(r.ctx, r.err, "read a file")
}

// Close implements io.Closer. A Read under way, which may wait for a server that is silent, ends with the connection: closing
// the file would wait for that Read.
func (r *reader) Close() error {
	r.closing.Do(func() {
		if !r.stop() || r.busy.Load() || r.file.Close() != nil {
			r.session.close()
			return
		}
		r.source.put(r.session)
	})
	return nil
}
