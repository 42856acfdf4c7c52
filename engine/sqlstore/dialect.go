package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// dialect is what differs between the databases.
type dialect interface {
	// records is a subquery with as many rows as are bound to it value by value, as room says for a number of them. With no
	// room the JSON array of arrays bound to its one ? becomes the rows. Each column is a name and one of the types id, int,
	// text; the first is never NULL, and rows in which it is are left out.
	records(columns []string, room int) string
	room(rows, columns int) int

	// begin is the statement that opens a transaction for writing.
	begin() string

	// migrate brings the tables up to date, and refuses those of a newer version.
	migrate(ctx context.Context, db *sql.DB) error

	// backup copies the database to a new file.
	backup(ctx context.Context, path string) error
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

// placeholder is a set of records in a statement: {name type, …}.
var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

// expand replaces each {name type, …} by the dialect's subquery. Rooms are those of the sets of records, in their order.
func expand(d dialect, query string, rooms rooms) string {
	n := 0
	return placeholder.ReplaceAllStringFunc(query, func(m string) string {
		columns := strings.Split(strings.Trim(m, "{}"), ",")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		n++
		return d.records(columns, rooms[n-1])
	})
}

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
