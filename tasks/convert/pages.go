package convert

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// What a selection of pages may hold: written out, and in pages.
const (
	maxPagesText = 10_000
	maxSelected  = 100_000
)

// Pages is a selection of a document's pages, in the order in which they were named. The zero value is all of them.
type Pages struct {
	ranges []pageRange
}

type pageRange struct{ first, last int } // last is math.MaxInt where the range is open

// ParsePages reads a selection such as "1-3,7,9-": numbers from 1 on, ranges of them, and ranges that are open at one end.
// Nothing is every page. The error says what is wrong with s as the rest of a sentence that begins with its field.
func ParsePages(s string) (Pages, error) {
	var p Pages
	if strings.TrimSpace(s) == "" {
		return p, nil
	}
	if len(s) > maxPagesText {
		return p, fmt.Errorf("must be at most %d characters", maxPagesText)
	}
	for _, part := range strings.Split(s, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return Pages{}, err
		}
		p.ranges = append(p.ranges, r)
	}
	return p, nil
}

func parseRange(s string) (pageRange, error) {
	from, to, ranged := strings.Cut(s, "-")
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	r := pageRange{first: 1, last: math.MaxInt}
	var err error
	if from != "" || !ranged {
		if r.first, err = pageNumber(from); err != nil {
			return r, err
		}
	}
	switch {
	case !ranged:
		r.last = r.first
	case to != "":
		if r.last, err = pageNumber(to); err != nil {
			return r, err
		}
	case from == "":
		return r, malformedPages(s)
	}
	if r.last < r.first {
		return r, fmt.Errorf("has the range %s, which runs backwards", s)
	}
	return r, nil
}

func pageNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || s[0] == '+' {
		return 0, malformedPages(s)
	}
	if n == 0 {
		return 0, fmt.Errorf("must name pages from 1 on, not 0")
	}
	return int(n), nil
}

func malformedPages(s string) error {
	if s == "" {
		return fmt.Errorf("must be numbers and ranges with a comma between them, such as 1-3,7,9-")
	}
	return fmt.Errorf("must be numbers and ranges such as 1-3,7,9-, not %.20q", s)
}

// Of returns the numbers of the pages selected of a document with count pages. What is beyond its end is an error with the
// code engine.Invalid.
func (p Pages) Of(count int) ([]int, error) {
	ranges := p.ranges
	if len(ranges) == 0 {
		ranges = []pageRange{{1, count}}
	}
	var numbers []int
	for _, r := range ranges {
		last := r.last
		if last == math.MaxInt {
			last = max(count, r.first)
		}
		if last > count {
			return nil, engine.Errorf(engine.Invalid, "The parameter pages asks for page %d, but the document has %d.", max(r.first, min(last, count+1)), count)
		}
		if len(numbers)+last-r.first >= maxSelected {
			return nil, engine.Errorf(engine.TooLarge, "The parameter pages selects more than %d pages.", maxSelected)
		}
		for n := r.first; n <= last; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}
