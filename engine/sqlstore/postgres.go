package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// postgres shares the tables with other processes. Two batches at once: while one waits for its commit, the other is
// gathered and written.
type postgres struct {
	pool  *pgxpool.Pool
	texts sync.Map // query → *compiled
}

const (
	postgresLanes   = 2
	postgresReaders = 8
	oldestPostgres  = 140000
	migrationLock   = 0x67616e7472790001 // of pg_advisory_lock; the name of the program in hexadecimal
	nodesLock       = 0x67616e7472790002
)

// OpenPostgres opens the database at the URL and brings it up to date; of several processes that do so at once, one does
// it and the others wait. Any number of processes may have it open.
func OpenPostgres(ctx context.Context, url string, options Options) (*Store, error) {
	pool, err := Pool(ctx, url, postgresLanes+postgresReaders)
	if err != nil {
		return nil, err
	}
	d := &postgres{pool: pool}
	if err := d.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	s := newStore(d, options)
	if err := s.askTime(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// askTime makes the store go by the database's clock from its first moment on.
func (s *Store) askTime(ctx context.Context) error {
	asked := time.Now()
	return s.read(ctx, "SELECT "+s.dialect.now(), func(r rows) error {
		var now int64
		err := r.Scan(&now)
		s.compare(time.UnixMicro(now), asked, time.Now())
		return err
	})
}

// Pool opens connections to the database at the URL, at most that many, and checks that it answers. A server that went
// away without a word is noticed within half a minute.
func Pool(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read; it looks like postgres://user:password@host:5432/name")
	}
	config.MaxConns = connections
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.ConnConfig.DialFunc = dialer.DialContext
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	return pool, nil
}

// compiled is a query in PostgreSQL's words.
type compiled struct {
	text string
	sets [][]column
}

func (d *postgres) query(ctx context.Context, query string, args ...any) (rows, error) {
	text, bound := d.text(query, args)
	found, err := d.pool.Query(ctx, text, bound...)
	return postgresRows{found}, err
}

// postgresView is a transaction that sees the tables as of its first query.
type postgresView struct {
	dialect *postgres
	tx      pgx.Tx
}

func (d *postgres) look(ctx context.Context) (asker, func(context.Context) error, error) {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, err
	}
	return postgresView{d, tx}, tx.Rollback, nil
}

func (v postgresView) query(ctx context.Context, query string, args ...any) (rows, error) {
	text, bound := v.dialect.text(query, args)
	found, err := v.tx.Query(ctx, text, bound...)
	return postgresRows{found}, err
}

// away is true of a connection that could not be made or broke, and of a server that starts, stops or takes no more
// (PostgreSQL, appendix A, classes 08, 53 and 57P).
func (*postgres) away(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "53")
	}
	var unmade *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &unmade) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		pgconn.SafeToRetry(err)
}

// text returns the query in PostgreSQL's words and what is bound to it: of records an array for each column.
func (d *postgres) text(query string, args []any) (string, []any) {
	c := d.compile(query)
	bound := make([]any, 0, len(args)+4)
	sets := c.sets
	for _, arg := range args {
		r, ok := arg.(records)
		if !ok {
			bound = append(bound, arg)
			continue
		}
		for i, col := range sets[0] {
			bound = append(bound, r.array(i, col.kind))
		}
		sets = sets[1:]
	}
	return c.text, bound
}

func (d *postgres) compile(query string) *compiled {
	if c, ok := d.texts.Load(query); ok {
		return c.(*compiled)
	}
	c := &compiled{}
	var out strings.Builder
	n := 0
	values := func(text string) { // numbers the question marks
		for _, r := range text {
			if r != '?' {
				out.WriteRune(r)
				continue
			}
			n++
			out.WriteString("$" + strconv.Itoa(n))
		}
	}
	rest := query
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			break
		}
		set := rest[at[0]:at[1]]
		values(rest[:at[0]])
		rest = rest[at[1]:]
		if isLock(set) {
			out.WriteString(strings.ToUpper(strings.Trim(set, "{}")))
			continue
		}
		c.sets = append(c.sets, columns(set))
		out.WriteString(arrays(columns(set), &n))
	}
	values(rest)
	c.text = out.String()
	d.texts.Store(query, c)
	return c
}

