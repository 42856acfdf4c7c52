package command

import (
	"errors"
	"strings"
)

var (
	errQuote = errors.New("must close every quote it opens")
	errNUL   = errors.New("must not hold a NUL character")
)

// Split cuts a command line into arguments at spaces, tabs and line breaks, as a POSIX shell cuts plain words: 'single' quotes
// keep everything, "double" quotes everything but \" and \\, and \ outside of quotes keeps the next character. Nothing else
// means anything: no variables, patterns or pipes.
func Split(line string) ([]string, error) {
	if strings.ContainsRune(line, 0) {
		return nil, errNUL
	}
	var s splitter
	for _, r := range line {
		s.take(r)
	}
	if s.quote != 0 || s.escaped {
		return nil, errQuote
	}
	s.end()
	return s.args, nil
}

type splitter struct {
	args    []string
	word    strings.Builder
	started bool // a word, which may be empty
	quote   rune // the open one
	escaped bool
}

func (s *splitter) take(r rune) {
	switch {
	case s.escaped:
		if s.quote == '"' && r != '"' && r != '\\' {
			s.word.WriteRune('\\')
		}
		s.word.WriteRune(r)
		s.escaped = false
	case r == '\\' && s.quote != '\'':
		s.escaped, s.started = true, true
	case s.quote == r && r != 0:
		s.quote = 0
	case s.quote != 0:
		s.word.WriteRune(r)
	case r == '\'' || r == '"':
		s.quote, s.started = r, true
	case strings.ContainsRune(" \t\r\n", r):
		s.end()
	default:
		s.started = true
		s.word.WriteRune(r)
	}
}

func (s *splitter) end() {
	if s.started {
		s.args = append(s.args, s.word.String())
	}
	s.started = false
	s.word.Reset()
}
