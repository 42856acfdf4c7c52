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
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers itself with database/sql; there is no other way to name the driver
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqlite keeps everything in one file. WAL lets readers go on while the one writer commits; synchronous=FULL makes a
// commit survive a power loss.
type sqlite struct{ path string }

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
	s := newStore(d, writer, reader, options)
	s.links = &links{}
	return s, nil
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

// Binding values costs a third of what SQLite takes to read them out of JSON. The statement then has a text for each
// number of rows, so there are few numbers, and JSON for what is larger.
func (sqlite) records(columns []string, room int) string {
	selected := make([]string, len(columns))
	for i, c := range columns {
		name, _, _ := strings.Cut(c, " ")
		if room > 0 {
			selected[i] = "column" + strconv.Itoa(i+1) + " AS " + name
		} else {
			selected[i] = "value->>" + strconv.Itoa(i) + " AS " + name
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

func (sqlite) room(rows, columns int) int {
	room := 1
	for room < rows {
		room *= 2
	}
	if rows == 0 || room*columns > maxValues {
		return 0
	}
	return room
}

func (sqlite) begin() string { return "BEGIN IMMEDIATE" }

// backup has a connection of its own: the readers' may not write, the writer's is never free.
func (d sqlite) backup(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", d.dsn())
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(d.path), err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, db.Close())
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

// copyAside keeps the database as it was before a migration.
func (d sqlite) copyAside(ctx context.Context, db *sql.DB, version int64) error {
	to := fmt.Sprintf("%s.before-%d", d.path, version+1)
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	_, err := db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}
