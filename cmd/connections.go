package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
)

// connectionsCommand is `gantry connections`. It works beside a running server, which sees every change at once.
type connectionsCommand struct {
	Add    connectionsAdd    `cmd:"" help:"Seal credentials and addresses under a name. They are never shown again."`
	List   connectionsList   `cmd:"" help:"List the connections, without what they hold."`
	Remove connectionsRemove `cmd:"" help:"Forget a connection. Jobs that were accepted with it go on."`
}

// ownerFlags say whose connection it is, and how it is sealed.
type ownerFlags struct {
	dataFlags
	SecretKey     string `help:"With --database: as the servers have it." env:"GANTRY_SECRET_KEY" placeholder:"TEXT"`
	SecretKeyFile string `help:"A file with that text." env:"GANTRY_SECRET_KEY_FILE" placeholder:"FILE"`
	User          string `help:"Whose connection it is." default:"admin"`
}

type connectionsAdd struct {
	ownerFlags
	Name   string   `arg:"" help:"What tasks will call it."`
	Kind   string   `arg:"" help:"The storage system, such as s3 or sftp."`
	Values []string `arg:"" help:"name=value; name=@FILE reads the value from a file."`
}

type connectionsList struct{ dataFlags }

type connectionsRemove struct {
	dataFlags
	User string `help:"Whose connection it is." default:"admin"`
	Name string `arg:"" help:"The connection's name."`
}

// withKeys opens the tables and the keys beside a running server.
func (o ownerFlags) withKeys(ctx context.Context, p *program, do func(*engine.Engine, footing) error) error {
	catalog, err := p.bareCatalog(ctx, egress.Unrestricted())
	if err != nil {
		return err
	}
	return o.beside(ctx, p, func(f footing) error {
		c := appConfig{dataFlags: o.dataFlags, log: slog.New(slog.NewTextHandler(p.stderr, nil))}
		c.SecretKey, c.SecretKeyFile = o.SecretKey, o.SecretKeyFile
		keys, err := c.openKeys(ctx, f.store)
		if err != nil {
			return err
		}
		return do(&engine.Engine{Catalog: catalog, Store: f.store.Engine(), Sealer: keys, Now: f.store.Now}, f)
	})
}

// Run adds the connection.
func (c *connectionsAdd) Run(ctx context.Context, p *program) error {
	raw, err := parseValues(c.Values)
	if err != nil {
		return err
	}
	return c.withKeys(ctx, p, func(e *engine.Engine, f footing) error {
		user, err := f.store.EnsureUser(ctx, c.User)
		if err != nil {
			return err
		}
		return explained(e.AddConnection(ctx, user.ID, c.Name, c.Kind, raw))
	})
}

// connection looks for the connection of a user, who may be none.
func (f footing) connection(ctx context.Context, user, name string) (engine.Connection, error) {
	all, err := f.store.Connections(ctx)
	if err != nil {
		return engine.Connection{}, err
	}
	own := slices.IndexFunc(all, func(one engine.Connection) bool { return one.UserName == user && one.Name == name })
	if own < 0 {
		return engine.Connection{}, engine.Errorf(engine.NotFound, "The user %q has no connection %q.", user, name)
	}
	return all[own], nil
}

// explained is err with every mistake on a line of its own.
func explained(err error) error {
	var e *engine.Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		return err
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, "\n  "+p.Field+": "+p.Message)
	}
	slices.Sort(lines)
	return errors.New(e.Message + strings.Join(lines, ""))
}

// Run lists the connections.
func (c *connectionsList) Run(ctx context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	return c.beside(ctx, p, func(f footing) error {
		all, err := f.store.Connections(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tKIND\tUSER\tSINCE")
		for _, one := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", one.Name, one.Kind, one.UserName, one.CreatedAt.Format(time.DateTime))
		}
		return w.Flush()
	})
}

// Run removes the connection.
func (c *connectionsRemove) Run(ctx context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	return c.beside(ctx, p, func(f footing) error {
		own, err := f.connection(ctx, c.User, c.Name)
		if err != nil {
			return err
		}
		return f.store.RemoveConnection(ctx, own.User, c.Name)
	})
}
