package v2

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

const (
	usualPage = 100
	maxPage   = 1000
	maxNumber = 1 << 40 // of a page, so that its offset is still a number
)

// data is the envelope of one thing. It has no other member, nor may it ever get one.
type data[T any] struct {
	Data T `json:"data"`
}

// list is the envelope of a page of things.
type list[T any] struct {
	Data  []T   `json:"data"`
	Links links `json:"links"`
	Meta  meta  `json:"meta"`
}

type links struct {
	First string  `json:"first"`
	Last  *string `json:"last"` // always null: nobody counts
	Prev  *string `json:"prev"`
	Next  *string `json:"next"`
}

type meta struct {
	CurrentPage int    `json:"current_page"`
	From        *int   `json:"from"`
	Path        string `json:"path"`
	PerPage     int    `json:"per_page"`
	To          *int   `json:"to"`
}

// question is a query string. Empty and nonsensical values are as good as absent: some clients send them.
type question struct {
	values  url.Values
	include []string
	number  int // of the page, from 1
	size    int
}

func ask(c *api.Call) question {
	q := question{values: c.Request.URL.Query(), number: 1, size: usualPage}
	for _, word := range strings.Split(q.values.Get("include"), ",") {
		q.include = append(q.include, strings.TrimSpace(word))
	}
	if n, err := strconv.Atoi(q.values.Get("page")); err == nil && n > 0 {
		q.number = min(n, maxNumber)
	}
	if n, err := strconv.Atoi(q.values.Get("per_page")); err == nil {
		q.size = min(max(n, 1), maxPage)
	}
	return q
}

func (q question) filter(name string) string { return q.values.Get("filter[" + name + "]") }

// status returns the status that is filtered by, empty for none, and whether there is such a status.
func (q question) status() (status engine.Status, known bool) {
	switch status = engine.Status(q.filter("status")); status {
	case "", engine.StatusWaiting, engine.StatusProcessing, engine.StatusFinished, engine.StatusFailed:
		return status, true
	}
	return status, false
}

func (q question) includes(name string) bool { return slices.Contains(q.include, name) }

func (q question) is(name string) bool {
	yes, _ := strconv.ParseBool(q.values.Get(name))
	return yes
}

// page asks for one thing more than fits, which tells whether there is a next page.
func (q question) page() engine.Page {
	return engine.Page{Limit: q.size + 1, Offset: (q.number - 1) * q.size}
}

// cut returns the part of what page asked for that is shown, and whether there is more.
func cut[T any](q question, found []T) (shown []T, more bool) {
	if len(found) > q.size {
		return found[:q.size], true
	}
	return found, false
}

// enlist puts a page of things that lies at path into its envelope.
func enlist[T any](q question, path string, things []T, more bool) list[T] {
	l := list[T]{Data: things, Meta: meta{CurrentPage: q.number, Path: path, PerPage: q.size}}
	if things == nil {
		l.Data = []T{}
	}
	if n := len(things); n > 0 {
		from := (q.number-1)*q.size + 1
		to := from + n - 1
		l.Meta.From, l.Meta.To = &from, &to
	}
	l.Links.First = q.address(path, 1)
	if q.number > 1 {
		l.Links.Prev = orNull(q.address(path, q.number-1))
	}
	if more {
		l.Links.Next = orNull(q.address(path, q.number+1))
	}
	return l
}

// address is that of another page of the same question.
func (q question) address(path string, number int) string {
	values := url.Values{}
	for name, given := range q.values {
		if given[0] != "" {
			values.Set(name, given[0])
		}
	}
	values.Set("page", strconv.Itoa(number))
	return path + "?" + values.Encode()
}
