package cmd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// TestCheckStores tries every kind at a server where all is well: no line may be wrong, one is about the clock, and nothing is
// left behind.
func TestCheckStores(t *testing.T) {
	for _, known := range testserver.Stores {
		t.Run(known.Kind, func(t *testing.T) {
			s := openStore(t, known)
			params, err := s.Params(s.at)
			if err != nil {
				t.Fatal(err)
			}
			params[s.Name] = s.Named(s.at, "tried/a.txt")
			args := []string{"check", s.Kind}
			for name, value := range params {
				args = append(args, fmt.Sprint(name, "=", value))
			}
			out, errs, code := output(t, args...)
			if code != 0 || strings.Contains(out, "WRONG") {
				t.Errorf("got %d\n%s%s", code, out, errs)
			}
			if !strings.Contains(out, "This server's clock ") && !strings.Contains(out, "SFTP does not tell the server's time") {
				t.Errorf("nothing is said about the clock:\n%s", out)
			}
			if s.Prefix == "" {
				return // nobody can list what a PUT left
			}
			if left := s.peer(t, "lsf", "-R", s.there("")); strings.Contains(left, "check") {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}
