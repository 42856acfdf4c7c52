package sqlstore

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"
)

// migrate applies what is missing, after keep has put an older database aside, and refuses a database of the future.
func migrate(ctx context.Context, provider *goose.Provider, keep func(have int64) error) error {
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	switch {
	case have > newest:
		return fmt.Errorf("the database has schema %d, this version of gantry reads up to %d: "+
			"start the newer gantry that wrote it, or restore a backup from before its first start", have, newest)
	case have == newest:
		return nil
	case have > 0:
		if err := keep(have); err != nil {
			return fmt.Errorf("copy the database before its migration: %w", err)
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}
