package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// startServer runs the script of a server that the tests have too. What it keeps is in the suite's folder.
func (s *suite) startServer(ctx context.Context, name string) (testserver.Values, func(), error) {
	script := filepath.Join("testdata", "servers", name+".sh")
	c := exec.CommandContext(ctx, script, "start", s.dir)
	c.Env = append(os.Environ(), fmt.Sprintf("OWNER_PID=%d", os.Getpid()), "SWIFT_LARGEST=5368709122")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	v := testserver.Values{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			v[key] = value
		}
	}
	stop := func() {
		_ = exec.Command(script, "stop", s.dir).Run() //nolint:noctx // it ends what the context was for
		os.RemoveAll(filepath.Join(s.dir, name))
	}
	return v, stop, nil
}
