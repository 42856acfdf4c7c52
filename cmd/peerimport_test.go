package cmd_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// odd are names of objects. What they have is "content of " and the name, but for the one that is empty.
var odd = []string{"a b.txt", "100%41%2F.txt", "what? #1+2 & co.txt", "plus+.txt", "\u00e9 composed.txt", "e\u0301 not composed.txt",
	".hidden", "...dots", "[1]{x}.txt", "1.txt", "star*.txt", "starlet.txt", "~'\"!$(id);.txt", "empty", " lead and trail ",
	"deep/er/x y.txt", "-rf.txt", "=x,y;z@:.txt"}

// TestPeerImports has rclone, another client of every storage system, write objects of odd names, and imports them by what they
// begin with and each by its name, which is no pattern where there is an object of that very name.
func TestPeerImports(t *testing.T) {
	api := serve(t, t.TempDir(), "--egress-allow", "127.0.0.0/8")
	for _, known := range testserver.Stores {
		if known.Prefix == "" {
			continue // it cannot be read from
		}
		t.Run(known.Kind, func(t *testing.T) {
			s, folder := openStore(t, known), fmt.Sprintf("strange%x/", rand.Uint64())
			contents := map[string]string{}
			for _, name := range odd {
				contents[name] = "content of " + name
			}
			contents["empty"] = ""
			s.fill(t, folder, contents)
			var want []string
			for name, content := range contents {
				want = append(want, entry(name, content))
			}
			slices.Sort(want)
			if got := s.imported(t, api, "", folder); !slices.Equal(got, want) {
				t.Errorf("all that begins so: got %q\nwant %q", got, want)
			}
			for name, content := range contents {
				if got, want := s.imported(t, api, folder+name, ""), []string{entry(name, content)}; !slices.Equal(got, want) {
					t.Errorf("%q: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestPeerImportsPages imports more objects than there are on one page of a listing.
func TestPeerImportsPages(t *testing.T) {
	api := serve(t, t.TempDir(), "--egress-allow", "127.0.0.0/8")
	s, folder := openStore(t, testserver.Stores[0]), fmt.Sprintf("pages%x/", rand.Uint64())
	contents := map[string]string{}
	for i := range 1005 {
		contents[fmt.Sprintf("%04d.txt", i)] = fmt.Sprint(i)
	}
	s.fill(t, folder, contents)
	if got := s.imported(t, api, "", folder); len(got) != len(contents) || got[0] != entry("0000.txt", "0") || got[1004] != entry("1004.txt", "1004") {
		t.Errorf("got %d files, want %d", len(got), len(contents))
	}
}

// fill has rclone write objects into a folder.
func (s store) fill(t *testing.T, folder string, contents map[string]string) {
	t.Helper()
	local := t.TempDir()
	for name, content := range contents {
		at := filepath.Join(local, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, at, content)
	}
	s.peer(t, "copy", local, s.there(folder), "--local-encoding", "None", "--transfers", "16")
}

// entry is an imported file: its name and the MD5 of its content.
func entry(name, content string) string {
	sum := md5.Sum([]byte(content))
	return strings.TrimSpace(path.Base(name)) + " " + hex.EncodeToString(sum[:])
}

// imported imports the object of that name, or what begins so, and returns the entries of all files in order.
func (s store) imported(t *testing.T, api *server, name, prefix string) (entries []string) {
	t.Helper()
	more := map[string]any{}
	if name == "" {
		more[s.Name], more[s.Prefix] = nil, s.Named(s.at, prefix)
	}
	end := api.must(201, "POST", "/sync/v2/jobs", `{"tasks": {"in": `+s.task(t, "import/", s.at, name, more)+`}}`)
	if end.Data.Status != "finished" {
		t.Errorf("the import of %q ended %s: %s", name+prefix, end.Data.Tasks[0].Code, end.Data.Tasks[0].Message)
	}
	for _, f := range end.Data.Tasks[0].Result.Files {
		entries = append(entries, f.Filename+" "+f.MD5)
	}
	slices.Sort(entries)
	return entries
}
