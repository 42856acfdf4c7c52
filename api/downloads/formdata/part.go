package formdata

import (
	"bytes"
	"io"
	"strings"
)

// Part is one field or file. Read delivers its content and io.EOF only after the boundary that ends it; it is valid
// until the reader's next Next.
type Part struct {
	Name     string // of the field; empty if it has none
	FileName string // as sent, not cleaned; empty if none was

	r     *Reader
	begun bool
	ended bool
}

// header reads the lines before a part's content. Of its fields only Content-Disposition counts; Content-Length is
// ignored, since the boundary says where a part ends.
func (r *Reader) header() (*Part, error) {
	p := &Part{r: r}
	var last string // of a field that goes on in the next line
	for left := maxHeader; ; {
		line, err := r.src.ReadSlice('\n')
		if left -= len(line); left < 0 {
			return nil, ErrHeader
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if folded := strings.TrimLeft(text, " \t"); folded != text && folded != "" {
			last += " " + folded
			continue
		}
		if err := p.field(last); err != nil {
			return nil, err
		}
		if last = text; strings.TrimSpace(text) == "" {
			return p, nil
		}
	}
}

func (p *Part) field(line string) error {
	if line == "" {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return ErrHeader
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "content-disposition":
		p.Name, p.FileName = disposition(value)
	case "content-transfer-encoding":
		switch strings.ToLower(value) {
		case "base64", "quoted-printable":
			return ErrEncoding
		}
	}
	return nil
}

// Read reads the content.
func (p *Part) Read(b []byte) (int, error) {
	switch {
	case p.ended:
		return 0, io.EOF
	case p.r.err != nil:
		return 0, p.r.err
	case len(b) == 0:
		return 0, nil
	}
	n, err := p.read(b)
	if err == io.EOF {
		p.ended = true
	} else if err != nil {
		p.r.err = err
	}
	return n, err
}

func (p *Part) read(b []byte) (int, error) {
	if !p.begun {
		p.begun = true
		if empty, err := p.r.endsAtOnce(); empty || err != nil {
			return 0, err
		}
	}
	safe, err := p.r.content()
	if safe == 0 {
		return 0, err
	}
	window, _ := p.r.src.Peek(min(safe, len(b)))
	n := copy(b, window)
	_, _ = p.r.src.Discard(n) // cannot fail: it was peeked
	return n, nil
}

// endsAtOnce reads the boundary of a part without content, before which some clients leave out the line end. It returns
// io.EOF then.
func (r *Reader) endsAtOnce() (bool, error) {
	start, err := r.src.Peek(len(r.boundary))
	if !bytes.Equal(start, r.boundary) {
		if err == io.EOF {
			err = nil // content that is shorter than a boundary; content says so
		}
		return false, err
	}
	at, err := r.boundaryAt(len(r.boundary))
	if !at || err != nil {
		return false, err
	}
	return true, r.take(0)
}

// content returns how many bytes of the buffer are certainly content. At the end of the part that is none, the boundary
// is read and the error io.EOF.
func (r *Reader) content() (int, error) {
	_, err := r.src.Peek(len(r.delimiter) + 1)
	window, _ := r.src.Peek(r.src.Buffered())
	i, from := bytes.Index(window, r.delimiter), 0
	if i == 0 {
		at, err := r.boundaryAt(len(r.delimiter))
		if err != nil {
			return 0, err
		}
		if at {
			return 0, r.take(len(r.delimiter) - len(r.boundary))
		}
		from = 1 // it only looked like one
		i = bytes.Index(window[from:], r.delimiter)
	}
	switch {
	case i >= 0:
		return from + i, nil
	case err != nil:
		return 0, early(err) // the body ended and the boundary did not come
	}
	return len(window) - len(r.delimiter) + 1, nil // all but what may be the beginning of a delimiter
}

// boundaryAt reports whether what follows a boundary, end bytes into the buffer, makes it one: two dashes or the end of
// the line. Otherwise it is content that looks alike.
func (r *Reader) boundaryAt(end int) (bool, error) {
	if two, _ := r.src.Peek(end + 2); bytes.HasSuffix(two, []byte("--")) && len(two) == end+2 {
		return true, nil
	}
	for last := end + maxHeader; end < last; end++ {
		window, err := r.src.Peek(end + 1)
		if err != nil {
			return false, early(err)
		}
		switch window[end] {
		case ' ', '\t', '\r':
		default:
			return window[end] == '\n', nil
		}
	}
	return false, nil
}

// take reads a boundary's line, skip bytes of a line end before it, and returns io.EOF: the part ended.
func (r *Reader) take(skip int) error {
	_, _ = r.src.Discard(skip + len(r.boundary)) // was peeked
	two, _ := r.src.Peek(2)
	if string(two) == "--" {
		r.ended = true
		return io.EOF
	}
	if _, err := r.src.ReadSlice('\n'); err != nil {
		return early(err)
	}
	return io.EOF
}
