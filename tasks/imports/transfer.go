package imports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	atOnce      = 4 // objects of one task
	maxResumes  = 3 // in a row without a byte
	resumePause = time.Second
)

// transfer brings objects in, several at once.
type transfer struct {
	run     *engine.Run
	source  exporters.Source
	objects []exporters.Chosen
	name    string // given by the task; empty: the objects' own
	files   []engine.File

	total int64 // bytes, as far as they are known

	mu      sync.Mutex
	got     int64
	percent int
}

// all brings everything in. The first failure keeps the rest from starting.
func (t *transfer) all(ctx context.Context) error {
	if len(t.objects) > 1 && t.name != "" && !number.MatchString(t.name) {
		return engine.Errorf(engine.Invalid, "There are %d objects, and filename is one name for all. Leave it out, "+
			"or put %%d into it, which becomes the object's number.", len(t.objects))
	}
	for _, o := range t.objects {
		t.total += max(o.Size, 0)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(atOnce, len(t.objects)) {
		wg.Go(func() {
			for i := range next {
				if err := t.one(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := range t.objects {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

var number = regexp.MustCompile(`%(0[1-9])?d`)

func (t *transfer) one(ctx context.Context, i int) error {
	o := t.objects[i]
	d := &fetching{ctx: ctx, transfer: t, object: o.Object}
	defer d.close()
	f, err := t.run.Create(ctx, t.nameOf(i), d)
	if err == nil {
		err = d.compare(f)
	}
	if err != nil {
		return err
	}
	if t.name == "" {
		f.Dir = o.Dir
	}
	t.files[i] = f
	return nil
}

// nameOf returns what the file of an object is called, before it is cleaned.
func (t *transfer) nameOf(i int) string {
	if t.name == "" {
		return t.objects[i].Name
	}
	return number.ReplaceAllStringFunc(t.name, func(verb string) string { return fmt.Sprintf(verb, i+1) })
}

func (t *transfer) advance(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got += int64(n)
	if t.total == 0 {
		return
	}
	if percent := int(min(99, 100*t.got/t.total)); percent > t.percent {
		t.percent = percent
		t.run.Progress(percent, "")
	}
}

// fetching reads one object to its end. Where that breaks off it goes on at the same byte.
type fetching struct {
	ctx      context.Context
	transfer *transfer
	object   exporters.Object
	body     io.ReadCloser
	got      int64
	resumes  int    // since the last byte
	md5      string // of the whole, as the system said it; empty if it did not
	crc32c   string
}

func (f *fetching) close() {
	if f.body != nil {
		f.body.Close()
	}
}

// Read implements io.Reader. It ends without an error only when as many bytes came as the object has.
func (f *fetching) Read(p []byte) (int, error) {
	for {
		n, err := f.read(p)
		if n > 0 {
			f.got, f.resumes = f.got+int64(n), 0
			f.transfer.advance(n)
		}
		switch {
		case err == io.EOF && (f.object.Size < 0 || f.got == f.object.Size): //nolint:errorlint // only the bare EOF is an end
			return n, io.EOF
		case err == nil && n == 0:
			continue
		case err == nil:
			return n, nil
		case err == io.EOF: //nolint:errorlint // as above
			err = io.ErrUnexpectedEOF
		}
		if err = f.resume(err); err != nil || n > 0 {
			return n, err
		}
	}
}

// read reads what there is, and opens the object where it has to go on.
func (f *fetching) read(p []byte) (int, error) {
	if f.body == nil {
		content, err := f.transfer.source.Open(f.ctx, f.object, f.got)
		if err != nil {
			return 0, err
		}
		f.md5, f.crc32c = cmp.Or(f.md5, content.MD5), cmp.Or(f.crc32c, content.CRC32C)
		f.body = egress.IdleReader(content, f.transfer.run.Limits().Idle)
	}
	return f.body.Read(p)
}

// compare compares what arrived, in however many pieces, with what the system said of the whole.
func (f *fetching) compare(got engine.File) error {
	for _, sum := range []struct{ kind, got, want string }{{"CRC32C", got.CRC32C, f.crc32c}, {"MD5", got.MD5, f.md5}} {
		if sum.want != "" && sum.got != "" && sum.got != sum.want {
			return engine.Errorf(engine.Invalid, "%q arrived damaged: its %s is %s, and the storage system says %s. Import it once more.",
				f.object.Name, sum.kind, sum.got, sum.want)
		}
	}
	return nil
}

// resume decides whether to go on after err. It waits longer each time that nothing came in between.
func (f *fetching) resume(err error) error {
	f.close()
	f.body = nil
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	var known *engine.Error
	if !errors.As(err, &known) {
		known = engine.Wrap(err, engine.Unavailable, "The download of %q broke off after %d bytes.", f.object.Name, f.got)
	}
	over := f.object.Size >= 0 && f.got > f.object.Size
	if over || !engine.Retryable(known) || f.resumes >= maxResumes || known.RetryAfter > time.Minute {
		return known
	}
	f.resumes++
	select {
	case <-time.After(max(known.RetryAfter, resumePause<<(f.resumes-1))):
		return nil
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}
