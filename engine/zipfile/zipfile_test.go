package zipfile_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gantry-engine/gantry/engine/zipfile"
)

const mebi = 1 << 20

// file is an io.WriteSeeker in memory.
type file struct {
	bytes  []byte
	offset int64
	seeks  int
}

func (f *file) Write(p []byte) (int, error) {
	f.bytes = append(f.bytes, make([]byte, max(0, int(f.offset)+len(p)-len(f.bytes)))...)
	n := copy(f.bytes[f.offset:], p)
	f.offset += int64(n)
	return n, nil
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		f.offset = offset
		f.seeks++
	}
	return f.offset, nil
}

func entry(name string, content []byte) zipfile.Entry {
	return zipfile.Entry{Name: name, Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

func stored(e zipfile.Entry) zipfile.Entry {
	e.Store = true
	return e
}

// prose returns n bytes that deflate well, within a block and across its border.
func prose(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var words []string
	for range 500 {
		words = append(words, fmt.Sprintf("%x", r.Uint32()))
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.Bytes()[:n]
}

// noise returns n bytes that do not deflate.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func write(t *testing.T, entries []zipfile.Entry, options zipfile.Options) []byte {
	t.Helper()
	var f file
	if err := zipfile.Write(t.Context(), &f, entries, options); err != nil {
		t.Fatal(err)
	}
	return f.bytes
}

// contents are files of every size that a block border makes special.
var contents = sync.OnceValue(func() map[string][]byte {
	return map[string][]byte{
		"empty": nil, "one byte": {7}, "small": []byte("hello"), "noise": noise(3*mebi + 5),
		"block less one": prose(mebi - 1), "block": prose(mebi), "block and one": prose(mebi + 1),
		"several blocks": prose(5*mebi + 12345), "zeros": make([]byte, 2*mebi), "folder/ä😀.txt": []byte("unicode"),
	}
})

var order = []string{
	"empty", "one byte", "small", "noise", "block less one", "block", "block and one", "several blocks", "zeros",
	"folder/ä😀.txt",
}

func everything() []zipfile.Entry {
	var entries []zipfile.Entry
	for _, name := range order {
		entries = append(entries, entry(name, contents()[name]), stored(entry("stored "+name, contents()[name])))
	}
	return entries
}

func TestWriteIsReadBack(t *testing.T) {
	archive := write(t, everything(), zipfile.Options{Time: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)})
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 2*len(order) {
		t.Fatalf("got %d entries, want %d", len(r.File), 2*len(order))
	}
	for i, f := range r.File {
		want, name := contents()[order[i/2]], order[i/2]
		if i%2 == 1 {
			name = "stored " + name
		}
		if f.Name != name || f.UncompressedSize64 != uint64(len(want)) {
			t.Errorf("got %q of %d bytes, want %q of %d", f.Name, f.UncompressedSize64, name, len(want))
		}
		if got := read(t, f); !bytes.Equal(got, want) {
			t.Errorf("%s: content differs", name)
		}
		const utf8 = 0x800
		if f.Flags != utf8 || f.NonUTF8 {
			t.Errorf("%s: got flags %#x, want UTF-8 and no data descriptor", name, f.Flags)
		}
		if f.CreatorVersion>>8 != 0 || f.ExternalAttrs != 0 || len(f.Extra) != 0 {
			t.Errorf("%s: got modes or extra fields, want none", name)
		}
		if got := f.Modified.Format(time.DateTime); got != "2026-02-03 04:05:06" {
			t.Errorf("%s: got time %s", name, got)
		}
	}
}

func read(t *testing.T, f *zip.File) []byte {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%s: %v", f.Name, err)
	}
	return content
}

// A reader that never sees the directory must find everything in the local headers.
func TestLocalHeadersAreComplete(t *testing.T) {
	archive := write(t, everything(), zipfile.Options{})
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, f := range r.File {
		local := archive[at:]
		if got := le(local[:4]); got != 0x04034b50 {
			t.Fatalf("%s: no local header at %d", f.Name, at)
		}
		got := [...]uint64{le(local[6:8]), le(local[14:18]), le(local[18:22]), le(local[22:26])}
		want := [...]uint64{0x800, uint64(f.CRC32), f.CompressedSize64, f.UncompressedSize64}
		if got != want {
			t.Errorf("%s: got flags, CRC and sizes %x, want %x", f.Name, got, want)
		}
		at += 30 + int(le(local[26:28])) + int(le(local[28:30])) + int(f.CompressedSize64)
	}
	if got := le(archive[at : at+4]); got != 0x02014b50 {
		t.Errorf("something lies between the entries and the directory: %x", got)
	}
}

