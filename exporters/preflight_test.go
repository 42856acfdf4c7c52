package exporters_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// TestClock holds that a check says by how much the clocks differ, whatever the driver does.
func TestClock(t *testing.T) {
	for name, test := range map[string]struct {
		header map[string]string
		off    time.Duration
		want   string
	}{
		"the same":       {nil, 0, "true This server's clock agrees with that of 127.0.0.1:"},
		"a little ahead": {nil, -3 * time.Minute, "true This server's clock is 3m"},
		"far ahead":      {nil, -time.Hour, "false This server's clock is 1h0m"},
		"far behind":     {nil, time.Hour, "behind that of 127.0.0.1:"},
		"from a cache":   {map[string]string{"Age": "3600"}, -time.Hour, ""},
		"not told":       {map[string]string{"Date": ""}, 0, ""},
		"not a time":     {map[string]string{"Date": "today"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(test.off).UTC().Format(http.TimeFormat))
				for key, value := range test.header {
					w.Header().Set(key, value)
				}
			}))
			defer server.Close()
			def := exporters.Define("fake", "", struct{}{}, nothing)
			def.Check = func(ctx context.Context, env exporters.Env, _ any) []exporters.Finding {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := env.HTTP.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return []exporters.Finding{{OK: true, Text: "It answers."}}
			}
			found := def.Try(t.Context(), exporters.Env{HTTP: server.Client()}, struct{}{})
			got := ""
			for _, f := range found[1:] {
				got += fmt.Sprintln(f.OK, f.Text)
			}
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) || len(found) > 2 {
				t.Errorf("found %+v, want %q after the first", found, test.want)
			}
		})
	}
}

func nothing(context.Context, exporters.Env, struct{}) (exporters.Exporter, error) {
	return nil, engine.Errorf(engine.Internal, "Nothing is exported here.")
}
