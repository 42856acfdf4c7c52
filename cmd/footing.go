package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/localqueue"
	"github.com/gantry-engine/gantry/engine/riverqueue"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// footing is what differs between one process on a folder and many on a database.
type footing struct {
	store *sqlstore.Store
	queue engine.Queue
	bus   engine.Bus
	fleet engine.Fleet // nil: the process is alone
	close []func()
}

func (f footing) end(log *slog.Logger) {
	if err := f.store.Close(); err != nil {
		log.Error("close the database", "error", err)
	}
	for _, end := range f.close {
		end()
	}
}

// shared reports whether other processes work on the same data.
func (d dataFlags) shared() bool { return d.Database != "" }

// openStore opens the tables.
func (d dataFlags) openStore(ctx context.Context, limits engine.Limits, log *slog.Logger) (*sqlstore.Store, error) {
	options := sqlstore.Options{Expiry: limits.Expiry, Idempotency: limits.Idempotency, Log: log}
	if d.shared() {
		return sqlstore.OpenPostgres(ctx, d.Database, options)
	}
	return sqlstore.OpenSQLite(ctx, d.database(), options)
}

// openLocal opens the tables for a look or a small change beside the processes that do the work.
func (d dataFlags) openLocal(ctx context.Context, limits engine.Limits, log *slog.Logger) (footing, error) {
	store, err := d.openStore(ctx, limits, log)
	if err != nil {
		return footing{}, err
	}
	bus, queue := localqueue.NewBus(), localqueue.New(store.Node(), store.Turn)
	store.Bind(queue, bus)
	return footing{store: store, queue: queue, bus: bus}, nil
}

// open opens the tables with the queue and the bus that belong to them.
func (d dataFlags) open(ctx context.Context, catalog *engine.Catalog, limits engine.Limits, log *slog.Logger) (footing, error) {
	if !d.shared() {
		return d.openLocal(ctx, limits, log)
	}
	store, err := d.openStore(ctx, limits, log)
	if err != nil {
		return footing{}, err
	}
	queue, err := riverqueue.New(ctx, store, catalog, d.Database, riverqueue.Options{Version: version(), Log: log})
	if err != nil {
		return footing{}, errors.Join(err, store.Close())
	}
	bus := riverqueue.NewBus(store, d.Database, log)
	store.Bind(queue, bus)
	return footing{store: store, queue: queue, bus: bus, fleet: queue, close: []func(){queue.Close, bus.Close}}, nil
}

// claimWork returns a folder for running tasks that no other process of this machine uses, and a function that frees it. Who
// has the data to itself locks all of it.
func (c appConfig) claimWork() (dir string, release func(), err error) {
	if !c.shared() {
		release, err = c.lock(c.holder)
		return c.work(), release, err
	}
	for n := 1; ; n++ {
		dir := fmt.Sprintf("%s-%d", c.work(), n)
		f, err := os.OpenFile(fmt.Sprintf("%s-%d", c.lockFile(), n), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("lock a work folder: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return dir, func() { f.Close() }, nil
		}
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return "", nil, fmt.Errorf("lock a work folder: %w", err)
		}
	}
}

// openFiles opens the store of bytes, and returns what closes it.
func (c appConfig) openFiles(ctx context.Context) (engine.Files, func() error, error) {
	nothing := func() error { return nil }
	switch {
	case c.Files != "":
		return filestore.Open(ctx, c.Files)
	case c.shared():
		c.log.Warn("the files lie in the data folder: every process has to see the same one; --files names another place")
		d, err := filestore.OpenShared(c.files())
		return d, nothing, err
	}
	d, err := filestore.OpenDir(c.files())
	return d, nothing, err
}

// elsewhere returns links to the store of the bytes itself.
func (a *app) elsewhere() (func(context.Context, engine.BlobID, string, string, time.Time) (string, error), error) {
	bucket, ok := a.engine.Files.(*filestore.Bucket)
	if !ok {
		return nil, errors.New("--redirect-downloads needs the --files in a bucket")
	}
	return func(ctx context.Context, blob engine.BlobID, contentType, disposition string, until time.Time) (string, error) {
		return bucket.Link(ctx, blob, filestore.Redirect{ContentType: contentType, ContentDisposition: disposition,
			For: min(until.Sub(a.engine.Now()), redirectFor)})
	}, nil
}

// redirectFor is how long a link to the bucket can be used: long enough to begin with it.
const redirectFor = 5 * time.Minute

// sharedKeysSetting is where a shared database keeps the keys, base64 or, behind a prefix, sealed.
const (
	sharedKeysSetting = "keys"
	sealedPrefix      = "sealed:"
)

// sharedKeys returns the keys of all processes of the database. The first one makes them.
func (c appConfig) sharedKeys(ctx context.Context, store *sqlstore.Store) (*secret.Keys, error) {
	given, err := textOrFile(c.SecretKey, c.SecretKeyFile, "--secret-key-file")
	if err != nil {
		return nil, err
	}
	fresh, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	var lock *secret.Keys
	text := fresh.Text()
	if given != "" {
		if lock, err = secret.FromText(given); err != nil {
			return nil, fmt.Errorf("--secret-key: %w", err)
		}
		if text, err = sealed(lock, text); err != nil {
			return nil, err
		}
	} else {
		c.log.Warn("the keys that seal tasks and sign links lie in the database as they are; --secret-key seals them")
	}
	kept, err := store.FirstSetting(ctx, sharedKeysSetting, text)
	if err != nil {
		return nil, err
	}
	return openShared(ctx, store, lock, kept)
}

func sealed(lock *secret.Keys, text string) (string, error) {
	out, err := lock.SealText(text, sharedKeysSetting)
	return sealedPrefix + out, err
}

func openShared(ctx context.Context, store *sqlstore.Store, lock *secret.Keys, kept string) (*secret.Keys, error) {
	body, isSealed := strings.CutPrefix(kept, sealedPrefix)
	switch {
	case isSealed && lock == nil:
		return nil, errors.New("the keys in the database are sealed: start this process with the --secret-key of the others")
	case isSealed:
		text, err := lock.UnsealText(body, sharedKeysSetting)
		if err != nil {
			return nil, errors.New("the keys in the database were sealed with another --secret-key: start this process with that of the others")
		}
		return secret.Parse(text)
	case lock != nil: // they were kept before there was a key to seal them with
		text, err := sealed(lock, kept)
		if err != nil {
			return nil, err
		}
		if err := store.KeepSetting(ctx, sharedKeysSetting, text); err != nil {
			return nil, err
		}
	}
	return secret.Parse(kept)
}

// textOrFile is a secret given as text or as a file that holds it.
func textOrFile(text, file, flag string) (string, error) {
	if file == "" {
		return strings.TrimSpace(text), nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", flag, err)
	}
	return strings.TrimSpace(string(content)), nil
}
