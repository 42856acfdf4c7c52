package azureblob_test

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
	*azurite
}

func newLab(t *testing.T) *lab {
	t.Helper()
	a := newAzurite(t)
	return &lab{azurite: &a, Lab: exportertest.NewLab(t, &a, func(d []exporters.Definition, env exporters.Env) []engine.Operation {
		return append(export.Operations(d, env), imports.Sources(d, env)...)
	})}
}

// call matches requests of that method whose query has comp=comp.
func call(method, comp string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && r.URL.Query().Get("comp") == comp }
}

// with is a tampering that answers.
func with(answer func(*http.Request) *http.Response) exportertest.Tamper {
	return func(req *http.Request) (*http.Response, error) { return answer(req), nil }
}

// answer is what Azure says when it refuses.
func answer(req *http.Request, status int, code, message string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Request: req, ProtoMajor: 1, ProtoMinor: 1}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	if code != "" {
		resp.Header.Set("X-Ms-Error-Code", code)
	}
	resp.Header.Set("Content-Type", "application/xml")
	resp.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(
		`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s`+"\nRequestId:1\n</Message></Error>", code, message)))
	return resp
}
