package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/api/exports"
	"github.com/gantry-engine/gantry/api/files"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/api/workspaces"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/engine/secret"
	"github.com/gantry-engine/gantry/engine/sqlstore"
	"github.com/gantry-engine/gantry/exporters"
	allexporters "github.com/gantry-engine/gantry/exporters/all"
	alltasks "github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// app is a server without its sockets.
type app struct {
	engine *engine.Engine
	store  *sqlstore.Store
	keys   *secret.Keys
	log    *slog.Logger
	close  func()
}

// appConfig is what an app is made of.
type appConfig struct {
	dataFlags
	sharedFlags
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
	toolFlags
	Workers int           `help:"Slots for work bound by the processor; there are four times as many for network work. 0 with --database: only the API." default:"${cores}"`
	Drain   time.Duration `help:"For this long running tasks may go on after the server was told to stop." default:"30s"`

	RequireHostKeys bool `help:"Refuse SFTP servers whose key a task does not say by its host_key."`
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
	lanes := make([]engine.Lane, len(names))
	for i, name := range names {
		lanes[i] = engine.Lane{Name: name, Slots: f.Workers}
		if name == engine.LaneNet {
			lanes[i].Slots = 4 * f.Workers
		}
	}
	return lanes
}

// commitTimeout is how long a storage system may think about a large object before it answers. Deliver ends what stands still
// before that.
const commitTimeout = 10 * time.Minute

// catalog lists every operation of this program. Env is what imports and exports are lent, completed by the policy's ways to
// reach the outside.
func (p *program) catalog(
	ctx context.Context, box *toolbox.Box, policy *egress.Policy, env exporters.Env,
) (*engine.Catalog, error) {
	operations := append(alltasks.Operations(ctx, box), imports.All(policy.Client(egress.ClientOptions{}))...)
	patient := egress.ClientOptions{HeaderTimeout: commitTimeout}
	env.HTTP, env.Dial = policy.Client(patient), policy.DialContext
	definitions := append(allexporters.Definitions(), p.exporters...)
	operations = append(operations, imports.Sources(definitions, env)...)
	operations = append(operations, export.Operations(definitions, env)...)
	operations = append(operations, export.File())
	operations = append(operations, workspaceImports(definitions, env)...)
	return engine.NewCatalog(append(operations, p.operations...)...)
}

// workspaceImports lists the operation that reads the homes of registered computers. Where those are the operator has said, so
// it is under no policy.
func workspaceImports(definitions []exporters.Definition, env exporters.Env) []engine.Operation {
	i := slices.IndexFunc(definitions, func(d exporters.Definition) bool { return d.Kind == "sftp" })
	if i < 0 || definitions[i].Reading == nil {
		return nil
	}
	anywhere := egress.Unrestricted()
	env.HTTP, env.Dial = anywhere.Client(egress.ClientOptions{}), anywhere.DialContext
	return []engine.Operation{imports.Workspace(definitions[i].Reading, env)}
}

// Catalog returns the operations of the program with the options, without what installed programs would add.
func Catalog(options ...Option) (*engine.Catalog, error) {
	p := &program{}
	for _, o := range options {
		o(p)
	}
	return p.bareCatalog(context.Background(), egress.New(nil))
}

// bareCatalog is the catalog where no program is installed.
func (p *program) bareCatalog(ctx context.Context, policy *egress.Policy) (*engine.Catalog, error) {
	box, err := toolbox.New(ctx, toolbox.Config{Sandbox: toolbox.Refused})
	if err != nil {
		return nil, err
	}
	defer box.Close()
	return p.catalog(ctx, box, policy, exporters.Env{})
}

// open opens the data folder and puts an engine on it that is not running yet.
func (p *program) open(ctx context.Context, c appConfig) (_ *app, err error) {
	if err := errors.Join(c.workFlags.check(), c.limitFlags.check()); err != nil {
		return nil, err
	}
	if c.Workers == 0 && !c.shared() {
		return nil, errors.New("--workers 0 is for a server beside workers, with which it shares a --database")
	}
	if err := c.make(); err != nil {
		return nil, err
	}
	work, unlock, err := c.claimWork()
	if err != nil {
		return nil, err
	}
	a := &app{log: c.log, close: unlock}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, fmt.Errorf("make the work folder: %w", err)
	}
	box, err := c.toolFlags.open(ctx, toolbox.Config{Scratch: work, Egress: c.egress, Log: c.log})
	if err != nil {
		return nil, err
	}
	a.close = func() {
		box.Close()
		unlock()
	}
	held := &heldKeys{require: c.RequireHostKeys}
	catalog, err := p.catalog(ctx, box, c.egress, exporters.Env{OwnDownloadHost: c.ownDownloadHost, HostKeys: held})
	if err != nil {
		return nil, err
	}
	c.toolFlags.logTools(c.log, box)
	limits := c.limits()
	f, err := c.open(ctx, catalog, limits, c.log)
	if err != nil {
		return nil, err
	}
	a.store, held.store = f.store, f.store
	a.close = func() {
		f.end(c.log)
		box.Close()
		unlock()
	}
	if a.keys, err = c.openKeys(ctx, f.store); err != nil {
		return nil, err
	}
	bytes, closeFiles, err := c.openFiles(ctx)
	if err != nil {
		return nil, err
	}
	a.close = func() {
		f.end(c.log)
		if err := closeFiles(); err != nil {
			c.log.Error("close the store of files", "error", err)
		}
		box.Close()
		unlock()
	}
	a.engine = &engine.Engine{
		Catalog: catalog, Store: f.store.Engine(), Queue: f.queue, Bus: f.bus, Fleet: f.fleet, Files: bytes, Sealer: a.keys, Limits: limits,
		Lanes: c.lanes(catalog.Lanes()), WorkDir: work, Drain: c.Drain, Log: c.log, Now: f.store.Now,
	}
	return a, a.engine.Announce(ctx)
}

// openKeys returns the keys that seal and sign: those of the data folder, or of the database that others share.
func (c appConfig) openKeys(ctx context.Context, store *sqlstore.Store) (*secret.Keys, error) {
	if c.shared() {
		return c.sharedKeys(ctx, store)
	}
	return c.dataFlags.openKeys(ctx, store, c.acceptLoss)
}

// urls are the addresses under which clients reach the server.
type urls struct {
	public    string
	downloads string // empty: the public one
	redirect  bool   // to the store of the bytes
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
	options := downloads.Options{OwnHost: u.downloads != ""}
	if u.redirect {
		if options.Elsewhere, err = a.elsewhere(); err != nil {
			return nil, err
		}
	}
	return api.New(api.Config{
		Engine: a.engine,
		Routes: slices.Concat(
			v2.Routes(v2.Config{Engine: a.engine, Links: links, PublicURL: u.public}),
			files.Routes(files.Config{Engine: a.engine, Links: links, Signer: signer, PublicURL: u.public}),
			exports.Routes(exports.Config{Engine: a.engine, PublicURL: u.public}),
			workspaces.Routes(workspaces.Config{Engine: a.engine, Links: links}),
		),
		Storage:   downloads.New(a.engine, links, options),
		Ready:     a.store.Reach,
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
