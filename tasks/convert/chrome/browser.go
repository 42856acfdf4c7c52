// Package chrome draws web pages with Chromium, kept open in workers of the toolbox and spoken to over a pipe. Its Engine
// converts HTML and Markdown without any network; a Browser that is Online captures pages of the web, and reaches them by
// the egress policy's proxy alone. Both run under bubblewrap only.
package chrome

import (
	"context"
	"regexp"
	"runtime"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Browser draws pages, each in a context of its own: no cookie, no cache and no storage is handed on. It is safe for
// concurrent use.
type Browser struct {
	tool     toolbox.Tool
	pool     *toolbox.Pool
	patience time.Duration // how long a page may take beside what it asks for by wait_time
}

// chromium is looked for where Debian has the program itself: the script in front of it adds flags of its own. The shell,
// which is Chromium without windows, draws the same pages in a third of the time.
var chromium = toolbox.Program{
	Name: "Chromium", Files: []string{"../lib/chromium/chromium-headless-shell", "chrome-headless-shell",
		"../lib/chromium/chromium", "chromium", "google-chrome", "chrome"},
	Version: regexp.MustCompile(`Chrom(?:ium|e) (\d[\d.]*)`),
}

// Network says what a Browser can reach.
type Network bool

// The networks of a Browser.
const (
	Offline Network = false
	Online  Network = true // what the egress policy of the box lets through
)

// What keeps a worker from growing: one that was used so often, or holds so much, is replaced.
const (
	workerUses   = 100
	workerMemory = 1 << 30
	mostWorkers  = 4
)

// NewBrowser returns a Browser that starts with its first page and ends with the box; nil where Chromium is not installed
// or bubblewrap does not work.
func NewBrowser(ctx context.Context, box *toolbox.Box, network Network) *Browser {
	if box.Kind() != toolbox.Bubblewrap {
		return nil
	}
	tool, ok := box.Find(ctx, chromium)
	if !ok {
		return nil
	}
	own := ownSandbox(ctx, box)
	return &Browser{tool: tool, patience: 2 * time.Minute, pool: box.Pool(toolbox.PoolConfig{
		Name: tool.Name, Size: min(runtime.NumCPU(), mostWorkers), Uses: workerUses, Memory: workerMemory,
		Pipes: true, Frame: maxMessage,
		Set: func(c *toolbox.Command) {
			c.Tool, c.Args, c.Online = tool, flags(network, own), bool(network)
			c.Bounds = toolbox.Bounds{Files: 4096, File: 2 << 30, Folder: 2 << 30}
		},
		Ready: func(ctx context.Context, w *toolbox.Worker) error {
			return within(ctx, w, func(ctx context.Context, c *conn) error { return reopen(ctx, w, c) })
		},
	})}
}

// Version is that of Chromium.
func (b *Browser) Version() string { return b.tool.Version }

// ownSandbox reports whether Chromium can fence its renderers in once more: it needs namespaces within the box's own.
func ownSandbox(ctx context.Context, box *toolbox.Box) bool {
	unshare, ok := box.Find(ctx, toolbox.Program{Name: "unshare"})
	if !ok {
		return false
	}
	outcome, err := box.Command(unshare, "", "--user", "--net", "true").Run(ctx)
	return err == nil && outcome.Err() == nil
}

// flags are those of every worker. Names are looked up by the proxy, never by the browser, and loopback addresses are no
// exception; what does not go through the proxy finds no network in the sandbox.
func flags(network Network, ownSandbox bool) []string {
	list := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=/tmp/profile", "--no-first-run", "--no-default-browser-check",
		"--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-default-apps", "--disable-extensions", "--disable-breakpad", "--disable-domain-reliability",
		"--disable-client-side-phishing-detection", "--metrics-recording-only", "--no-pings", "--mute-audio",
		"--password-store=basic", "--use-mock-keychain", "--hide-scrollbars", "--force-color-profile=srgb",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--disable-features=Translate,MediaRouter,DialMediaRouteProvider,OptimizationHints,AutofillServerCommunication," +
			"CertificateTransparencyComponentUpdater,WebBluetooth,WebUSB",
	}
	if !ownSandbox {
		list = append(list, "--no-sandbox")
	}
	if network == Online {
		list = append(list, "--proxy-server=http://"+toolbox.ProxyAddress, "--proxy-bypass-list=<-loopback>")
	} else {
		list = append(list, "--host-resolver-rules=MAP * ~NOTFOUND")
	}
	return append(list, "about:blank")
}

// Draw draws a page to a file. Key stands for the page where one that ends the browser must not be tried for ever, as in
// toolbox.Pool.Use. That a page does not come, or not in time, is an error with the code engine.Invalid or engine.Timeout.
func (b *Browser) Draw(ctx context.Context, key string, v Visit, out string) error {
	limit := b.patience + v.Print.wait()
	timed, cancel := context.WithTimeoutCause(ctx, limit, engine.Wrap(engine.ErrTimedOut, engine.Timeout,
		"The page was not drawn within %s.", limit))
	defer cancel()
	return b.pool.Use(timed, key, func(ctx context.Context, w *toolbox.Worker) error {
		return within(ctx, w, func(ctx context.Context, c *conn) error { return v.draw(ctx, w.State.(*tab), c, out) })
	})
}
