package api

import (
	"net/http"
	"strconv"
	"time"
)

// retirement says that an endpoint is to go away one day. Nothing is switched off by it.
type retirement struct{ deprecated, sunset time.Time }

// retirements are the endpoints that are to go away, by method and path.
var retirements = map[string]retirement{
	"POST /prototype/platform/files/{fileId}/export": {day(2026, time.February, 12), day(2027, time.January, 31)},
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// retirement returns what is known of the route's end, if it is to have one.
func (r Route) retirement() (retirement, bool) {
	end, known := retirements[r.Method+" "+r.Path]
	return end, known
}

// announce adds the headers by which clients learn of it: Deprecation (RFC 9745) and Sunset (RFC 8594).
func (r retirement) announce(header http.Header) {
	header.Set("Deprecation", "@"+strconv.FormatInt(r.deprecated.Unix(), 10))
	header.Set("Sunset", r.sunset.Format(http.TimeFormat))
}
