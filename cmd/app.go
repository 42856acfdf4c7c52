package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/filestore"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
	"github.com/gantry-engine/gantry/exporters"
	allexporters "github.com/gantry-engine/gantry/exporters/all"
	alltasks "github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// app is a server without its sockets.
type app struct {
	engine *engine.Engine
	store  *sqlstore.Store
	files  *filestore.Dir
	keys   *secret.Keys
	log    *slog.Logger
	close  func()
}

// appConfig is what an app is made of.
type appConfig struct {
	dataFlags
	workFlags
	egress     *egress.Policy
	holder     string // what another process on the same data is told
	acceptLoss bool
	log        *slog.Logger

	ownDownloadHost bool
}

// workFlags say how much one process does at once.
type workFlags struct {
	limitFlags
	Workers int           `help:"Slots for work bound by the processor; there are four times as many for network work. 0: one a core." default:"0"`
	Drain   time.Duration `help:"For this long running tasks may go on after the server was told to stop." default:"30s"`
}

// check refuses what cannot be meant.
func (f workFlags) check() error {
	if f.Workers < 0 || f.Drain < 0 {
		return errors.New("--workers and --drain cannot be below 0")
	}
	return nil
}

// lanes gives each lane its slots.
func (f workFlags) lanes(names []string) []engine.Lane {
	workers := f.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	lanes := make([]engine.Lane, len(names))
	for i, name := range names {
		lanes[i] = engine.Lane{Name: name, Slots: workers}
		if name == engine.LaneNet {
			lanes[i].Slots = 4 * workers
		}
	}
	return lanes
}

// commitTimeout is how long a storage system may think about a large object before it answers. Deliver ends what stands still
// before that.
const commitTimeout = 10 * time.Minute

// catalog lists every operation of this program. Client is what imports and exports reach the outside with.
func (p *program) catalog(policy *egress.Policy, ownDownloadHost bool) (*engine.Catalog, error) {
	operations := append(alltasks.Operations(), imports.All(policy.Client(egress.ClientOptions{}))...)
	patient := egress.ClientOptions{HeaderTimeout: commitTimeout}
	env := exporters.Env{HTTP: policy.Client(patient), Dial: policy.DialContext, OwnDownloadHost: ownDownloadHost}
	definitions := append(allexporters.Definitions(), p.exporters...)
	operations = append(operations, imports.Sources(definitions, env)...)
	operations = append(operations, export.Operations(definitions, env)...)
	return engine.NewCatalog(append(operations, p.operations...)...)
}

// Catalog returns the operations of the program with the options, as they work on this machine.
func Catalog(options ...Option) (*engine.Catalog, error) {
	p := &program{}
	for _, o := range options {
		o(p)
	}
	return p.catalog(egress.New(nil), false)
}

// open opens the data folder and puts an engine on it that is not running yet.
func (p *program) open(ctx context.Context, c appConfig) (_ *app, err error) {
	if err := errors.Join(c.workFlags.check(), c.limitFlags.check()); err != nil {
		return nil, err
	}
	if err := errors.Join(c.workFlags.check(), c.limitFlags.check()); err != nil {
		return nil, err
	}
	if err := c.make(); err != nil {
		return nil, err
	}
	unlock, err := c.lock(c.holder)
	if err != nil {
		return nil, err
	}
	a := &app{log: c.log, close: unlock}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	limits := c.limits()
	store, bus, queue, err := c.openStore(ctx, limits, c.log)
	if err != nil {
		return nil, err
	}
	a.store = store
	a.close = func() {
		if err := store.Close(); err != nil {
			c.log.Error("close the database", "error", err)
		}
		unlock()
	}
	if a.keys, err = c.openKeys(ctx, store, c.acceptLoss); err != nil {
		return nil, err
	}
	if a.files, err = c.openFiles(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.work(), 0o700); err != nil {
		return nil, fmt.Errorf("make the work folder: %w", err)
	}
	catalog, err := p.catalog(c.egress, c.ownDownloadHost)
	if err != nil {
		return nil, err
	}
	a.engine = &engine.Engine{
		Catalog: catalog, Store: store.Engine(), Queue: queue, Bus: bus, Files: a.files, Sealer: a.keys, Limits: limits,
		Lanes: c.lanes(catalog.Lanes()), WorkDir: c.work(), Drain: c.Drain, Log: c.log,
	}
	return a, nil
}

// urls are the addresses under which clients reach the server.
type urls struct {
	public    string
	downloads string // empty: the public one
}

// handler returns the server's answers to all requests.
func (a *app) handler(u urls) (http.Handler, error) {
	signer, err := a.signer()
	if err != nil {
		return nil, err
	}
	base := u.downloads
	if base == "" {
		base = u.public
	}
	links, err := downloads.NewLinks(signer, base)
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Engine:    a.engine,
		Routes:    v2.Routes(v2.Config{Engine: a.engine, Links: links, PublicURL: u.public}),
		Storage:   downloads.New(a.engine, links, downloads.Options{OwnHost: u.downloads != ""}),
		PublicURL: u.public,
		Version:   version(),
		Log:       a.log,
	}), nil
}

// signer derives the keys of links from those of the key file.
func (a *app) signer() (*link.Signer, error) {
	derived, err := a.keys.Derive("links")
	if err != nil {
		return nil, err
	}
	var keys []link.Key
	for _, d := range derived {
		keys = append(keys, link.Key{ID: d.ID, Secret: d.Secret})
	}
	return link.New(keys...)
}
