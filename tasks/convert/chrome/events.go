package chrome

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// joinHostPort is net.JoinHostPort; url.URL has taken the brackets off already.
func joinHostPort(host, port string) string { return net.JoinHostPort(host, port) }

// event is what is read of all that are handled.
type event struct {
	Name, LoaderID string
	FrameID        string
	RequestID      string
	ResourceType   string
	StatusCode     int    `json:"responseStatusCode"`
	Reason         string `json:"responseErrorReason"`
	Request        struct {
		URL     string
		Headers map[string]string
	}
	TargetInfo struct {
		TargetID, Type   string
		BrowserContextID string
	}
}

// handle answers an event of the page or of the browser.
func (t *tab) handle(ctx context.Context, m message) error {
	var e event
	if err := json.Unmarshal(m.Params, &e); err != nil {
		return eventFault(m, err)
	}
	if m.Session != "" && m.Session != t.session {
		return nil // of a page that is gone
	}
	switch m.Method {
	case "Page.lifecycleEvent":
		if e.FrameID == t.target {
			t.lifecycle(e)
		}
	case "Fetch.requestPaused":
		return t.request(ctx, m.Session, e)
	case "Page.javascriptDialogOpening":
		return t.tell(ctx, m.Session, "Page.handleJavaScriptDialog", arguments{"accept": false})
	case "Target.targetCreated":
		if i := e.TargetInfo; i.Type == "page" && i.BrowserContextID == t.context && t.target != "" && i.TargetID != t.target {
			return t.tell(ctx, "", "Target.closeTarget", arguments{"targetId": i.TargetID}) // a popup; the own target has no id yet when it is created
		}
	case "Inspector.targetCrashed":
		return crashed()
	}
	return nil
}

// lifecycle notes an event of the main frame; a document that replaces another begins anew.
func (t *tab) lifecycle(e event) {
	if e.LoaderID == t.blank {
		return
	}
	if e.Name == "init" {
		clear(t.seen)
	}
	t.seen[e.Name] = true
}

// request decides about a request that waits.
func (t *tab) request(ctx context.Context, session string, e event) error {
	main := e.ResourceType == "Document" && e.FrameID == t.target
	if main {
		t.at = e.Request.URL
	}
	id := arguments{"requestId": e.RequestID}
	if e.StatusCode != 0 || e.Reason != "" {
		if main {
			t.odd = e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusBadGateway
		}
		return t.tell(ctx, session, "Fetch.continueRequest", id)
	}
	scheme, _, _ := strings.Cut(e.Request.URL, ":")
	switch {
	case scheme == "data" || scheme == "blob" || scheme == "about":
	case t.Document != nil && main && e.Request.URL == documentURL:
		id["responseCode"], id["body"] = http.StatusOK, body(t.Document)
		id["responseHeaders"] = []header{{"Content-Type", contentType(t.Document)}}
		return t.tell(ctx, session, "Fetch.fulfillRequest", id)
	case t.Document != nil && main:
		id["responseCode"] = http.StatusNoContent   // leaves the page as it is; an error would put one in its place
		t.seen[lifecycle[t.Print.WaitUntil]] = true // which do not come to a page that wanted to go
		return t.tell(ctx, session, "Fetch.fulfillRequest", id)
	case t.Document != nil || scheme != "http" && scheme != "https":
		id["errorReason"] = "BlockedByClient"
		return t.tell(ctx, session, "Fetch.failRequest", id)
	case len(t.Headers) > 0:
		id["headers"] = t.headers(e)
	}
	return t.tell(ctx, session, "Fetch.continueRequest", id)
}

// header is one as the protocol has it.
type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// headers are those of a request: with the task's own where it goes to the origin of the task's URL, without them
// elsewhere, for a redirect keeps them.
func (t *tab) headers(e event) (list []header) {
	own := map[string]bool{}
	for name, value := range t.Headers {
		own[strings.ToLower(name)] = true
		if sameOrigin(t.URL, e.Request.URL) {
			list = append(list, header{name, value})
		}
	}
	for name, value := range e.Request.Headers {
		if !own[strings.ToLower(name)] {
			list = append(list, header{name, value})
		}
	}
	return list
}

func sameOrigin(a, b string) bool {
	first, err := url.Parse(a)
	if err != nil {
		return false
	}
	second, err := url.Parse(b)
	return err == nil && strings.EqualFold(first.Scheme, second.Scheme) && strings.EqualFold(first.Host, second.Host)
}
