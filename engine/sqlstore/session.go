package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// session is one connection in the hands of one goroutine, which begins and ends transactions on it.
type session interface {
	begin(ctx context.Context) error
	commit(ctx context.Context) error
	rollback(ctx context.Context)
	exec(ctx context.Context, query string, args ...any) error
	query(ctx context.Context, query string, args ...any) (rows, error)
	close()
}

// rows is what a query returned.
type rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
	Close() error
}

// sqlSession is a session over database/sql. Each text is prepared once. Among the arguments of a statement are either the
// records of all its sets, or JSON in their place.
type sqlSession struct {
	store    *Store
	opening  string // the statement that begins a transaction
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
func (w *sqlSession) begin(ctx context.Context) error {
	if w.conn == nil {
		conn, err := w.store.writer.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.prepared = conn, map[form]*sql.Stmt{}
	}
	if err := w.exec(ctx, w.opening); err != nil {
		w.discard()
		return err
	}
	return nil
}

// commit ends the transaction. A commit that fails may leave it open, and its fate is known only after a rollback.
func (w *sqlSession) commit(ctx context.Context) error {
	err := w.exec(ctx, "COMMIT")
	if err != nil {
		w.rollback(ctx)
	}
	return err
}

func (w *sqlSession) rollback(ctx context.Context) {
	if err := w.exec(ctx, "ROLLBACK"); err != nil {
		w.discard() // whatever state it is in: a fresh connection is in a known one
	}
}

// statement returns the prepared statement and what is bound to it.
func (w *sqlSession) statement(ctx context.Context, query string, args []any) (*sql.Stmt, []any, error) {
	f := form{query: query}
	w.bound = w.bound[:0]
	sets := 0
	for _, arg := range args {
		r, ok := arg.(records)
		if !ok {
			w.bound = append(w.bound, arg)
			continue
		}
		f.rooms[sets] = w.store.dialect.room(len(r), r.columns())
		w.bound = r.bind(w.bound, f.rooms[sets])
		sets++
	}
	if st, ok := w.prepared[f]; ok {
		return st, w.bound, nil
	}
	st, err := w.conn.PrepareContext(ctx, expand(w.store.dialect, query, f.rooms))
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

func (w *sqlSession) exec(ctx context.Context, query string, args ...any) error {
	st, bound, err := w.statement(ctx, query, args) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, bound...)
	return err
}

func (w *sqlSession) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, bound, err := w.statement(ctx, query, args) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, bound...) //nolint:rowserrcheck // tx.each looks at it
}

// discard closes the connection for good, where close gives it back to the pool.
func (w *sqlSession) discard() {
	w.forget()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.close()
}

func (w *sqlSession) close() {
	if w.conn == nil {
		return
	}
	w.forget()
	_ = w.conn.Close()
	w.conn = nil
}

// forget closes the statements: none may outlive its connection.
func (w *sqlSession) forget() {
	for _, st := range w.prepared {
		_ = st.Close()
	}
	w.prepared = nil
}
