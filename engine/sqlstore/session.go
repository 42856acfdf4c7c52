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

// sqlSession is a session over database/sql. Each text is prepared once.
type sqlSession struct {
	store    *Store
	opening  string // the statement that begins a transaction
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// begin opens the connection, which an error may have closed, and a transaction on it.
func (w *sqlSession) begin(ctx context.Context) error {
	if w.conn == nil {
		conn, err := w.store.writer.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.prepared = conn, map[string]*sql.Stmt{}
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

func (w *sqlSession) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := w.prepared[query]; ok {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, w.store.text(query))
	if err != nil {
		return nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	w.prepared[query] = st
	return st, nil
}

func (w *sqlSession) exec(ctx context.Context, query string, args ...any) error {
	st, err := w.statement(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

func (w *sqlSession) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
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
