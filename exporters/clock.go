package exporters

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	sameTime = 2 * time.Second // a Date has whole seconds
	mostSkew = 5 * time.Minute // the strictest services refuse signatures and tokens beyond
)

// clock compares the Date of answers with the time at which they come.
type clock struct {
	next http.RoundTripper

	mu       sync.Mutex
	told     bool
	ahead    time.Duration // of this server, where it is most off
	furthest string        // the host that says so
}

// RoundTrip implements http.RoundTripper.
func (c *clock) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err != nil || resp.Header.Get("Age") != "" { // what a cache keeps has the date of then
		return resp, err
	}
	if at, derr := http.ParseTime(resp.Header.Get("Date")); derr == nil {
		c.note(req.URL.Host, time.Since(at))
	}
	return resp, nil
}

func (c *clock) note(host string, ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told || ahead.Abs() > c.ahead.Abs() {
		c.told, c.ahead, c.furthest = true, ahead, host
	}
}

// finding says what came of it; nothing if nobody said the time.
func (c *clock) finding() []Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	off, side := c.ahead.Abs().Truncate(time.Second), "ahead of"
	if c.ahead < 0 {
		side = "behind"
	}
	switch {
	case !c.told:
		return nil
	case off < sameTime:
		return []Finding{{OK: true, Text: fmt.Sprintf("This server's clock agrees with that of %s.", c.furthest)}}
	case off <= mostSkew:
		return []Finding{{OK: true, Text: fmt.Sprintf("This server's clock is %s %s that of %s, which does no harm.", off, side, c.furthest)}}
	}
	return []Finding{{Text: fmt.Sprintf("This server's clock is %s %s that of %s: signatures and tokens that are so far off are refused. "+
		"One of the two has to be set.", off, side, c.furthest)}}
}
