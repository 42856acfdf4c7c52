package zipfile

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	blockSize  = 1 << 20
	windowSize = 32 << 10 // how far back deflate can refer
)

// block is a piece of one entry on its way from reader to worker to writer. Blocks are reused.
type block struct {
	entry       int
	first, last bool
	crc         uint32 // of the entry up to the end of this block
	dictionary  []byte // what precedes data in the entry
	data        []byte
	out         []byte // data, or data deflated
	err         error
	done        chan struct{} // receives once when out is ready

	in      []byte // holds dictionary and data
	deflate buffer
}

// buffer is an io.Writer into memory that keeps its capacity.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// pipeline is one reader and some workers. Each block goes to ordered and, if it is to be deflated, to work; the
// writer waits for done and puts it into free. As there are no more blocks than the channels hold, only free can
// block.
type pipeline struct {
	free, work, ordered chan *block
	err                 error // why reading stopped; valid once ordered is closed
	tail                [windowSize]byte
	group               sync.WaitGroup
}

// startPipeline starts the goroutines. They end when all is read, at the first error, and soon after ctx ends.
func startPipeline(ctx context.Context, entries []Entry, workers int) *pipeline {
	blocks := workers + 1
	p := &pipeline{
		free: make(chan *block, blocks), work: make(chan *block, blocks), ordered: make(chan *block, blocks),
	}
	for range blocks {
		p.free <- &block{done: make(chan struct{}, 1)}
	}
	p.group.Go(func() { p.read(ctx, entries) })
	for range workers {
		p.group.Go(p.deflate)
	}
	return p
}

func (p *pipeline) wait() { p.group.Wait() }

func (p *pipeline) read(ctx context.Context, entries []Entry) {
	defer close(p.ordered)
	defer close(p.work)
	for i, e := range entries {
		if err := p.readEntry(ctx, i, e); err != nil {
			p.err = fmt.Errorf("zipfile: read %q: %w", e.Name, err)
			return
		}
	}
}

func (p *pipeline) readEntry(ctx context.Context, index int, e Entry) error {
	content, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	r := contextReader{ctx, content}
	left, crc, tail := e.Size, uint32(0), p.tail[:0]
	for first := true; first || left > 0; first = false {
		b, err := p.take(ctx)
		if err != nil {
			return err
		}
		n := min(left, blockSize)
		left -= n
		b.reset(int(n), tail)
		if err := fill(r, b.data, left == 0); err != nil {
			return err
		}
		crc = crc32.Update(crc, crc32.IEEETable, b.data)
		b.entry, b.first, b.last, b.crc = index, first, left == 0, crc
		tail = append(p.tail[:0], b.data[max(0, len(b.data)-windowSize):]...)
		p.send(b, newRecord(e, 0).method)
	}
	return nil
}

func (p *pipeline) take(ctx context.Context) (*block, error) {
	select {
	case b := <-p.free:
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *pipeline) send(b *block, method uint16) {
	if method == methodDeflate {
		p.work <- b
	} else {
		b.out = b.data
		b.done <- struct{}{}
	}
	p.ordered <- b
}

// reset makes room for n bytes of data after the dictionary.
func (b *block) reset(n int, dictionary []byte) {
	if need := len(dictionary) + n; cap(b.in) < need {
		b.in = make([]byte, need)
	}
	b.in = b.in[:len(dictionary)+n]
	copy(b.in, dictionary)
	b.dictionary, b.data = b.in[:len(dictionary)], b.in[len(dictionary):]
	b.out, b.err = nil, nil
}

// fill reads all of p and, if that is to be the last, makes sure that it was.
func fill(r io.Reader, p []byte, last bool) error {
	if _, err := io.ReadFull(r, p); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", errShort, err)
	} else if err != nil {
		return err
	}
	if !last {
		return nil
	}
	// Also where the source tells of damage in place of the end.
	switch _, err := io.ReadFull(r, make([]byte, 1)); {
	case err == nil:
		return errLong
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// contextReader stops between two reads once ctx has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// deflate is a worker: it deflates blocks, in whatever order they come, until there are no more.
func (p *pipeline) deflate() {
	var w *flate.Writer
	for b := range p.work {
		if w == nil {
			w, b.err = flate.NewWriter(io.Discard, flate.DefaultCompression)
		}
		if b.err == nil {
			b.err = b.deflateWith(w)
		}
		b.done <- struct{}{}
	}
}

// deflateWith makes out from data. Every block but the last ends with a sync flush, which leaves the stream at a byte
// boundary: so the outputs of the blocks, one after the other, are one valid stream.
func (b *block) deflateWith(w *flate.Writer) error {
	if need := len(b.data) + len(b.data)>>10 + 1024; cap(b.deflate) < need {
		b.deflate = make(buffer, 0, need)
	}
	b.deflate = b.deflate[:0]
	w.ResetDict(&b.deflate, b.dictionary)
	_, err := w.Write(b.data)
	switch {
	case err != nil:
	case b.last:
		err = w.Close()
	default:
		err = w.Flush()
	}
	b.out = b.deflate
	return err
}
