package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the engine's driver, by its name in database/sql
)

// openBare opens a database with the engine's driver and settings, and one connection.
func openBare(ctx context.Context, path string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"+
		"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, conn, nil
}

// statements are prepared once each, on one connection.
type statements struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	err      error // the first one; nothing is done after it
}

func (s *statements) exec(ctx context.Context, query string, args ...any) {
	if s.err != nil {
		return
	}
	st := s.prepared[query]
	if st == nil {
		if st, s.err = s.conn.PrepareContext(ctx, query); s.err != nil {
			return
		}
		s.prepared[query] = st
	}
	_, s.err = st.ExecContext(ctx, args...)
}

// rows commits one row a transaction.
type rows struct {
	db *sql.DB
	statements
}

func openRows(ctx context.Context, path string) (*rows, error) {
	db, conn, err := openBare(ctx, path)
	if err != nil {
		return nil, err
	}
	r := &rows{db: db, statements: statements{conn: conn, prepared: map[string]*sql.Stmt{}}}
	r.exec(ctx, `CREATE TABLE t (id INTEGER PRIMARY KEY, value TEXT NOT NULL)`)
	return r, r.err
}

func (r *rows) commit(ctx context.Context) error {
	r.exec(ctx, `BEGIN IMMEDIATE`)
	r.exec(ctx, `INSERT INTO t (value) VALUES ('a row of about the size of the shortest rows of the engine')`)
	r.exec(ctx, `COMMIT`)
	return r.err
}

func (r *rows) close() {
	r.conn.Close()
	r.db.Close()
}

// bareRows returns how many one-row transactions a second the disk takes.
func bareRows(ctx context.Context, dir string) (float64, error) {
	r, err := openRows(ctx, filepath.Join(dir, "rows.db"))
	if err != nil {
		return 0, err
	}
	defer r.close()
	began := time.Now()
	for range rowCommits {
		if err := r.commit(ctx); err != nil {
			return 0, err
		}
	}
	return rowCommits / time.Since(began).Seconds(), nil
}
