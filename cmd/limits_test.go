package cmd_test

import (
	"strings"
	"testing"
)

// TestLimitsAreFlags meets some limits that were set low, and finds each named in the refusal.
func TestLimitsAreFlags(t *testing.T) {
	s := serve(t, t.TempDir(), "--max-job-tasks", "2", "--max-file", "100", "--max-job-inputs", "1")
	raw := `{"operation": "import/raw", "filename": "a.txt", "file": "x"}`
	for name, test := range map[string]struct{ job, want string }{
		"tasks":  {`{"tasks": {"a": ` + raw + `, "b": ` + raw + `, "c": ` + raw + `}}`, "2 in a job"},
		"inputs": {`{"tasks": {"a": ` + raw + `, "b": {"operation": "export/url", "input": ["a", "a"]}}}`, "1 in a job"},
	} {
		if a := s.must(422, "POST", "/v2/jobs", test.job); !strings.Contains(strings.Join(a.Errors["tasks"], " "), test.want) {
			t.Errorf("%s: got %+v, want %q", name, a.Errors, test.want)
		}
	}
	form := s.must(201, "POST", "/v2/import/upload", "")
	status, text, err := s.ask("PUT", strings.TrimPrefix(formURL(t, s, form.Data.ID), s.url), strings.Repeat("x", 101))
	if err != nil || status != 413 || !strings.Contains(string(text), "larger than this server takes") {
		t.Errorf("a large upload: got %d %s, %v", status, text, err)
	}
}
