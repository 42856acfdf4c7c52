package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
)

// serveCommand is `gantry serve`.
type serveCommand struct {
	dataFlags
	sharedFlags
	workFlags
	logFlags
	Listen            string         `help:"Address to listen on; port 0 picks a free one." default:"127.0.0.1:8080"`
	PublicURL         string         `help:"Address under which clients reach this server; links begin with it." placeholder:"URL"`
	DownloadsURL      string         `help:"Address of its own for downloads, on a host that serves nothing else. Only then are active types such as HTML shown inline." placeholder:"URL"`
	RedirectDownloads bool           `help:"Send clients to the bucket of --files for what they save; what is displayed comes from this server."`
	EgressAllow       []netip.Prefix `help:"Private networks that tasks may call all the same." placeholder:"CIDR,…"`
	TLSCert           string         `help:"Certificate to serve HTTPS with." placeholder:"FILE" type:"existingfile"`
	TLSKey            string         `help:"Its private key." placeholder:"FILE" type:"existingfile"`
	AcceptLostKey     bool           `help:"Start with a fresh key file although the old one is missing or another; what it sealed is lost."`
	APIKey            string         `help:"An API key with all scopes, instead of a generated one." env:"GANTRY_API_KEY" placeholder:"KEY"`
	APIKeyFile        string         `help:"A file with that key." env:"GANTRY_API_KEY_FILE" placeholder:"FILE"`
}

// Run serves until ctx ends.
func (s *serveCommand) Run(ctx context.Context, p *program) error {
	log := s.logger(p)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen (--listen names another address): %w", err)
	}
	defer listener.Close()
	u, err := s.urls(listener, log)
	if err != nil {
		return err
	}
	a, err := p.open(ctx, appConfig{
		dataFlags: s.dataFlags, sharedFlags: s.sharedFlags, workFlags: s.workFlags, egress: egress.New(s.EgressAllow), acceptLoss: s.AcceptLostKey, log: log,
		ownDownloadHost: u.downloads != "",
		holder:          fmt.Sprintf("process %d, listening on %s", os.Getpid(), listener.Addr()),
	})
	if err != nil {
		return err
	}
	defer a.close()
	if err := s.firstKey(ctx, p, a); err != nil {
		return err
	}
	handler, err := a.handler(u)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "listening on %s://%s\n", s.scheme(), listener.Addr())
	return s.serve(ctx, a, listener, handler)
}

func (s *serveCommand) scheme() string {
	if s.TLSCert != "" {
		return "https"
	}
	return "http"
}

// urls returns the addresses of the server. Without --public-url it is the one it listens on, which only this machine or
// network may know.
func (s *serveCommand) urls(listener net.Listener, log *slog.Logger) (urls, error) {
	u := urls{redirect: s.RedirectDownloads, public: strings.TrimRight(s.PublicURL, "/"), downloads: strings.TrimRight(s.DownloadsURL, "/")}
	for flag, text := range map[string]string{"--public-url": u.public, "--downloads-url": u.downloads} {
		parsed, err := url.Parse(text)
		if text != "" && (err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Path != "") {
			return u, fmt.Errorf("%s must be an address such as https://files.example.com, without a path", flag)
		}
	}
	if u.public != "" {
		return u, nil
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return u, err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return u, fmt.Errorf("find the name of this machine (--public-url says how clients reach it): %w", err)
		}
	}
	u.public = s.scheme() + "://" + net.JoinHostPort(host, port)
	log.Warn("links begin with the listening address; --public-url says how clients reach this server", "url", u.public)
	return u, nil
}

// serve answers requests and does the work until ctx ends, then drains both: what runs may end, who waits is answered.
func (s *serveCommand) serve(ctx context.Context, a *app, listener net.Listener, handler http.Handler) error {
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	server := api.Server(requests, handler, a.log)
	served, worked := make(chan error, 1), make(chan error, 1)
	work, stop := context.WithCancel(ctx)
	defer stop()
	go func() { worked <- a.engine.Run(work) }()
	go func() { served <- s.listen(server, listener) }()
	select {
	case <-ctx.Done():
		a.log.Info("draining: running tasks may end", "for", s.Drain)
	case err := <-served:
		stop()
		return errors.Join(err, <-worked)
	case err := <-worked:
		server.Close()
		return errors.Join(err, <-served)
	}
	patience, enough := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
	defer enough()
	shut := make(chan struct{})
	go func() { _ = server.Shutdown(patience); close(shut) }()
	err := <-worked
	cut(engine.ErrShuttingDown)
	<-shut
	server.Close()
	<-served
	return err
}

func (s *serveCommand) listen(server *http.Server, listener net.Listener) (err error) {
	if s.TLSCert != "" {
		err = server.ServeTLS(listener, s.TLSCert, s.TLSKey)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// firstUser is whom the first key belongs to.
const firstUser = "admin"

// firstKey sets the key that the operator gave, or makes one for a new server: shown on a terminal, else written to a file
// that only its owner can read, never logged.
func (s *serveCommand) firstKey(ctx context.Context, p *program, a *app) error {
	token, err := s.givenKey()
	if err != nil {
		return err
	}
	if token != "" {
		// A restart with the same environment must not undo what somebody did about a leaked key.
		known, err := a.engine.Store.Accounts.Key(ctx, engine.HashToken(token))
		if err == nil && !known.RevokedAt.IsZero() {
			return errors.New("the API key given by --api-key, --api-key-file or the environment was revoked: give another")
		}
		return a.addKey(ctx, token)
	}
	keys, err := a.engine.Store.Accounts.Keys(ctx)
	if err != nil || len(keys) > 0 {
		return err
	}
	token = engine.NewToken()
	if out, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
		fmt.Fprintf(p.stdout, "API key (shown once; `gantry keys create` makes more): %s\n", token)
		return a.addKey(ctx, token)
	}
	path := s.Data + "/api-key"
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the first API key: %w", err)
	}
	fmt.Fprintf(p.stderr, "the first API key is in %s\n", path)
	return a.addKey(ctx, token)
}

func (s *serveCommand) givenKey() (string, error) {
	return textOrFile(s.APIKey, s.APIKeyFile, "--api-key-file")
}