// arrays is a subquery with a row for each element of the arrays; n counts what is bound.
func arrays(columns []column, n *int) string {
	var names, values []string
	for _, c := range columns {
		*n++
		kind := "text"
		if c.kind == "int" {
			kind = "bigint"
		}
		names = append(names, c.name)
		values = append(values, "$"+strconv.Itoa(*n)+"::"+kind+"[]")
	}
	return "(SELECT * FROM unnest(" + strings.Join(values, ", ") + ") AS u (" + strings.Join(names, ", ") + "))"
}

// array is a column of the records.
func (r records) array(i int, kind string) any {
	if kind == "int" {
		out := make([]*int64, len(r))
		for j, row := range r {
			out[j] = integer(row[i])
		}
		return out
	}
	out := make([]*string, len(r))
	for j, row := range r {
		if row[i] != nil {
			s := fmt.Sprint(row[i])
			out[j] = &s
		}
	}
	return out
}

func integer(v any) *int64 {
	var n int64
	switch v := v.(type) {
	case nil:
		return nil
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		n, _ = strconv.ParseInt(fmt.Sprint(v), 10, 64) // a named integer
	}
	return &n
}

func (d *postgres) session() session { return &postgresSession{dialect: d} }
func (*postgres) lanes() int         { return postgresLanes }
func (d *postgres) close() error     { d.pool.Close(); return nil }

// again is true of a deadlock and of what could not be put in an order (PostgreSQL, appendix A, class 40).
func (*postgres) again(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40P01" || e.Code == "40001")
}

const outcomeEvery = 200 * time.Millisecond

// committed asks the server what became of the transaction, as soon as it answers.
func (d *postgres) committed(ctx context.Context, transaction string, failed error) (bool, error) {
	if transaction == "" || d.again(failed) {
		return false, failed
	}
	for {
		var state *string
		err := d.pool.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", transaction).Scan(&state)
		switch {
		case err == nil && state != nil && *state == "committed":
			return true, nil
		case err == nil && (state == nil || *state == "aborted"):
			return false, failed
		}
		select {
		case <-time.After(outcomeEvery): // it has not noticed yet that nobody waits for it
		case <-ctx.Done():
			return false, failed
		}
	}
}

// The rows are locked in the order in which they come out of the sort. What is read afterwards is as of that moment.
func (*postgres) lockJobs() string {
	return `WITH locked AS (SELECT id FROM jobs WHERE id IN (
			SELECT job_id FROM tasks WHERE id IN (SELECT id FROM {id id} AS t) UNION SELECT id FROM {id id} AS j)
		ORDER BY id FOR NO KEY UPDATE)
	SELECT pg_current_xact_id()::text FROM (SELECT count(*) FROM locked) AS n`
}

func (*postgres) lockNodes() string {
	return fmt.Sprintf("SELECT pg_try_advisory_xact_lock(%d)", int64(nodesLock))
}

func (*postgres) now() string { return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint" }

func (d *postgres) migrate(ctx context.Context) error {
	db := stdlib.OpenDBFromPool(d.pool)
	defer db.Close()
	return Exclusively(ctx, d.pool, func() error {
		var version int
		if err := d.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
			return fmt.Errorf("ask for the database's version: %w", err)
		}
		if version < oldestPostgres {
			return errors.New("the database is older than PostgreSQL 14, which gantry needs at least")
		}
		files, err := fs.Sub(postgresMigrations, "migrations/postgres")
		if err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
		if err != nil {
			return fmt.Errorf("read migrations: %w", err)
		}
		return migrate(ctx, provider, func(int64) error { return nil }) // its backups are its operator's
	})
}

// Exclusively calls do while no other process of the database is between the beginning and the end of such a call.
func Exclusively(ctx context.Context, pool *pgxpool.Pool, do func() error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for other processes that migrate the database: %w", err)
	}
	err = do()
	if _, uerr := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock)); uerr != nil {
		_ = conn.Conn().Close(ctx) // which unlocks too
	}
	return err
}

func (*postgres) backup(context.Context, string) error {
	return errors.New("a PostgreSQL database is copied with its own tools, such as pg_dump")
}