func le(b []byte) (value uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		value = value<<8 | uint64(b[i])
	}
	return value
}

func TestWriteIsReproducible(t *testing.T) {
	want := write(t, everything(), zipfile.Options{Workers: 1})
	for _, workers := range []int{2, 7} {
		if !bytes.Equal(write(t, everything(), zipfile.Options{Workers: workers}), want) {
			t.Errorf("%d workers: other bytes than with one", workers)
		}
	}
}

func TestBlocksReferToTheOneBefore(t *testing.T) {
	// 24 KiB of noise over and over: without the dictionary each of the blocks pays for it again.
	const period = 24 << 10
	content := bytes.Repeat(noise(period), 8*mebi/period)
	if got := len(write(t, []zipfile.Entry{entry("a", content)}, zipfile.Options{})); got > 4*period {
		t.Errorf("got %d bytes, want at most %d", got, 4*period)
	}
}

func TestSmallEntriesNeedNoSeek(t *testing.T) {
	var f file
	entries := []zipfile.Entry{entry("a", prose(mebi)), entry("b", nil), stored(entry("c", noise(100)))}
	if err := zipfile.Write(t.Context(), &f, entries, zipfile.Options{}); err != nil {
		t.Fatal(err)
	}
	if f.seeks != 0 {
		t.Errorf("got %d seeks, want none", f.seeks)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	entries := []zipfile.Entry{source("a", 48*mebi, false), source("b", 48*mebi, true), source("c", 16*mebi, false)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := zipfile.Write(t.Context(), new(nowhere), entries, zipfile.Options{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// All that was ever allocated, so at least what was held at any one time.
	if got := after.TotalAlloc - before.TotalAlloc; got > 16*mebi {
		t.Errorf("got %d bytes, want at most 16 MiB", got)
	}
}

// nowhere is an io.WriteSeeker that keeps nothing.
type nowhere struct{}

func (*nowhere) Write(p []byte) (int, error)             { return len(p), nil }
func (*nowhere) Seek(offset int64, _ int) (int64, error) { return offset, nil }

// source is an entry of size zeros.
func source(name string, size int64, store bool) zipfile.Entry {
	return zipfile.Entry{Name: name, Size: size, Store: store, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zeros{}, size)), nil
	}}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestWriteRefuses(t *testing.T) {
	broken := errors.New("broken")
	sized := func(size int64, r io.Reader) zipfile.Entry {
		return zipfile.Entry{Name: "a", Size: size, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(r), nil
		}}
	}
	ok := entry("ok", []byte("x"))
	tests := map[string]struct {
		entries []zipfile.Entry
		want    string
	}{
		"short":        {[]zipfile.Entry{ok, sized(5, strings.NewReader("four"))}, "less content"},
		"short block":  {[]zipfile.Entry{sized(3*mebi, bytes.NewReader(noise(2*mebi)))}, "less content"},
		"short, empty": {[]zipfile.Entry{sized(5, strings.NewReader(""))}, "less content"},
		"long":         {[]zipfile.Entry{ok, sized(3, strings.NewReader("four"))}, "more content"},
		"long, empty":  {[]zipfile.Entry{sized(0, strings.NewReader("x"))}, "more content"},
		"long block":   {[]zipfile.Entry{stored(sized(2*mebi, bytes.NewReader(noise(2*mebi+1))))}, "more content"},
		"broken":       {[]zipfile.Entry{sized(5, iotest.ErrReader(broken))}, "broken"},
		"broken end": {
			[]zipfile.Entry{sized(4, io.MultiReader(strings.NewReader("four"), iotest.ErrReader(broken)))}, "broken",
		},
		"cannot open": {[]zipfile.Entry{{Name: "a", Open: func(context.Context) (io.ReadCloser, error) {
			return nil, broken
		}}}, "broken"},
		"negative":     {[]zipfile.Entry{sized(-1, strings.NewReader(""))}, "size -1"},
		"no name":      {[]zipfile.Entry{entry("", nil)}, "safe"},
		"absolute":     {[]zipfile.Entry{entry("/etc/passwd", nil)}, "safe"},
		"upwards":      {[]zipfile.Entry{entry("a/../../b", nil)}, "safe"},
		"backslash":    {[]zipfile.Entry{entry(`..\b`, nil)}, "safe"},
		"folder":       {[]zipfile.Entry{entry("a/", nil)}, "safe"},
		"not UTF-8":    {[]zipfile.Entry{entry("\xff", nil)}, "safe"},
		"too long":     {[]zipfile.Entry{entry(strings.Repeat("a", 65536), nil)}, "safe"},
		"twice":        {[]zipfile.Entry{ok, ok}, "become one"},
		"twice folded": {[]zipfile.Entry{ok, entry("OK", nil)}, "become one"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := zipfile.Write(t.Context(), new(nowhere), tt.entries, zipfile.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if tt.want == "broken" && !errors.Is(err, broken) {
				t.Errorf("got %v, want the cause inside", err)
			}
		})
	}
}

// failing writes until it has had enough bytes.
type failing struct {
	nowhere
	left int
}

var errFull = errors.New("disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteTellsOfAFullDisk(t *testing.T) {
	entries := []zipfile.Entry{entry("a", noise(3*mebi)), entry("b", noise(mebi))}
	whole := len(write(t, entries, zipfile.Options{}))
	for _, left := range []int{0, 1000, mebi, 3 * mebi, whole - 1} {
		err := zipfile.Write(t.Context(), &failing{left: left}, entries, zipfile.Options{})
		if !errors.Is(err, errFull) {
			t.Errorf("after %d bytes: got %v, want %v", left, err, errFull)
		}
	}
}

// waiting blocks until its context ends, as a network body does.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

func (waiting) Close() error { return nil }

// synctest fails the test when a goroutine is left.
func TestCancelStopsAndLeavesNoGoroutine(t *testing.T) {
	canceled := errors.New("task was cancelled")
	stop := func(t *testing.T, entries func(cancel func()) []zipfile.Entry) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			list := entries(func() { cancel(canceled) })
			if err := zipfile.Write(ctx, new(nowhere), list, zipfile.Options{Workers: 3}); !errors.Is(err, canceled) {
				t.Errorf("got %v, want %v", err, canceled)
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		stop(t, func(cancel func()) []zipfile.Entry { cancel(); return everything() })
	})
	t.Run("while a read waits", func(t *testing.T) {
		stop(t, func(cancel func()) []zipfile.Entry {
			open := func(ctx context.Context) (io.ReadCloser, error) {
				time.AfterFunc(time.Second, cancel)
				return waiting{ctx}, nil
			}
			return append(everything(), zipfile.Entry{Name: "last", Size: 9, Open: open})
		})
	})
	t.Run("while blocks flow", func(t *testing.T) {
		stop(t, func(cancel func()) []zipfile.Entry {
			return []zipfile.Entry{{Name: "endless", Size: 1 << 60, Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(&countdown{9 * mebi, cancel}), nil
			}}}
		})
	})
}

