// Package testserver starts the real servers that tests talk to, from the scripts in testdata/servers: each once per test
// binary, and stopped after its last test.
package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Servers starts servers and stops them. It is made and closed by Main.
type Servers struct {
	mu   sync.Mutex
	dir  string
	up   map[string]map[string]string
	down map[string]error
}

// Main runs the tests of a binary with servers to start, stops them and returns the exit code. A TestMain is
//
//	var servers testserver.Servers
//
//	func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }
func Main(m *testing.M, s *Servers) int {
	defer s.stop()
	return m.Run()
}

// Start returns what the server of that name said at its start, KEY by KEY. The first call starts it. Where it is not
// installed the test is skipped; with GANTRY_TESTS=all in the environment it is installed, and a test fails when that
// does not work, unless SKIP_SERVERS (names with commas between them) says that the server can be done without.
func (s *Servers) Start(t testing.TB, name string) Values {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("SKIP_SERVERS"), ","), name) {
		t.Skipf("left out: SKIP_SERVERS names %s", name)
	}
	if values := inherited(name); values != nil {
		return values
	}
	script := find(name + ".sh")
	all := os.Getenv("GANTRY_TESTS") == "all"
	if !all && (script == "" || exec.CommandContext(t.Context(), script, "have").Run() != nil) {
		t.Skipf("%s is not installed; testdata/servers/%s.sh install does that, and GANTRY_TESTS=all makes tests do it", name, name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up == nil {
		s.up, s.down = map[string]map[string]string{}, map[string]error{}
	}
	if s.up[name] == nil && s.down[name] == nil {
		s.up[name], s.down[name] = s.start(name, script)
	}
	if err := s.down[name]; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	return s.up[name]
}

func (s *Servers) start(name, script string) (values map[string]string, err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "servers-"); err != nil {
			return nil, err
		}
	}
	var complaint bytes.Buffer
	cmd := exec.Command(script, "start", s.dir) //nolint:noctx // it outlives the test that starts it
	cmd.Env = append(os.Environ(), "OWNER_PID="+strconv.Itoa(os.Getpid()))
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, complaint.String())
	}
	values = map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			values[key] = value
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	return values, os.Setenv(variable(name), string(text)) // for processes that a test starts
}

func (s *Servers) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.up {
		if script := find(name + ".sh"); script != "" {
			_ = exec.Command(script, "stop", s.dir).Run() //nolint:noctx // the tests are over
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// inherited is what a process that started this one said of a server it runs.
func inherited(name string) (values map[string]string) {
	if json.Unmarshal([]byte(os.Getenv(variable(name))), &values) != nil {
		return nil
	}
	return values
}

func variable(name string) string { return "TESTSERVER_" + strings.ToUpper(name) }

// find returns the path of a script, looked for from the folder of the test upwards; empty if there is none.
func find(script string) string {
	dir, err := os.Getwd()
	for err == nil {
		path := filepath.Join(dir, "testdata", "servers", script)
		if _, serr := os.Stat(path); serr == nil {
			return path
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}
