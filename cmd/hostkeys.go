package cmd

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// heldKeys are the host keys in the tables, as exporters see them.
type heldKeys struct {
	store   *sqlstore.Store // set before any task runs
	require bool            // hosts whose key no task says are refused
}

// Held implements exporters.HostKeys.
func (h *heldKeys) Held(ctx context.Context, owner engine.UserID, host string) (string, error) {
	if h.require {
		return "", engine.Errorf(engine.Invalid, "This server only calls SFTP servers whose key the task says: set host_key.")
	}
	return h.store.HostKey(ctx, owner, host)
}

// Hold implements exporters.HostKeys.
func (h *heldKeys) Hold(ctx context.Context, owner engine.UserID, host, key string) (string, error) {
	return h.store.HoldHostKey(ctx, engine.HostKey{User: owner, Host: host, Key: key, CreatedAt: h.store.Now()})
}

// hostKeysCommand is `gantry host-keys`. It works beside a running server, which sees every change at once.
type hostKeysCommand struct {
	List   hostKeysList   `cmd:"" help:"List the keys."`
	Forget hostKeysForget `cmd:"" help:"Forget the keys of a host: the next one that it shows is taken."`
}

type hostKeysList struct{ dataFlags }

type hostKeysForget struct {
	dataFlags
	Host string `arg:"" help:"The host, as list shows it."`
}

// Run lists the keys.
func (h *hostKeysList) Run(ctx context.Context, p *program) error {
	if err := h.exists(); err != nil {
		return err
	}
	return h.beside(ctx, p, func(f footing) error {
		keys, err := f.store.HostKeys(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "HOST\tUSER\tSINCE\tKEY")
		for _, k := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Host, k.UserName, k.CreatedAt.Format(time.DateTime), fingerprint(k.Key))
		}
		return w.Flush()
	})
}

// fingerprint is how persons compare keys.
func fingerprint(key string) string {
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return key
	}
	return ssh.FingerprintSHA256(parsed)
}

// Run forgets the keys of a host.
func (h *hostKeysForget) Run(ctx context.Context, p *program) error {
	if err := h.exists(); err != nil {
		return err
	}
	return h.beside(ctx, p, func(f footing) error {
		if err := f.store.ForgetHostKey(ctx, h.Host); err != nil {
			return fmt.Errorf("%s: %w", h.Host, err)
		}
		return nil
	})
}
