package openstack_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

type file = exportertest.File

// lab is an engine with the export and the import, whose requests can be seen and tampered with.
type lab struct {
	*exportertest.Lab
	*cloud
}

func newLab(t *testing.T) *lab {
	t.Helper()
	c := newCloud(t)
	return &lab{cloud: c, Lab: exportertest.NewLab(t, c, func(d []exporters.Definition, env exporters.Env) []engine.Operation {
		return append(export.Operations(d, env), imports.Sources(d, env)...)
	})}
}

// call matches requests of that method whose path and query have part in them.
func call(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.RequestURI(), part) }
}

// with is a tampering that answers.
func with(answer func(*http.Request) *http.Response) exportertest.Tamper {
	return func(req *http.Request) (*http.Response, error) { return answer(req), nil }
}

// answer is one that a server gives.
func answer(req *http.Request, status int, text string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Request: req, ProtoMajor: 1, ProtoMinor: 1}
	resp.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp
}
