package sqlstore

import "context"

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
