package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// backupCommand is `gantry backup`.
type backupCommand struct {
	dataFlags
	To string `arg:"" help:"A folder that does not exist yet. A restore is starting gantry with it as --data." placeholder:"DIR"`
}

// Run copies database, files and key file, in the order in which nothing is missing: the database first, then the bytes
// that its rows name, which are never changed.
func (b *backupCommand) Run(ctx context.Context, p *program) (err error) {
	if b.shared() {
		return errors.New("a PostgreSQL database is copied with its own tools, such as pg_dump; the files lie where --files says")
	}
	if err := b.exists(); err != nil {
		return err
	}
	if err := os.Mkdir(b.To, 0o700); err != nil {
		return fmt.Errorf("make the backup's folder: %w", err)
	}
	to := dataFlags{Data: b.To}
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	store, err := b.openStore(ctx, engine.DefaultLimits(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.BackupTo(ctx, to.database()); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	key, err := os.ReadFile(b.keyFile())
	if err != nil {
		return fmt.Errorf("copy the key file: %w", err)
	}
	if err := os.WriteFile(to.keyFile(), key, 0o600); err != nil {
		return fmt.Errorf("copy the key file: %w", err)
	}
	return b.copyFiles(ctx, p, to, log)
}

// copyFiles copies the bytes that the copied database names. Those that were deleted meanwhile are gone in the copy too.
func (b *backupCommand) copyFiles(ctx context.Context, p *program, to dataFlags, log *slog.Logger) error {
	from := filestore.At(b.files())
	copied, err := sqlstore.OpenSQLite(ctx, to.database(), sqlstore.Options{Log: log})
	if err != nil {
		return err
	}
	defer copied.Close()
	blobs, err := copied.Blobs(ctx)
	if err != nil {
		return err
	}
	missing := 0
	for _, blob := range blobs {
		path := filepath.Join(to.files(), from.Rel(blob))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		switch err := from.Link(blob, path); {
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case err != nil:
			return fmt.Errorf("copy a file: %w", err)
		}
	}
	fmt.Fprintf(p.stdout, "%s: %d files, %d deleted meanwhile\n", b.To, len(blobs)-missing, missing)
	return nil
}
