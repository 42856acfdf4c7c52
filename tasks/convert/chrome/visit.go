package chrome

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Visit is one page and how it is drawn.
type Visit struct {
	URL      string            // of http or https; not used where there is a Document
	Document []byte            // HTML that is drawn in place of a URL; it can load nothing
	Headers  map[string]string // sent to the origin of URL, and to no other
	Format   convert.Format    // pdf, png or jpg
	Pages    string            // of a PDF, as Chromium has it
	Quality  int               // of a jpg
	Print    Print

	// Explain returns why a host and port cannot be reached, nil if it can; it is asked where the proxy let nothing through.
	Explain func(ctx context.Context, address string) error
}

// Print is convert.Print with the defaults of this package.
type Print struct{ convert.Print }

func (p Print) wait() time.Duration { return time.Duration(p.WaitTime) * time.Millisecond }

// documentURL is where a Document is found; the name is reserved (RFC 6761) and nobody's.
const documentURL = "http://document.invalid/"

// lifecycle is how Chromium calls the events of wait_until.
var lifecycle = map[string]string{
	"": "load", "load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle0": "networkIdle", "networkidle2": "networkAlmostIdle",
}

// tab is an empty page in a context of its own, and then one visit to another.
type tab struct {
	Visit
	*conn
	target, session string // the target's id is that of the main frame too
	context         string
	blank           string          // the empty document that is there before the page
	seen            map[string]bool // events of the main frame's document
	at              string          // URL of the main frame's document
	odd             bool            // its answer can be one of the proxy
}

// reopen ends the context of the last visit with all that it holds, and has a tab ready for the next.
func reopen(ctx context.Context, w *toolbox.Worker, c *conn) error {
	if last, ok := w.State.(*tab); ok {
		c.calls = last.calls // what is still to be answered has other numbers
		end := arguments{"browserContextId": last.context}
		if err := c.call(ctx, "", "Target.disposeBrowserContext", end, nil); err != nil {
			return err
		}
	}
	t := &tab{}
	w.State = t
	t.speak(ctx, c)
	if err := t.open(ctx); err != nil {
		return err
	}
	return t.prepare(ctx)
}

// speak has what comes over a conversation handled.
func (t *tab) speak(ctx context.Context, c *conn) {
	t.conn, t.seen = c, map[string]bool{}
	c.on = func(m message) error { return t.handle(ctx, m) }
}

func (v Visit) draw(ctx context.Context, t *tab, c *conn, out string) error {
	t.Visit, c.calls = v, t.calls
	t.speak(ctx, c)
	for _, step := range []func(context.Context) error{t.size, t.load, t.await} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if v.Format == "pdf" {
		return t.print(ctx, out)
	}
	return t.shoot(ctx, out)
}

// arguments are those of a method.
type arguments map[string]any

