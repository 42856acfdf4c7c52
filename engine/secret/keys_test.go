package secret_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantry-engine/gantry/engine/secret"
)

func generate(t *testing.T) *secret.Keys {
	t.Helper()
	k, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedOpensOnlyInItsPlace(t *testing.T) {
	k := generate(t)
	sealed, err := k.Seal([]byte("hush"), "task 1")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hush")) {
		t.Error("the secret is readable")
	}
	if got, err := k.Unseal(sealed, "task 1"); err != nil || string(got) != "hush" {
		t.Errorf("got %q, %v; want hush", got, err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"elsewhere":   func() ([]byte, error) { return k.Unseal(sealed, "task 2") },
		"other key":   func() ([]byte, error) { return generate(t).Unseal(sealed, "task 1") },
		"cut":         func() ([]byte, error) { return k.Unseal(sealed[:len(sealed)-1], "task 1") },
		"almost none": func() ([]byte, error) { return k.Unseal(sealed[:5], "task 1") },
		"none":        func() ([]byte, error) { return k.Unseal(nil, "task 1") },
	} {
		if got, err := try(); err == nil {
			t.Errorf("%s: opened as %q", name, got)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := secret.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("missing file: got %v", err)
	}
	old := generate(t)
	if err := old.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, want 0600", info.Mode())
	}
	if err := generate(t).Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key replaced the first: %v", err)
	}
	sealed, _ := old.Seal([]byte("x"), "")
	again, err := secret.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Unseal(sealed, ""); err != nil {
		t.Errorf("after loading: %v", err)
	}

	fresh := filepath.Join(t.TempDir(), "key")
	if err := generate(t).Save(fresh); err != nil {
		t.Fatal(err)
	}
	was, _ := os.ReadFile(path)
	is, _ := os.ReadFile(fresh)
	if err := os.WriteFile(fresh, append(is, was...), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated, err := secret.Load(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.Unseal(sealed, ""); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if !rotated.Has(old.ID()) || rotated.ID() == old.ID() {
		t.Error("the new key is not the one in use, or the old one is lost")
	}
}
