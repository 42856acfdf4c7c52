package convert

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Reader reads what r has until ctx ends, for code that takes no context. Its error is then the cause.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context //nolint:containedctx // a reader for code that takes no context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Writer writes to w until ctx ends, for code that takes no context. Its error is then the cause.
func Writer(ctx context.Context, w io.Writer) io.Writer { return &contextWriter{ctx, w} }

type contextWriter struct {
	ctx context.Context //nolint:containedctx // a writer for code that takes no context
	w   io.Writer
}

func (c *contextWriter) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Save makes the file at path of what write writes, through a buffer and until ctx ends.
func Save(ctx context.Context, path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	b := bufio.NewWriterSize(f, 64<<10)
	return errors.Join(write(Writer(ctx, b)), b.Flush(), f.Close())
}
