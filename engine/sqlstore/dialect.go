package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// dialect is what differs between the databases. In a query, a value is written ?, and a set of records {name type, …},
// with the types id, int and text; each column is bound as a whole. {for update} and {for share} lock the rows of a SELECT
// where others may write at the same time.
type dialect interface {
	asker

	// look begins a view, the tables at one moment, which end ends.
	look(ctx context.Context) (view asker, end func(context.Context) error, err error)

	// away reports whether the database could not be reached.
	away(err error) bool

	// session returns a session that is not open yet; batches are written on as many as lanes says.
	session() session
	lanes() int

	// again reports whether the transaction that failed with err is to be tried again as it was.
	again(err error) bool

	// committed finds out what became of a transaction whose commit failed with err. It waits until that is known.
	committed(ctx context.Context, transaction string, err error) (bool, error)

	// lockJobs is a query that locks the jobs of the given tasks and the given jobs, oldest first, and returns the name of
	// the transaction; empty where nobody else writes.
	lockJobs() string

	// lockNodes is a query that is true for one transaction at a time; now is an expression, the database's clock in
	// microseconds.
	lockNodes() string
	now() string

	// migrate brings the tables up to date, and refuses those of a newer version.
	migrate(ctx context.Context) error

	// backup copies the database to a new file.
	backup(ctx context.Context, path string) error

	close() error
}

// asker answers queries. Records among args are those of the query's sets, in order. It is safe for concurrent use, unless
// it is a view.
type asker interface {
	query(ctx context.Context, query string, args ...any) (rows, error)
}

// records collects the rows of one statement.
type records [][]any

func (r records) JSON() string {
	if len(r) == 0 {
		return "[]" // of null a database would make a row
	}
	out, err := json.Marshal(r)
	if err != nil {
		panic(err) // only strings, numbers and nil are put in
	}
	return string(out)
}

// placeholder is a set of records in a query, {name type, …}, or {for update} and the like.
var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

// column is one of a set of records.
type column struct{ name, kind string }

func columns(set string) (all []column) {
	for _, c := range strings.Split(strings.Trim(set, "{}"), ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(c), " ")
		all = append(all, column{name: name, kind: kind})
	}
	return all
}

func isLock(set string) bool { return strings.HasPrefix(set, "{for ") }

// micros is how times are kept; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// text makes a string that every database takes, and NULL of nothing.
func text(s string) any {
	if s == "" {
		return nil
	}
	return plain(s)
}

// plain is text as it is stored and asked for: valid UTF-8 without NUL, which PostgreSQL refuses.
func plain[S ~string](s S) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(s), "\ufffd"), "\x00", "")
}