// countdown yields zeros for ever and calls a function on the way.
type countdown struct {
	left int
	call func()
}

func (c *countdown) Read(p []byte) (int, error) {
	if c.left -= len(p); c.left <= 0 {
		c.call()
	}
	return len(p), nil
}

type closing struct {
	io.Reader
	open *int
}

func (c closing) Close() error { *c.open--; return nil }

func TestEverythingOpenedIsClosed(t *testing.T) {
	open, most := 0, 0
	counted := func(name, content string) zipfile.Entry {
		return zipfile.Entry{Name: name, Size: 4, Open: func(context.Context) (io.ReadCloser, error) {
			open++
			most = max(most, open)
			return closing{strings.NewReader(content), &open}, nil
		}}
	}
	entries := []zipfile.Entry{counted("a", "four"), counted("b", "four"), counted("c", "short"), counted("d", "four")}
	if err := zipfile.Write(t.Context(), new(nowhere), entries, zipfile.Options{}); err == nil {
		t.Error("got no error for an entry that is too long")
	}
	if open != 0 || most != 1 {
		t.Errorf("got %d open at the end and %d at once, want 0 and 1", open, most)
	}
}

func TestTimesAreClipped(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"zero":       {"0001-01-01T00:00:00Z", "1980-01-01 00:00:00"},
		"too early":  {"1970-01-01T00:00:00Z", "1980-01-01 00:00:00"},
		"too late":   {"2200-01-01T00:00:00Z", "2107-12-31 23:59:58"},
		"other zone": {"2026-05-01T01:00:01+02:00", "2026-04-30 23:00:00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			archive := write(t, []zipfile.Entry{entry("a", nil)}, zipfile.Options{Time: at})
			r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.File[0].Modified.Format(time.DateTime); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNoEntries(t *testing.T) {
	archive := write(t, nil, zipfile.Options{})
	if _, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive))); err != nil || len(archive) != 22 {
		t.Errorf("got %d bytes, %v; want an empty archive", len(archive), err)
	}
}
