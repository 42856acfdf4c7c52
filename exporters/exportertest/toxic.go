package exportertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// RunToxic runs the part of the contract that wants a network which is bad for long: slow, late, cut into pieces, or cut off
// again and again. The network is a Toxiproxy (2.x), whose API is at the URL.
func RunToxic(t *testing.T, h Harness, api string) {
	if crashDir() != "" {
		return
	}
	s := newSuite(t, h)
	if h.Address() == "" {
		t.Skip("there is no network in between")
	}
	for name, toxic := range map[string]map[string]any{
		"slow":       {"type": "bandwidth", "stream": "upstream", "attributes": map[string]any{"rate": 8 << 10}},
		"late":       {"type": "latency", "stream": "downstream", "attributes": map[string]any{"latency": 150, "jitter": 50}},
		"sliced":     {"type": "slicer", "stream": "upstream", "attributes": map[string]any{"average_size": 9000, "size_variation": 4000}},
		"slow close": {"type": "slow_close", "stream": "downstream", "attributes": map[string]any{"delay": 300}},
		"cut off":    {"type": "limit_data", "stream": "upstream", "attributes": map[string]any{"bytes": max(s.PartSize()*3/2, 200_000)}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "cut off" && (s.PartSize() == 0 || h.Definition().Promises.NoResume != "") {
				t.Skip("a delivery begins anew each time, so it never ends")
			}
			address := toxicProxy(t, api, h.Address(), toxic)
			s.rig(t).delivered(t, s.large(), 1, s.name(), address)
		})
	}
}

// toxicProxy makes a proxy with one toxic, and removes it at the end of the test.
func toxicProxy(t *testing.T, api, upstream string, toxic map[string]any) (address string) {
	t.Helper()
	name := fmt.Sprintf("p%d", len(t.Name())) + fmt.Sprint(toxic["type"])
	var made struct{ Listen string }
	post(t, api+"/proxies", map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
	post(t, api+"/proxies/"+name+"/toxics", toxic, nil)
	t.Cleanup(func() {
		req, err := http.NewRequest(http.MethodDelete, api+"/proxies/"+name, nil) //nolint:noctx // the test's context is over
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	return made.Listen
}

func post(t *testing.T, address string, body any, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("toxiproxy answered %s", resp.Status)
	}
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
}
