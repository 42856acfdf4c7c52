package enginetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/riverqueue"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// With footing=postgres in the environment, every engine that names no database is on the PostgreSQL server at the URL.
const (
	footing = "GANTRY_FOOTING"
	server  = "GANTRY_TEST_DATABASE"
)

// Database returns the URL of the server on which engines are to be tested where nothing else is said; empty for SQLite.
func Database() string {
	if os.Getenv(footing) != "postgres" {
		return ""
	}
	return os.Getenv(server)
}

// DatabaseOf returns the URL of the folder's own database on the server at the URL, made at the first call. It goes at the
// end of the test that made it.
func DatabaseOf(t testing.TB, server, dir string) string {
	t.Helper()
	name, made, err := makeDatabase(t.Context(), server, dir)
	if err != nil {
		t.Fatalf("make a database: %v", err)
	}
	if made {
		t.Cleanup(func() {
			if err := execute(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
				t.Errorf("remove the database: %v", err)
			}
		})
	}
	return named(server, name)
}

const template = "gantry_template"

// makeDatabase makes a copy of the template, which saves the migrations.
func makeDatabase(ctx context.Context, server, dir string) (name string, made bool, err error) {
	name = fmt.Sprintf("t%x", sha256.Sum256([]byte(dir)))[:33]
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", false, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(7)"); err != nil { // until the connection ends
		return "", false, err
	}
	if made, err = create(ctx, conn, template, "template0"); err != nil {
		return "", false, err
	}
	if made {
		if err := migrated(ctx, named(server, template)); err != nil {
			return "", false, errors.Join(err, execute(ctx, server, "DROP DATABASE "+template+" WITH (FORCE)"))
		}
	}
	made, err = create(ctx, conn, name, template)
	return name, made, err
}

func create(ctx context.Context, conn *pgx.Conn, name, from string) (made bool, err error) {
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+from)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "42P04" { // it exists
		return false, nil
	}
	return err == nil, err
}

func migrated(ctx context.Context, url string) error {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := sqlstore.OpenPostgres(ctx, url, sqlstore.Options{Log: log})
	if err != nil {
		return err
	}
	catalog, err := engine.NewCatalog()
	if err != nil {
		return err
	}
	queue, err := riverqueue.New(ctx, store, catalog, url, riverqueue.Options{Log: log})
	if err != nil {
		return err
	}
	queue.Close()
	return store.Close()
}

func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func named(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}
