package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"github.com/gantry-engine/gantry/engine/egress"
)

// workCommand is `gantry work`.
type workCommand struct {
	dataFlags
	sharedFlags
	workFlags
	logFlags
	EgressAllow  []netip.Prefix `help:"Private networks that tasks may call all the same." placeholder:"CIDR,…"`
	DownloadsURL string         `help:"As the servers have it: whether active types can be shown inline depends on it." placeholder:"URL"`
}

// sharedFlags are for processes that share their data.
type sharedFlags struct {
	Files         string `help:"Where the files are, in place of the data folder: s3://BUCKET?region=…, gs://BUCKET, azblob://CONTAINER or file:///FOLDER, the same for all processes." placeholder:"URL"`
	SecretKey     string `help:"With --database: a text of 32 characters or more that seals the keys kept there, the same for all processes." env:"GANTRY_SECRET_KEY" placeholder:"TEXT"`
	SecretKeyFile string `help:"A file with that text." env:"GANTRY_SECRET_KEY_FILE" placeholder:"FILE"`
}

// logFlags say what is logged, and how.
type logFlags struct {
	LogLevel slog.Level `help:"debug, info, warn or error." default:"info"`
	LogJSON  bool       `help:"Write the log as JSON."`
}

func (f logFlags) logger(p *program) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.LogLevel}
	if f.LogJSON {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}

// Run works until ctx ends.
func (w *workCommand) Run(ctx context.Context, p *program) error {
	switch {
	case !w.shared():
		return errors.New("a worker needs the --database that it shares with the servers; gantry serve works without one")
	case w.Workers == 0:
		return errors.New("--workers 0 leaves a worker nothing to do")
	}
	log := w.logger(p)
	a, err := p.open(ctx, appConfig{
		dataFlags: w.dataFlags, sharedFlags: w.sharedFlags, workFlags: w.workFlags, egress: egress.New(w.EgressAllow), log: log,
		ownDownloadHost: w.DownloadsURL != "", holder: fmt.Sprintf("process %d", os.Getpid()),
	})
	if err != nil {
		return err
	}
	defer a.close()
	fmt.Fprintf(p.stdout, "working as %s\n", a.store.Node())
	return a.engine.Run(ctx)
}
