package sftp_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// remembered are host keys in memory.
type remembered struct {
	mu   sync.Mutex
	keys map[string]string
}

func (r *remembered) Held(_ context.Context, owner engine.UserID, host string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[host], nil
}

func (r *remembered) Hold(_ context.Context, owner engine.UserID, host, key string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[host] == "" {
		r.keys[host] = key
	}
	return r.keys[host], nil
}

// TestFirstKey holds that the first key of a server is held to, and that another one is refused before anything is sent.
func TestFirstKey(t *testing.T) {
	s, lent := newSSHD(t, "plain"), env()
	held := &remembered{keys: map[string]string{}}
	lent.HostKeys = held
	e := engineFor(t, lent)
	for range 2 {
		finished(t, send(t, e, "some data", s.Params(t, s.Address(), "first/file")))
	}
	host, port, _ := strings.Cut(s.Address(), ":")
	name := "[" + host + "]:" + port
	if !strings.HasPrefix(held.keys[name], "ssh-ed25519 ") {
		t.Fatalf("held are %v", held.keys)
	}
	other, err := os.ReadFile(filepath.Join(s.values["SFTP_KEYS_DIR"], "other_host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	held.keys[name] = string(other)
	task := send(t, engineFor(t, lent), "some data", s.Params(t, s.Address(), "first/file"))
	for _, want := range []string{s.values["SFTP_HOST_KEY_SHA256_ED25519"], "gantry host-keys forget " + name} {
		if task.Code != engine.Denied || !strings.Contains(task.Message, want) || strings.Count(task.Message, "SHA256:") != 2 {
			t.Errorf("with another key the export ended %q: %s", task.Code, task.Message)
		}
	}
	pinned := with(s.Params(t, s.Address(), "first/file"), map[string]any{"host_key": s.values["SFTP_HOST_KEY"]})
	finished(t, send(t, engineFor(t, lent), "some data", pinned))
}
