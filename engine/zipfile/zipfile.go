// Package zipfile writes the ZIP archives of exports: sizes and checksums in every header, compressed on all cores,
// the same bytes for the same input. It does not read archives.
package zipfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"time"
)

// Entry is one file of an archive.
type Entry struct {
	Name  string // as Clean and Unique return it
	Size  int64  // in bytes; Write fails when Open yields fewer or more
	Store bool   // do not deflate, see Compressed

	// Open returns the content from its start. It is called once, for one entry at a time, from another goroutine
	// than Write's. A Read that waits must end when ctx does.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Options are the choices of one archive. The zero value stands for the defaults.
type Options struct {
	Time    time.Time // of every entry, written as UTC in steps of two seconds; default 1980-01-01, the oldest there is
	Workers int       // how many blocks are deflated at once; default GOMAXPROCS
}

// Write writes an archive of entries, in their order, to w from where it stands. It needs to seek because the size
// and the checksum of an entry become known after its content and belong before it: some readers cannot do without.
// Offsets count from w's own start. The bytes depend on entries and Time alone, not on Workers. ZIP64 (APPNOTE
// 6.3.9) is used where, and only where, the older fields could not hold a value.
//
// Names must differ and be safe, which is checked first. When ctx ends, Write fails with its cause. When Write
// fails, what was written is no archive. It returns after all its goroutines have ended and all that it opened is
// closed.
//
// Memory is bounded by about 2.1 MiB × (Workers + 1) for blocks and 1 MiB × Workers for tables, some 9 MiB on two
// cores, and some 100 bytes an entry, whatever the sizes.
func Write(ctx context.Context, w io.WriteSeeker, entries []Entry, options Options) error {
	if err := check(entries); err != nil {
		return err
	}
	start, err := w.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("zipfile: find the position of the archive: %w", err)
	}
	a := &archive{
		w: w, out: bufio.NewWriterSize(w, 64<<10), offset: start,
		entries: entries, records: make([]record, 0, len(entries)), time: toDOS(options.Time),
	}
	if err := a.writeEntries(ctx, options.Workers); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return a.writeDirectory()
}

func check(entries []Entry) error {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
		if Clean(e.Name) != e.Name || len(e.Name) > math.MaxUint16 {
			return fmt.Errorf("zipfile: %.200q is not a safe entry name", e.Name)
		}
		if e.Size < 0 {
			return fmt.Errorf("zipfile: %q: size %d", e.Name, e.Size)
		}
	}
	for i, name := range Unique(names) {
		if name != names[i] {
			return fmt.Errorf("zipfile: two entries would become one: %q", names[i])
		}
	}
	return nil
}

// archive is the writing end. offset is where the next byte goes, counted from the start of w.
type archive struct {
	w       io.WriteSeeker
	out     *bufio.Writer
	offset  int64
	entries []Entry
	records []record
	time    dosTime
}

// writeEntries reads and deflates in the background and writes the blocks in their order here.
func (a *archive) writeEntries(ctx context.Context, workers int) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := startPipeline(ctx, a.entries, workers)
	defer p.wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b, more := <-p.ordered:
			if !more {
				return p.err
			}
			<-b.done
			if err := a.writeBlock(b); err != nil {
				return err
			}
			p.free <- b
		}
	}
}

func (a *archive) writeBlock(b *block) error {
	if b.err != nil {
		return fmt.Errorf("zipfile: deflate %q: %w", a.entries[b.entry].Name, b.err)
	}
	if b.first {
		a.records = append(a.records, newRecord(a.entries[b.entry], a.offset))
	}
	r := &a.records[b.entry]
	r.compressed += int64(len(b.out))
	if b.last {
		r.crc = b.crc
	}
	if b.first {
		// Final when the entry is this one block, else a placeholder of the same length.
		if err := a.write(r.local(a.entries[b.entry], a.time)); err != nil {
			return err
		}
	}
	if err := a.write(b.out); err != nil {
		return err
	}
	if b.last && !b.first {
		return a.patch(r.offset, r.local(a.entries[b.entry], a.time))
	}
	return nil
}

func (a *archive) write(p []byte) error {
	n, err := a.out.Write(p)
	a.offset += int64(n)
	if err != nil {
		return fmt.Errorf("zipfile: write: %w", err)
	}
	return nil
}

// patch writes p at an earlier offset and returns to the end.
func (a *archive) patch(offset int64, p []byte) error {
	err := a.out.Flush()
	if err == nil {
		_, err = a.w.Seek(offset, io.SeekStart)
	}
	if err == nil {
		_, err = a.w.Write(p)
	}
	if err == nil {
		_, err = a.w.Seek(a.offset, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("zipfile: complete a header: %w", err)
	}
	return nil
}

func (a *archive) writeDirectory() error {
	start := a.offset
	for i, r := range a.records {
		if err := a.write(r.central(a.entries[i], a.time)); err != nil {
			return err
		}
	}
	if err := a.write(end(len(a.records), start, a.offset-start)); err != nil {
		return err
	}
	if err := a.out.Flush(); err != nil {
		return fmt.Errorf("zipfile: write: %w", err)
	}
	return nil
}

// errLong and errShort tell that an entry's content is not of its Size.
var (
	errLong  = errors.New("there is more content than the size promised")
	errShort = errors.New("there is less content than the size promised")
)
