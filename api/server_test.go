package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// serve answers one request from a server with a few routes of its own. They are public, so that no store is needed.
func serve(t *testing.T, config api.Config, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.Routes = append(config.Routes,
		api.Route{Method: "GET", Path: "/v2/things/{id}", Scope: api.Public, Handle: func(c *api.Call) error {
			return c.Reply(200, map[string]any{"id": c.Param("id"), "sync": c.Sync})
		}},
		api.Route{Method: "POST", Path: "/v2/things", Scope: api.Public, Handle: func(c *api.Call) error {
			return c.WithBody(func(body []byte) error { return c.Reply(201, len(body)) })
		}},
		api.Route{Method: "GET", Path: "/v2/panic", Scope: api.Public, Handle: func(*api.Call) error { panic("secret") }},
		api.Route{Method: "GET", Path: "/v2/mine", Scope: engine.ScopeTaskRead, Handle: func(*api.Call) error { panic("reached") }},
		api.Route{Method: "GET", Path: "/v2/broken", Scope: api.Public, Handle: func(*api.Call) error { return errors.New("secret") }},
	)
	w := httptest.NewRecorder()
	api.New(config).ServeHTTP(w, r)
	return w
}

func TestServer(t *testing.T) {
	tests := []struct {
		name, method, url string
		status            int
		body              string
	}{
		{"route", "GET", "/v2/things/7", 200, `{"id":"7","sync":false}`},
		{"odd id", "GET", "/v2/things/a:b%00%3Cc%3E", 200, `{"id":"a:b\u0000<c>","sync":false}`},
		{"encoded slash", "GET", "/v2/things/a%2Fb", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"colon in a literal", "GET", "/v2/things:upload", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"slash at the end", "GET", "/v2/things/7/", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"dots", "GET", "/v2/../v2/things/7", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"root", "GET", "/", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"method", "PATCH", "/v2/things/7", 405, `{"message":"This address takes GET, HEAD.","code":"METHOD_NOT_ALLOWED"}`},
		{"options", "OPTIONS", "/v2/things/7", 204, ``},
		{"options of nothing", "OPTIONS", "/v2/nothing", 404, `{"message":"There is nothing at this address.","code":"NOT_FOUND"}`},
		{"panic", "GET", "/v2/panic", 500, `{"message":"An internal error occurred. The server's log has the details.","code":"INTERNAL"}`},
		{"internal", "GET", "/v2/broken", 500, `{"message":"An internal error occurred. The server's log has the details.","code":"INTERNAL"}`},
		{"no key", "GET", "/v2/mine", 401, `{"message":"Unauthenticated.","code":"UNAUTHENTICATED"}`},
		{"health", "GET", "/healthz", 200, `{"status":"ok"}`},
		{"ready", "GET", "/readyz", 200, `{"status":"ok"}`},
		{"sync prefix", "GET", "/sync/v2/things/7", 200, `{"id":"7","sync":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, api.Config{}, httptest.NewRequestWithContext(t.Context(), tt.method, tt.url, nil))
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.body)
			}
			if got := w.Header().Get("Content-Type"); tt.body != "" && got != "application/json" {
				t.Errorf("got content type %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-cache, private" {
				t.Errorf("got cache control %q", got)
			}
		})
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	server := httptest.NewServer(api.New(api.Config{Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || len(body) > 0 || answer.ContentLength != 15 {
		t.Errorf("got %d, %d of %d bytes, %v", answer.StatusCode, len(body), answer.ContentLength, err)
	}
}

func TestNotReady(t *testing.T) {
	config := api.Config{Ready: func(context.Context) error { return errors.New("secret") }}
	w := serve(t, config, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil))
	want := `{"message":"The server is not ready.","code":"UNAVAILABLE"}`
	if w.Code != 503 || w.Body.String() != want || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestSyncHost(t *testing.T) {
	tests := []struct {
		host string
		want bool
	}{
		{"sync.api.example.org", true},
		{"sync.localhost:8080", true},
		{"SYNC.localhost", true},
		{"sync", true},
		{"eu-central.sync.api.example.org", true},
		{"eu.sync.localhost:8080", true},
		{"api.example.org", false},
		{"api.sync", false},
		{"a.b.sync.example.org", false},
		{"synchron.example.org", false},
		{"sync.example.org", false}, // the public host
		{"sync.example.org:8443", false},
		{"127.0.0.1:8080", false},
		{"[::1]:8080", false},
		{"", false},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/things/7", nil)
			r.Host = tt.host
			w := serve(t, api.Config{PublicURL: "https://sync.example.org"}, r)
			if got := strings.Contains(w.Body.String(), `"sync":true`); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestBody(t *testing.T) {
	large := bytes.Repeat([]byte("x"), api.MaxBody+1)
	unknownLength := func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }
	const tooLarge = `{"message":"The request body is larger than the 32 MiB this server takes. ` +
		`Send files by import/upload or import/url.","code":"TOO_LARGE"}`
	tests := []struct {
		name, coding string
		body         io.Reader
		status       int
		want         string
	}{
		{"empty", "", http.NoBody, 201, "0"},
		{"just fits", "identity", bytes.NewReader(large[1:]), 201, "33554432"},
		{"too large", "", bytes.NewReader(large), 413, tooLarge},
		{"too large, length unknown", "", unknownLength(large), 413, tooLarge},
		{"compressed", "gzip", strings.NewReader("x"), 415,
			`{"message":"The request body is compressed. Send it without a Content-Encoding.","code":"UNSUPPORTED_MEDIA_TYPE"}`},
		{"cut", "", io.MultiReader(strings.NewReader("x"), broken{}), 400,
			`{"message":"The request body ended before it was complete.","code":"INVALID_DATA"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/v2/things", tt.body)
			r.Header.Set("Content-Encoding", tt.coding)
			w := serve(t, api.Config{}, r)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestLargeBodiesWaitForEachOther counts how many of five are worked on when nothing more can happen.
func TestLargeBodiesWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working atomic.Int32
		done := make(chan struct{})
		server := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Routes: []api.Route{{
			Method: "POST", Path: "/v2/large", Scope: api.Public, Handle: func(c *api.Call) error {
				return c.WithBody(func(body []byte) error {
					if len(body) > 1 {
						working.Add(1)
						<-done
					}
					return c.Empty()
				})
			}}}})
		post := func(ctx context.Context, size int) int {
			body := strings.NewReader(strings.Repeat(" ", size))
			w := httptest.NewRecorder()
			server.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/v2/large", body))
			return w.Code
		}
		statuses := make(chan int, 5)
		for range 5 {
			go func() { statuses <- post(t.Context(), 2<<20) }()
		}
		synctest.Wait()
		if got := working.Load(); got != 2 {
			t.Errorf("got %d large bodies at once, want 2", got)
		}
		if got := post(t.Context(), 1); got != 204 {
			t.Errorf("a small body beside them: got %d", got)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if got := post(gone, 2<<20); got != 503 {
			t.Errorf("a client that does not wait: got %d", got)
		}
		close(done)
		for range 5 {
			if got := <-statuses; got != 204 {
				t.Errorf("a large body: got %d", got)
			}
		}
	})
}

func TestPanicIsLoggedNotShown(t *testing.T) {
	var log bytes.Buffer
	w := serve(t, api.Config{Log: slog.New(slog.NewTextHandler(&log, nil))},
		httptest.NewRequestWithContext(t.Context(), "GET", "/v2/panic", nil))
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "error=secret") {
		t.Errorf("got %s, logged %s", w.Body, &log)
	}
}

func TestStoragePassesTheRouter(t *testing.T) {
	storage := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, direct := w.(io.ReaderFrom); !direct {
			t.Error("the writer hides ReadFrom")
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	w := serve(t, api.Config{Storage: storage}, httptest.NewRequestWithContext(t.Context(), "GET", "/storage/a/b.txt", nil))
	if w.Code != 200 || w.Body.String() != "/storage/a/b.txt" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestAccessLogHasNoQuery(t *testing.T) {
	var log bytes.Buffer
	config := api.Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	serve(t, config, httptest.NewRequestWithContext(t.Context(), "GET", "/v2/things/7?s=secret", nil))
	if got := log.String(); strings.Contains(got, "secret") || !strings.Contains(got, "path=/v2/things/7 status=200") {
		t.Errorf("got %s", got)
	}
}

func TestNewRefusesARouteWithoutScope(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a route that anybody may call by mistake was mounted")
		}
	}()
	serve(t, api.Config{Routes: []api.Route{{Method: "GET", Path: "/open"}}}, nil)
}

func TestDocument(t *testing.T) {
	w := serve(t, api.Config{PublicURL: "https://h/", Version: "1.2"},
		httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct{ Parameters []struct{ Name, In string } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	parameters := doc.Paths["/v2/things/{id}"]["get"].Parameters
	if doc.OpenAPI != "3.1.0" || doc.Servers[0].URL != "https://h" || len(parameters) != 1 || parameters[0].Name != "id" {
		t.Errorf("got %s", w.Body)
	}
}
