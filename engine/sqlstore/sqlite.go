package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers itself with database/sql; there is no other way to name the driver
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqlite keeps everything in one file. WAL lets readers go on while the one writer commits; synchronous=FULL makes a
// commit survive a power loss.
type sqlite struct {
	path    string
	writer  *sql.DB
	reader  *sql.DB
	queries sync.Map // query → its *sql.Stmt, until the readers are closed
}

const sqliteReaders = 4

// OpenSQLite opens the database file, makes it if it is missing and brings it up to date, after copying an older one to
// PATH.before-VERSION. One process at a time may have it open as a store.
func OpenSQLite(ctx context.Context, path string, options Options) (*Store, error) {
	d := &sqlite{path: path}
	err := private(path)
	if err != nil {
		return nil, err
	}
	if d.writer, err = d.open("_pragma=synchronous(FULL)"); err != nil {
		return nil, err
	}
	d.writer.SetMaxOpenConns(1)
	if err := d.migrate(ctx); err != nil {
		d.writer.Close()
		return nil, err
	}
	if d.reader, err = d.open("_pragma=query_only(1)"); err != nil {
		d.writer.Close()
		return nil, err
	}
	d.reader.SetMaxOpenConns(sqliteReaders)
	d.reader.SetMaxIdleConns(sqliteReaders)
	s := newStore(d, options)
	s.links = &links{}
	return s, nil
}

// private makes the file of a database that is not there yet, for this user alone. SQLite gives the files beside it the same
// permissions.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	return f.Close()
}

func (d *sqlite) open(pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", d.dsn(pragmas...))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(d.path), err)
	}
	return db, nil
}

func (d *sqlite) close() error { return errors.Join(d.reader.Close(), d.writer.Close()) }

func (d *sqlite) dsn(more ...string) string {
	pragmas := append([]string{
		"_pragma=busy_timeout(10000)", "_pragma=journal_mode(WAL)", "_pragma=temp_store(MEMORY)", "_pragma=cache_size(-8000)",
	}, more...)
	return "file:" + uriPath(d.path) + "?" + strings.Join(pragmas, "&")
}

// uriPath escapes what has a meaning in SQLite's file URIs.
func uriPath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// prepare returns the query, with its records as JSON, as a statement of the readers. To parse a query costs more than to
// run it. There are few texts, so each is kept until the end.
func (d *sqlite) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := d.queries.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := d.reader.PrepareContext(ctx, d.expand(query, rooms{}))
	if err != nil {
		return nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	if first, raced := d.queries.LoadOrStore(query, st); raced {
		return first.(*sql.Stmt), st.Close()
	}
	return st, nil
}

// query implements dialect.
func (d *sqlite) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, err := d.prepare(ctx, query) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, asJSON(args)...) //nolint:rowserrcheck // scanAll looks at it
}

// asJSON returns the arguments with JSON in the place of records.
func asJSON(args []any) []any {
	bound := make([]any, len(args))
	for i, arg := range args {
		if r, ok := arg.(records); ok {
			arg = r.JSON()
		}
		bound[i] = arg
	}
	return bound
}

// sqliteView is a transaction of a reader.
type sqliteView struct {
	db     *sqlite
	tx     *sql.Tx
	missed []string // queries that are not prepared yet: to do that takes a second connection, and others may hold all
}

func (d *sqlite) look(ctx context.Context) (asker, func(context.Context) error, error) {
	tx, err := d.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	v := &sqliteView{db: d, tx: tx}
	return v, v.end, nil
}

func (v *sqliteView) query(ctx context.Context, query string, args ...any) (rows, error) {
	if st, ok := v.db.queries.Load(query); ok {
		return v.tx.StmtContext(ctx, st.(*sql.Stmt)).QueryContext(ctx, asJSON(args)...) //nolint:rowserrcheck // scanAll looks
	}
	v.missed = append(v.missed, query)
	return v.tx.QueryContext(ctx, v.db.expand(query, rooms{}), asJSON(args)...) //nolint:rowserrcheck // scanAll looks
}

func (v *sqliteView) end(ctx context.Context) error {
	_ = v.tx.Rollback() // nothing was written
	for _, query := range v.missed {
		if _, err := v.db.prepare(ctx, query); err != nil { //nolint:sqlclosecheck // kept for the next time
			return err
		}
	}
	return nil
}

func (d *sqlite) session() session { return &sqliteSession{db: d} }

// There is one writer, so nobody to wait for, and a failed commit is undone.
func (*sqlite) lanes() int        { return 1 }
func (*sqlite) again(error) bool  { return false }
func (*sqlite) lockJobs() string  { return "" }
func (*sqlite) lockNodes() string { return "SELECT true" }
func (*sqlite) now() string       { return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }
func (*sqlite) away(error) bool   { return false }

func (*sqlite) committed(_ context.Context, _ string, err error) (bool, error) { return false, err }

// backup has a connection of its own: the readers' may not write, the writer's is never free.
func (d *sqlite) backup(ctx context.Context, path string) error {
	db, err := d.open()
	if err != nil {
		return err
	}
	return errors.Join(copyInto(ctx, db, path), db.Close())
}

func (d *sqlite) migrate(ctx context.Context) error {
	files, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, d.writer, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	return migrate(ctx, provider, func(have int64) error { return d.copyAside(ctx, d.writer, have) })
}

// copyAside keeps the database as it was before a migration.
func (d *sqlite) copyAside(ctx context.Context, db *sql.DB, version int64) error {
	to := fmt.Sprintf("%s.before-%d", d.path, version+1)
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	return copyInto(ctx, db, to)
}

func copyInto(ctx context.Context, db *sql.DB, path string) error {
	if err := private(path); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "VACUUM INTO ?", path) // which may be there, if it is empty
	return err
}
