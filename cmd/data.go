package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// dataFlags say where the data is.
type dataFlags struct {
	Data     string `help:"Folder of the database, the files and the key file." default:"${data}" placeholder:"DIR"`
	Database string `help:"PostgreSQL database, 14 or newer, in place of the one in the folder; any number of processes may share it." placeholder:"postgres://…"`
}

// The parts of a data folder.
func (d dataFlags) database() string { return filepath.Join(d.Data, "gantry.db") }
func (d dataFlags) files() string    { return filepath.Join(d.Data, "files") }
func (d dataFlags) work() string     { return filepath.Join(d.Data, "work") }
func (d dataFlags) keyFile() string  { return filepath.Join(d.Data, "key") }
func (d dataFlags) lockFile() string { return filepath.Join(d.Data, "lock") }

// make makes the folder if it is missing, readable by its owner alone.
func (d dataFlags) make() error {
	if err := os.MkdirAll(d.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder (--data names another): %w", err)
	}
	return nil
}

// exists refuses a folder without data, which a command that only looks at it would else make.
func (d dataFlags) exists() error {
	if _, err := os.Stat(d.database()); err != nil && !d.shared() {
		return fmt.Errorf("there is no data of gantry (--data names another folder): %w", err)
	}
	return nil
}

// lock makes sure that one server uses the folder; holder is what another is told. It ends with the process.
func (d dataFlags) lock(holder string) (release func(), err error) {
	f, err := os.OpenFile(d.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		other, _ := os.ReadFile(d.lockFile())
		f.Close()
		return nil, fmt.Errorf("the data folder %s is in use by another gantry (%s): stop that one, or give this one a folder of its own with --data",
			d.Data, strings.TrimSpace(string(other)))
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(holder+"\n"), 0) // only for the text above
	return func() { f.Close() }, nil
}

// keySetting is where the database keeps the name of the key it was sealed with.
const keySetting = "key"

// openKeys reads the key file, and makes one for a new folder. A lost or foreign key file is refused unless that is
// accepted, for what was sealed with the old one is lost then.
func (d dataFlags) openKeys(ctx context.Context, store *sqlstore.Store, acceptLoss bool) (*secret.Keys, error) {
	sealedWith, err := store.Setting(ctx, keySetting)
	if err != nil {
		return nil, err
	}
	keys, err := secret.Load(d.keyFile())
	switch {
	case err == nil && (sealedWith == "" || keys.Has(sealedWith)):
	case err == nil && !acceptLoss:
		return nil, lostKey(d.keyFile(), "is not the one this database was sealed with")
	case errors.Is(err, fs.ErrNotExist) && sealedWith != "" && !acceptLoss:
		return nil, lostKey(d.keyFile(), "is missing")
	case errors.Is(err, fs.ErrNotExist):
		if keys, err = secret.Generate(); err == nil {
			err = keys.Save(d.keyFile())
		}
	}
	if err != nil {
		return nil, err
	}
	if keys.ID() != sealedWith {
		err = store.KeepSetting(ctx, keySetting, keys.ID())
	}
	return keys, err
}

func lostKey(path, what string) error {
	return fmt.Errorf(`the key file %s %s.
Lost without it: the parameters of tasks that have not ended (they will fail) or are to be retried, and all links given out.
What still works: API keys, finished jobs and their files, which get new links.
Put the key file back from a backup, or go on without it: gantry serve --accept-lost-key`, path, what)
}
