package sqlstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresSession is a session on a connection of the pool. The driver prepares each text once.
type postgresSession struct {
	dialect *postgres
	conn    *pgxpool.Conn
	tx      pgx.Tx
}

// byKey makes the planner look rows up by their keys, as every statement of a batch wants it. A plan is made once for a connection,
// and when it is made the tables may be small: left to itself it would read them whole for as long as the statistics are old.
const byKey = `SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;
	SET enable_hashjoin = off; SET enable_mergejoin = off`

func (w *postgresSession) begin(ctx context.Context) (err error) {
	if w.conn != nil && w.conn.Conn().IsClosed() {
		w.close()
	}
	if w.conn == nil {
		if w.conn, err = w.dialect.pool.Acquire(ctx); err != nil {
			return fmt.Errorf("reach the database: %w", err)
		}
		if _, err = w.conn.Exec(ctx, byKey); err != nil {
			w.close()
			return err
		}
	}
	if w.tx, err = w.conn.Begin(ctx); err != nil {
		w.close()
	}
	return err
}

func (w *postgresSession) commit(ctx context.Context) error { return w.tx.Commit(ctx) }

func (w *postgresSession) rollback(ctx context.Context) {
	if err := w.tx.Rollback(context.WithoutCancel(ctx)); err != nil {
		w.close()
	}
}

func (w *postgresSession) exec(ctx context.Context, query string, args ...any) error {
	text, bound := w.dialect.text(query, args)
	_, err := w.tx.Exec(ctx, text, bound...)
	return err
}

func (w *postgresSession) query(ctx context.Context, query string, args ...any) (rows, error) {
	text, bound := w.dialect.text(query, args)
	found, err := w.tx.Query(ctx, text, bound...)
	if err != nil {
		return nil, err
	}
	return postgresRows{found}, nil
}

func (w *postgresSession) close() {
	if w.conn != nil {
		_ = w.conn.Conn().Close(context.Background()) // its state is not known
		w.conn.Release()
		w.conn = nil
	}
}

// postgresRows are pgx's rows with the error of a query where the others have it.
type postgresRows struct{ pgx.Rows }

func (r postgresRows) Close() error {
	r.Rows.Close()
	return r.Err()
}
