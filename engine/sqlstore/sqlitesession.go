package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
)

// sqliteSession is a session on SQLite. Each text is prepared once. Among the arguments of a statement are either the
// records of all its sets, or JSON in their place.
type sqliteSession struct {
	db       *sqlite
	conn     *sql.Conn
	prepared map[form]*sql.Stmt
	bound    []any // reused
}

// form is a statement with room for so many records.
type form struct {
	query string
	rooms rooms
}

// rooms are how many rows can be bound to the sets of records in a statement, in their order; zero for JSON.
type rooms [2]int

// begin opens the connection, which an error may have closed, and a transaction on it.
func (w *sqliteSession) begin(ctx context.Context) error {
	if w.conn == nil {
		conn, err := w.db.writer.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.prepared = conn, map[form]*sql.Stmt{}
	}
	if err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		w.discard()
		return err
	}
	return nil
}

// commit ends the transaction. A commit that fails may leave it open, and its fate is known only after a rollback.
func (w *sqliteSession) commit(ctx context.Context) error {
	err := w.exec(ctx, "COMMIT")
	if err != nil {
		w.rollback(ctx)
	}
	return err
}

func (w *sqliteSession) rollback(ctx context.Context) {
	if err := w.exec(ctx, "ROLLBACK"); err != nil {
		w.discard() // whatever state it is in: a fresh connection is in a known one
	}
}

// statement returns the prepared statement and what is bound to it.
func (w *sqliteSession) statement(ctx context.Context, query string, args []any) (*sql.Stmt, []any, error) {
	f := form{query: query}
	w.bound = w.bound[:0]
	sets := 0
	for _, arg := range args {
		r, ok := arg.(records)
		if !ok {
			w.bound = append(w.bound, arg)
			continue
		}
		f.rooms[sets] = w.db.room(len(r), r.columns())
		w.bound = r.bind(w.bound, f.rooms[sets])
		sets++
	}
	if st, ok := w.prepared[f]; ok {
		return st, w.bound, nil
	}
	st, err := w.conn.PrepareContext(ctx, w.db.expand(query, f.rooms))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	w.prepared[f] = st
	return st, w.bound, nil
}

func (r records) columns() int {
	if len(r) == 0 {
		return 0
	}
	return len(r[0])
}

// bind appends the values of the rows, and NULL for the room they do not fill; with no room it is JSON.
func (r records) bind(to []any, room int) []any {
	if room == 0 {
		return append(to, r.JSON())
	}
	for _, row := range r {
		to = append(to, row...)
	}
	return append(to, make([]any, (room-len(r))*r.columns())...)
}

func (w *sqliteSession) exec(ctx context.Context, query string, args ...any) error {
	st, bound, err := w.statement(ctx, query, args) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, bound...)
	return err
}

func (w *sqliteSession) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, bound, err := w.statement(ctx, query, args) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, bound...) //nolint:rowserrcheck // scanAll looks at it
}

// discard closes the connection for good, where close gives it back to the pool.
func (w *sqliteSession) discard() {
	w.forget()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.close()
}

func (w *sqliteSession) close() {
	if w.conn == nil {
		return
	}
	w.forget()
	_ = w.conn.Close()
	w.conn = nil
}

// forget closes the statements: none may outlive its connection.
func (w *sqliteSession) forget() {
	for _, st := range w.prepared {
		_ = st.Close()
	}
	w.prepared = nil
}

// expand is the query with its sets of records as subqueries. Rooms are those of the sets, in their order.
//
// Binding values costs a third of what SQLite takes to read them out of JSON. The statement then has a text for each
// number of rows, so there are few numbers, and JSON for what is larger.
func (d *sqlite) expand(query string, rooms rooms) string {
	n := 0
	return placeholder.ReplaceAllStringFunc(query, func(set string) string {
		if isLock(set) {
			return ""
		}
		n++
		return d.subquery(columns(set), rooms[n-1])
	})
}

func (*sqlite) subquery(columns []column, room int) string {
	selected := make([]string, len(columns))
	for i, c := range columns {
		if room > 0 {
			selected[i] = "column" + strconv.Itoa(i+1) + " AS " + c.name
		} else {
			selected[i] = "value->>" + strconv.Itoa(i) + " AS " + c.name
		}
	}
	if room == 0 {
		return "(SELECT " + strings.Join(selected, ", ") + " FROM json_each(?))"
	}
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	values := strings.TrimSuffix(strings.Repeat(row+",", room), ",")
	return "(SELECT " + strings.Join(selected, ", ") + " FROM (VALUES " + values + ") WHERE column1 IS NOT NULL)"
}

const maxValues = 2048 // bound to one set of records

// room is for how many rows the statement has values; zero: it has JSON.
func (*sqlite) room(rows, columns int) int {
	room := 1
	for room < rows {
		room *= 2
	}
	if rows == 0 || room*columns > maxValues {
		return 0
	}
	return room
}
