package cmd_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// store is a storage system whose server runs, and rclone, which is another client of it.
type store struct {
	testserver.Store
	at     testserver.Values
	rclone string
}

func openStore(t testing.TB, s testserver.Store) store {
	t.Helper()
	return openStoreAs(t, s, nil)
}

// openStoreAs opens it with other values in the place of some that the server says of itself.
func openStoreAs(t testing.TB, s testserver.Store, other testserver.Values) store {
	t.Helper()
	opened := store{Store: s, at: maps.Clone(servers.Start(t, s.Server)), rclone: servers.Start(t, "rclone")["RCLONE"]}
	maps.Copy(opened.at, other)
	if s.Prefix != "" && s.Folder(opened.at) != "" {
		opened.peer(t, "mkdir", "there:"+s.Folder(opened.at))
	}
	return opened
}

// peer runs rclone, which knows the system as "there:", and returns what it printed.
func (s store) peer(t testing.TB, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), s.rclone, append([]string{"--config", "", "--retries", "1"}, args...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "RCLONE_CONFIG_THERE_ENCODING=None"} // what else is set there is for other programs
	for _, setting := range s.Rclone(s.at) {
		c.Env = append(c.Env, "RCLONE_CONFIG_THERE_"+setting)
	}
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("rclone %q: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

// there is what rclone calls an object.
func (s store) there(name string) string {
	return "there:" + strings.TrimPrefix(s.Folder(s.at)+"/"+name, "/")
}

// task returns the document of a task of that operation ("export/", "import/") for the object of that name, with more
// parameters, at a server that says those values of itself.
func (s store) task(t testing.TB, operation string, at testserver.Values, name string, more map[string]any) string {
	t.Helper()
	params, err := s.Params(at)
	if err != nil {
		t.Fatal(err)
	}
	params["operation"], params[s.Name] = operation+s.Kind, s.Named(at, name)
	for key, value := range more {
		params[key] = value
	}
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sum is the SHA-256 of an object's bytes as rclone reads them.
func (s store) sum(t testing.TB, name string) string {
	t.Helper()
	var sum string
	if _, err := fmt.Sscan(s.peer(t, "hashsum", "sha256", "--download", s.there(name)), &sum); err != nil {
		t.Fatalf("rclone says no sum of %q: %v", name, err)
	}
	return sum
}
