// Package formdata reads multipart/form-data (RFC 7578) as clients really send it, one part after the other, without
// holding a part in memory. Where mime/multipart insists on the grammar it gives in: file names without quotes, header
// names in any letter case with no space after the colon, lines that end in LF alone, text before the first boundary.
package formdata

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// What a Reader fails with, beside the errors of the reader below it. A body that ends before its closing boundary is
// io.ErrUnexpectedEOF.
var (
	ErrNotForm  = errors.New("the Content-Type is not multipart/form-data with a boundary")
	ErrHeader   = errors.New("a part's header is malformed or over 16 KiB")
	ErrBoundary = errors.New("no boundary of the Content-Type was found in the first 64 KiB")
	ErrEncoding = errors.New("a part has a Content-Transfer-Encoding; send its bytes as they are")
)

const (
	maxHeader   = 16 << 10
	maxPreamble = 64 << 10
	bufferSize  = 128 << 10 // more than any boundary, and enough that the search costs little
	maxBoundary = 1 << 10   // RFC 2046 allows 70 characters
)

// Reader reads the parts of one form. It is for one goroutine.
type Reader struct {
	src       *bufio.Reader
	boundary  []byte // with its two dashes
	delimiter []byte // boundary with the line end before it, of the kind this form uses
	begun     bool
	ended     bool  // the closing boundary was read
	err       error // sticky
	part      *Part
}

// NewReader returns a reader of a body with that Content-Type, or ErrNotForm.
func NewReader(body io.Reader, contentType string) (*Reader, error) {
	boundary, ok := boundaryOf(contentType)
	if !ok {
		return nil, ErrNotForm
	}
	return &Reader{src: bufio.NewReaderSize(body, bufferSize), boundary: []byte("--" + boundary)}, nil
}

// boundaryOf returns the boundary parameter, quoted or not.
func boundaryOf(contentType string) (string, bool) {
	mediaType, rest, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "multipart/form-data") {
		return "", false
	}
	for rest != "" {
		var parameter string
		parameter, rest, _ = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(parameter, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if strings.EqualFold(strings.TrimSpace(key), "boundary") {
			return value, value != "" && len(value) <= maxBoundary && !strings.ContainsAny(value, "\r\n")
		}
	}
	return "", false
}

// Next skips what is left of the current part and returns the next one, or io.EOF after the closing boundary.
func (r *Reader) Next() (*Part, error) {
	if r.part != nil {
		if _, err := io.Copy(io.Discard, r.part); err != nil {
			return nil, err
		}
		r.part = nil
	}
	if r.err == nil && !r.begun {
		r.begun, r.err = true, r.preamble()
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case r.ended:
		return nil, io.EOF
	}
	p, err := r.header()
	if err != nil {
		r.err = early(err)
		return nil, r.err
	}
	r.part = p
	return p, nil
}

// preamble skips the text before the first boundary, and learns from it how lines end.
func (r *Reader) preamble() error {
	for read := 0; read <= maxPreamble; {
		line, err := r.src.ReadSlice('\n')
		read += len(line)
		if closing, ok := r.isBoundary(line); ok {
			r.ended = closing
			return r.learn(line, closing)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return early(err)
		}
	}
	return ErrBoundary
}

func (r *Reader) learn(line []byte, closing bool) error {
	ending := "\n"
	if bytes.HasSuffix(line, []byte("\r\n")) {
		ending = "\r\n"
	} else if !bytes.HasSuffix(line, []byte("\n")) && !closing {
		return io.ErrUnexpectedEOF
	}
	r.delimiter = append([]byte(ending), r.boundary...)
	return nil
}

// isBoundary reports whether a line is a boundary, and whether it is the closing one.
func (r *Reader) isBoundary(line []byte) (closing, ok bool) {
	rest, ok := bytes.CutPrefix(line, r.boundary)
	if !ok {
		return false, false
	}
	after, closing := bytes.CutPrefix(rest, []byte("--"))
	return closing, len(bytes.TrimRight(after, " \t\r\n")) == 0
}

func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