// open makes a context without a past, and a page in it.
func (t *tab) open(ctx context.Context) error {
	var made struct {
		Context string `json:"browserContextId"`
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	if err := t.call(ctx, "", "Target.createBrowserContext", nil, &made); err != nil {
		return err
	}
	t.context = made.Context
	deny := arguments{"behavior": "deny", "browserContextId": t.context}
	if err := t.call(ctx, "", "Browser.setDownloadBehavior", deny, nil); err != nil {
		return err
	}
	page := arguments{"url": "about:blank", "browserContextId": t.context, "newWindow": true}
	if err := t.call(ctx, "", "Target.createTarget", page, &made); err != nil {
		return err
	}
	t.target = made.Target
	attach := arguments{"targetId": t.target, "flatten": true}
	if err := t.call(ctx, "", "Target.attachToTarget", attach, &made); err != nil {
		return err
	}
	t.session = made.Session
	return t.call(ctx, "", "Target.setDiscoverTargets", arguments{"discover": true}, nil)
}

// prepare has every request of the page announced. Site isolation gives frames of other sites targets
// of their own; their requests are not announced, and the proxy alone judges them.
func (t *tab) prepare(ctx context.Context) error {
	stages := []arguments{
		{"urlPattern": "*", "requestStage": "Request"},
		{"urlPattern": "http://*", "resourceType": "Document", "requestStage": "Response"},
	}
	for _, step := range []struct {
		method string
		params any
	}{
		{"Page.enable", nil},
		{"Page.setLifecycleEventsEnabled", arguments{"enabled": true}},
		{"Fetch.enable", arguments{"patterns": stages}},
	} {
		if err := t.call(ctx, t.session, step.method, step.params, nil); err != nil {
			return err
		}
	}
	var page struct {
		FrameTree struct{ Frame struct{ LoaderID string } }
	}
	err := t.call(ctx, t.session, "Page.getFrameTree", nil, &page)
	t.blank = page.FrameTree.Frame.LoaderID
	return err
}

// size sets the window.
func (t *tab) size(ctx context.Context) error {
	width, height, zoom := t.Print.window()
	window := arguments{"width": width, "height": height, "deviceScaleFactor": zoom, "mobile": false}
	return t.call(ctx, t.session, "Emulation.setDeviceMetricsOverride", window, nil)
}

// load goes to the page and waits for the event that says that it is there.
func (t *tab) load(ctx context.Context) error {
	t.at = t.URL
	if t.Document != nil {
		t.at = documentURL
	}
	var gone struct{ ErrorText string }
	if err := t.call(ctx, t.session, "Page.navigate", arguments{"url": t.at}, &gone); err != nil {
		return refused(err, "Chromium does not go to this URL")
	}
	if gone.ErrorText != "" {
		return t.failure(ctx, gone.ErrorText)
	}
	want := lifecycle[t.Print.WaitUntil]
	if t.seen[want] {
		return nil
	}
	return t.until(ctx, nil, func(message) bool { return t.seen[want] })
}

// refused makes a fault of the page out of one of the protocol.
func refused(err error, what string) error {
	var f *fault
	if errors.As(err, &f) {
		return engine.Wrap(err, engine.Invalid, "%s: %s.", what, strings.TrimSuffix(f.Message, "."))
	}
	return err
}

// failure tells why a page did not come.
func (t *tab) failure(ctx context.Context, text string) error {
	if err := t.explain(ctx); err != nil {
		return err
	}
	reason := strings.TrimPrefix(text, "net::")
	switch {
	case reason == "ERR_ABORTED":
		return engine.Errorf(engine.Invalid, "The URL is not that of a page: it is a download, or has no content.")
	case strings.HasPrefix(reason, "ERR_CERT"), strings.HasPrefix(reason, "ERR_SSL"):
		return engine.Errorf(engine.Invalid, "The page cannot be loaded safely (%s).", reason)
	}
	return engine.Errorf(engine.Invalid, "The page cannot be loaded (%s).", reason)
}

// explain asks why the host of the current page cannot be reached.
func (t *tab) explain(ctx context.Context) error {
	u, err := url.Parse(t.at)
	if t.Explain == nil || err != nil || u.Hostname() == "" {
		return nil
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return t.Explain(ctx, joinHostPort(u.Hostname(), port))
}

// await waits for what the task wants beyond the loading.
func (t *tab) await(ctx context.Context) error {
	if t.odd {
		if err := t.explain(ctx); err != nil {
			return err
		}
	}
	if t.Print.WaitForElement != "" {
		if err := t.element(ctx); err != nil {
			return err
		}
	}
	if t.Print.WaitTime == 0 {
		return nil
	}
	return t.pause(ctx, t.Print.wait())
}

func (t *tab) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	if err := t.until(ctx, timer.C, func(message) bool { return false }); !errors.Is(err, errOver) {
		return err
	}
	return nil
}

// looks is how often a page is asked for an element.
const looks = 100 * time.Millisecond

// element waits until something matches a selector.
func (t *tab) element(ctx context.Context) error {
	selector, err := json.Marshal(t.Print.WaitForElement)
	if err != nil {
		return err
	}
	ask := arguments{"expression": "!!document.querySelector(" + string(selector) + ")", "returnByValue": true}
	for {
		var answer struct {
			Result           struct{ Value bool }
			ExceptionDetails *struct{}
		}
		err := t.call(ctx, t.session, "Runtime.evaluate", ask, &answer)
		var moved *fault // the page may just have gone on to another
		switch {
		case err != nil && !errors.As(err, &moved):
			return err
		case answer.ExceptionDetails != nil:
			return engine.Errorf(engine.Invalid, "wait_for_element is no CSS selector that Chromium knows.")
		case answer.Result.Value:
			return nil
		}
		if err := t.pause(ctx, looks); err != nil {
			return err
		}
	}
}

// contentType is that of a Document. Where it is not in UTF-8 it must say itself in what it is.
func contentType(document []byte) string {
	if utf8.Valid(document) {
		return "text/html; charset=utf-8"
	}
	return "text/html"
}

// body is a Document as the protocol has it.
func body(document []byte) string { return base64.StdEncoding.EncodeToString(document) }

// crashed is the error of a page that ends its renderer.
func crashed() error {
	return engine.Errorf(engine.Invalid, "Chromium crashed on this page.")
}

// eventFault is an event that cannot be read.
func eventFault(m message, err error) error {
	return fmt.Errorf("read the event %s: %w", m.Method, err)
}
