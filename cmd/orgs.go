package cmd

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// orgsCommand is `gantry orgs`. It works beside a running server, which sees every change at once.
type orgsCommand struct {
	Create orgsCreate `cmd:"" help:"Create an organisation and print its id."`
	Delete orgsDelete `cmd:"" help:"Delete an organisation with its files, their links and running exports."`
	List   orgsList   `cmd:"" help:"List the organisations."`
}

type orgsCreate struct {
	dataFlags
	Name string `arg:"" help:"What it is called."`
	User string `help:"Who is its member; made if there is no such user. By default the first user." placeholder:"NAME"`
}

type orgsDelete struct {
	dataFlags
	ID string `arg:"" help:"The organisation's id, as list shows it."`
}

type orgsList struct{ dataFlags }

// Run creates the organisation.
func (o *orgsCreate) Run(ctx context.Context, p *program) error {
	return o.withAccounts(ctx, p, func(e *engine.Engine) error {
		user, err := somebody(ctx, e, o.User)
		if err != nil {
			return err
		}
		made, err := e.CreateOrganisation(ctx, o.Name, user)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "created", made.Name, made.ID)
		return err
	})
}

// somebody is the user of that name; without one the first there is.
func somebody(ctx context.Context, e *engine.Engine, name string) (engine.UserID, error) {
	if name != "" {
		u, err := e.UserNamed(ctx, name)
		return u.ID, err
	}
	first, err := e.Store.Accounts.User(ctx, 1) // users are numbered from here
	if err != nil && engine.CodeOf(err) == engine.NotFound {
		first, err = e.UserNamed(ctx, firstUser)
	}
	return first.ID, err
}

// Run deletes the organisation.
func (o *orgsDelete) Run(ctx context.Context, p *program) error {
	if err := o.exists(); err != nil {
		return err
	}
	return o.withAccounts(ctx, p, func(e *engine.Engine) error {
		if err := e.Store.Organisations.RemoveOrganisation(ctx, engine.ID(o.ID)); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		_, err := fmt.Fprintln(p.stdout, "deleted", o.ID)
		return err
	})
}

// Run lists the organisations.
func (o *orgsList) Run(ctx context.Context, p *program) error {
	if err := o.exists(); err != nil {
		return err
	}
	return o.withAccounts(ctx, p, func(e *engine.Engine) error {
		all, err := e.Store.Organisations.Organisations(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tCREATED\tID")
		for _, one := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\n", one.Name, one.CreatedAt.Format(time.DateTime), one.ID)
		}
		return w.Flush()
	})
}
