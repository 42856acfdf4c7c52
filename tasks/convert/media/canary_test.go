package media_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// canaryServer counts who calls it.
func canaryServer(t *testing.T) (*atomic.Int64, string) {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(server.Close)
	return &calls, strings.TrimPrefix(server.URL, "http://")
}
