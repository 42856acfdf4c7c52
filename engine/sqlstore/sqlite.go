package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers itself with database/sql; there is no other way to name the driver
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqlite keeps everything in one file. WAL lets readers go on while the one writer commits; synchronous=FULL makes a
// commit survive a power loss.
type sqlite struct {
	path   string
	writer *sql.DB
}

const sqliteReaders = 4

// OpenSQLite opens the database file, makes it if it is missing and brings it up to date, after copying an older one to
// PATH.before-VERSION. One process at a time may have it open as a store.
func OpenSQLite(ctx context.Context, path string, options Options) (*Store, error) {
	d := sqlite{path: path}
	writer, err := sql.Open("sqlite", d.dsn("_pragma=synchronous(FULL)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	writer.SetMaxOpenConns(1)
	d.writer = writer
	if err := d.migrate(ctx, writer); err != nil {
		writer.Close()
		return nil, err
	}
	reader, err := sql.Open("sqlite", d.dsn("_pragma=query_only(1)"))
	if err != nil {
		writer.Close()
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	reader.SetMaxOpenConns(sqliteReaders)
	reader.SetMaxIdleConns(sqliteReaders)
	return newStore(d, writer, reader, options), nil
}

func (d sqlite) dsn(more ...string) string {
	pragmas := append([]string{
		"_pragma=busy_timeout(10000)", "_pragma=journal_mode(WAL)", "_pragma=temp_store(MEMORY)", "_pragma=cache_size(-8000)",
	}, more...)
	return "file:" + uriPath(d.path) + "?" + strings.Join(pragmas, "&")
}

// uriPath escapes what has a meaning in SQLite's file URIs.
func uriPath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// text implements dialect for single queries, whose records are JSON.
func (d sqlite) text(query string, args []any) (string, []any) {
	bound := make([]any, len(args))
	for i, arg := range args {
		if r, ok := arg.(records); ok {
			arg = r.JSON()
		}
		bound[i] = arg
	}
	return d.expand(query, rooms{}), bound
}

func (d sqlite) session() session { return &sqliteSession{db: d.writer} }

// There is one writer, so nobody to wait for, and a failed commit is undone.
func (sqlite) lanes() int        { return 1 }
func (sqlite) again(error) bool  { return false }
func (sqlite) lockJobs() string  { return "" }
func (sqlite) lockNodes() string { return "SELECT true" }
func (sqlite) now() string       { return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }
func (sqlite) close()            {}

func (sqlite) committed(_ context.Context, _ string, err error) (bool, error) { return false, err }

func (d sqlite) changed(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&n)
	return n, err
}

func (d sqlite) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	return migrate(ctx, provider, func(have int64) error { return d.copyAside(ctx, db, have) })
}

// backup has a connection of its own: the writing one never rests, the reading ones must not write.
func (d sqlite) backup(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", d.dsn())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// copyAside keeps the database as it was before a migration.
func (d sqlite) copyAside(ctx context.Context, db *sql.DB, version int64) error {
	to := fmt.Sprintf("%s.before-%d", d.path, version+1)
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	_, err := db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}
