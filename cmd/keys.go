package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// keysCommand is `gantry keys`. It works beside a running server, which sees every change at once.
type keysCommand struct {
	Create keysCreate `cmd:"" help:"Create a key and print its token alone: it is never shown again."`
	List   keysList   `cmd:"" help:"List the keys."`
	Revoke keysRevoke `cmd:"" help:"End a key at once."`
}

type keysCreate struct {
	dataFlags
	User    string   `help:"Whose key it is; made if there is no such user." default:"admin"`
	Scopes  []string `help:"What it may do; all by default." placeholder:"SCOPE,…"`
	Expires string   `help:"After which time it ends, such as 12h or 90d; never by default." placeholder:"TIME"`
}

type keysList struct{ dataFlags }

type keysRevoke struct {
	dataFlags
	ID string `arg:"" help:"The key's id, as list shows it."`
}

// beside opens the tables beside processes that may be running.
func (d dataFlags) beside(ctx context.Context, p *program, do func(footing) error) error {
	if err := d.make(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	f, err := d.openLocal(ctx, engine.DefaultLimits(), log)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.store.Close())
}

func (d dataFlags) withAccounts(ctx context.Context, p *program, do func(*engine.Engine) error) error {
	return d.beside(ctx, p, func(f footing) error { return do(&engine.Engine{Store: f.store.Engine(), Now: f.store.Now}) })
}

// Run creates the key.
func (k *keysCreate) Run(ctx context.Context, p *program) error {
	lifetime, err := parseDays(k.Expires)
	if err != nil {
		return err
	}
	var expires time.Time
	if lifetime > 0 {
		expires = time.Now().Add(lifetime)
	}
	if len(k.Scopes) == 0 {
		k.Scopes = engine.Scopes()
	}
	token := engine.NewToken()
	err = k.withAccounts(ctx, p, func(e *engine.Engine) error {
		_, err := e.CreateKey(ctx, k.User, token, k.Scopes, expires)
		return err
	})
	if err == nil {
		_, err = fmt.Fprintln(p.stdout, token)
	}
	return err
}

// parseDays is time.ParseDuration with days.
func parseDays(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no time from now; write it as 12h or 90d", text)
	}
	return d, nil
}

// Run lists the keys.
func (k *keysList) Run(ctx context.Context, p *program) error {
	if err := k.exists(); err != nil {
		return err
	}
	return k.withAccounts(ctx, p, func(e *engine.Engine) error {
		keys, err := e.Store.Accounts.Keys(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tUSER\tCREATED\tENDS\tSCOPES")
		for _, key := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", key.ID, key.UserName, key.CreatedAt.Format(time.DateTime), ends(key), scopes(key))
		}
		return w.Flush()
	})
}

func ends(k engine.Key) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case k.ExpiresAt.IsZero():
		return "never"
	}
	return k.ExpiresAt.Format(time.DateTime)
}

func scopes(k engine.Key) string {
	if len(k.Scopes) == len(engine.Scopes()) {
		return "all"
	}
	return strings.Join(k.Scopes, ",")
}

// Run revokes the key.
func (k *keysRevoke) Run(ctx context.Context, p *program) error {
	if err := k.exists(); err != nil {
		return err
	}
	return k.withAccounts(ctx, p, func(e *engine.Engine) error {
		if err := e.Store.Accounts.RevokeKey(ctx, engine.ID(k.ID)); err != nil {
			return fmt.Errorf("%s: %w", k.ID, err)
		}
		return nil
	})
}

// addKey stores a key of the first user with all scopes.
func (a *app) addKey(ctx context.Context, token string) error {
	if len(token) < 16 || strings.ContainsAny(token, " \t\r\n") {
		return errors.New("the API key must have at least 16 characters and no space in it")
	}
	_, err := a.engine.CreateKey(ctx, firstUser, token, engine.Scopes(), time.Time{})
	return err
}
