package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// workspacesCommand is `gantry workspaces`. It works beside a running server, which sees every change at once.
type workspacesCommand struct {
	Add    workspacesAdd    `cmd:"" help:"Register a computer, of whose home files can be exported, and print its id."`
	List   workspacesList   `cmd:"" help:"List the registered computers."`
	Remove workspacesRemove `cmd:"" help:"Forget a registered computer."`
}

type workspacesAdd struct {
	dataFlags
	sharedFlags
	Name         string `arg:"" help:"What it is called."`
	Home         string `help:"Its home, a folder in full: of this machine, or at the SFTP server." required:"" placeholder:"DIR"`
	HomeAs       string `help:"What clients call that folder." default:"/home/user" placeholder:"DIR"`
	Owner        string `help:"Whose it is; made if there is no such user. By default the first user." placeholder:"NAME"`
	SFTP         string `name:"sftp" help:"SFTP server where it is reached; without one it is a folder of this machine." placeholder:"HOST:PORT"`
	SFTPUser     string `name:"sftp-user" help:"The user to log in there as." placeholder:"USER"`
	PasswordFile string `help:"A file with that user's password, which is kept sealed." placeholder:"FILE" type:"existingfile"`
	HostKey      string `help:"The SFTP server's key, as TYPE BASE64 or SHA256:FINGERPRINT; no other is accepted then." placeholder:"KEY"`
}

type workspacesList struct{ dataFlags }

type workspacesRemove struct {
	dataFlags
	ID string `arg:"" name:"workspace" help:"Its id or, where only one user has a workspace of that name, its name."`
}

// Run registers the workspace.
func (w *workspacesAdd) Run(ctx context.Context, p *program) error {
	remote, err := w.remote()
	if err != nil {
		return err
	}
	for flag, dir := range map[string]string{"--home": w.Home, "--home-as": w.HomeAs} {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("%s must be a folder in full, beginning with a slash", flag)
		}
	}
	return w.beside(ctx, p, func(f footing) error {
		log := slog.New(slog.NewTextHandler(p.stderr, nil))
		keys, err := appConfig{dataFlags: w.dataFlags, sharedFlags: w.sharedFlags, log: log}.openKeys(ctx, f.store)
		if err != nil {
			return err
		}
		e := &engine.Engine{Store: f.store.Engine(), Now: f.store.Now, Sealer: keys}
		owner, err := somebody(ctx, e, w.Owner)
		if err != nil {
			return err
		}
		made, err := e.RegisterWorkspace(ctx, engine.Workspace{Name: w.Name, Owner: owner, Home: w.Home, HomeAs: w.HomeAs}, remote)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "added", made.Name, made.ID)
		return err
	})
}

// remote is how the SFTP server is reached, in the words of import/sftp; nil where there is none.
func (w *workspacesAdd) remote() ([]byte, error) {
	if w.SFTP == "" {
		if w.SFTPUser != "" || w.PasswordFile != "" || w.HostKey != "" {
			return nil, errors.New("--sftp-user, --password-file and --host-key belong to --sftp")
		}
		return nil, nil
	}
	if w.SFTPUser == "" || w.PasswordFile == "" {
		return nil, errors.New("--sftp needs --sftp-user and --password-file")
	}
	host, port, err := net.SplitHostPort(w.SFTP)
	if err != nil {
		host, port = strings.Trim(w.SFTP, "[]"), "22"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" {
		return nil, errors.New("--sftp must be HOST:PORT")
	}
	password, err := textOrFile("", w.PasswordFile, "--password-file")
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"host": host, "port": number, "username": w.SFTPUser, "password": password, "host_key": w.HostKey})
}

// Run lists the workspaces.
func (w *workspacesList) Run(ctx context.Context, p *program) error {
	if err := w.exists(); err != nil {
		return err
	}
	return w.withAccounts(ctx, p, func(e *engine.Engine) error {
		all, err := e.Store.Workspaces.Workspaces(ctx)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tOWNER\tHOME\tCREATED\tREACHED\tID")
		for _, one := range all {
			owner, err := e.Store.Accounts.User(ctx, one.Owner)
			if err != nil {
				return err
			}
			reached := "here"
			if one.Remote != nil {
				reached = "sftp"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", one.Name, owner.Name, one.Home, one.CreatedAt.Format(time.DateTime), reached, one.ID)
		}
		return t.Flush()
	})
}

// Run forgets the workspace.
func (w *workspacesRemove) Run(ctx context.Context, p *program) error {
	if err := w.exists(); err != nil {
		return err
	}
	return w.withAccounts(ctx, p, func(e *engine.Engine) error {
		id, err := w.find(ctx, e)
		if err != nil {
			return err
		}
		if err := e.Store.Workspaces.RemoveWorkspace(ctx, id); err != nil {
			return fmt.Errorf("%s: %w", w.ID, err)
		}
		_, err = fmt.Fprintln(p.stdout, "removed", id)
		return err
	})
}

// find returns the id of the workspace that is meant.
func (w *workspacesRemove) find(ctx context.Context, e *engine.Engine) (found engine.ID, err error) {
	all, err := e.Store.Workspaces.Workspaces(ctx)
	for _, one := range all {
		switch {
		case one.Name != w.ID:
		case found != "":
			return "", fmt.Errorf("several users have a workspace %s: name it by its id", w.ID)
		default:
			found = one.ID
		}
	}
	return cmp.Or(found, engine.ID(w.ID)), err
}
