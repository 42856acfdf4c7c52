package imports_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/tasks/imports"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

// computer is a registered workspace with a home full of traps.
type computer struct {
	*enginetest.Server
	workspace engine.Workspace
	dir       string // in which the home is
	remote    bool
}

func workspaceEngine(t *testing.T, change func(*engine.Limits)) *enginetest.Server {
	t.Helper()
	anywhere := egress.Unrestricted()
	env := exporters.Env{HTTP: anywhere.Client(egress.ClientOptions{}), Dial: anywhere.DialContext}
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	if change != nil {
		change(&limits)
	}
	s := enginetest.New(t, enginetest.Config{Limits: limits,
		Operations: []engine.Operation{imports.Workspace(sftp.Definition().Reading, env)}})
	s.Start(t)
	return s
}

// local is a computer whose home, a link, is a folder of this machine.
func local(t *testing.T) *computer {
	t.Helper()
	c := &computer{Server: workspaceEngine(t, nil), dir: t.TempDir()}
	c.furnish(t)
	c.register(t, filepath.Join(c.dir, "home-link"), nil)
	return c
}

// overSFTP is a computer whose home is at a real SSH server.
func overSFTP(t *testing.T) *computer {
	t.Helper()
	v := servers.Start(t, "sftp")
	c := &computer{Server: workspaceEngine(t, nil), remote: true}
	var err error
	if c.dir, err = os.MkdirTemp(filepath.Join(v["SFTP_HOMES_DIR"], "plain"), "home-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(c.dir) })
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.furnish(t)
	c.register(t, filepath.Join(c.dir, "home-link"), access(v["SFTP_ADDRESS"], v["SFTP_PASSWORD"], v["SFTP_HOST_KEY"]))
	return c
}

func access(address, password, hostKey string) map[string]any {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return map[string]any{"host": host, "port": number, "username": "plain", "password": password, "host_key": hostKey}
}

func (c *computer) register(t *testing.T, home string, remote map[string]any) {
	t.Helper()
	var raw []byte
	if remote != nil {
		raw, _ = json.Marshal(remote)
	}
	var err error
	c.workspace, err = c.RegisterWorkspace(t.Context(), engine.Workspace{Name: "desk" + strconv.Itoa(len(home)) + filepath.Base(home), Owner: c.User,
		Home: home, HomeAs: "/home/user"}, raw)
	if err != nil {
		t.Fatal(err)
	}
}

// furnish makes the home, what is outside of it, and every way out.
func (c *computer) furnish(t *testing.T) {
	t.Helper()
	at := func(name string) string { return filepath.Join(c.dir, name) }
	for name, text := range map[string]string{
		"home/Desktop/results.txt": "results", "home/Desktop/deep/er/b.txt": "b", "home/top.txt": "top", "home/...": "dots",
		"home/~backup": "tilde", "home/star*.txt": "star", "home/%2e%2e": "percent", "home/..\\outside\\secret.txt": "backslash",
		"home/caf\xe9.txt": "latin", "home/new\nline.txt": "newline",
		"outside/secret.txt": "secret", "home2/secret.txt": "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"home-link": at("home"), "home/in": "Desktop/results.txt", "home/Desktop/up": "../top.txt", "home/Desktop-link": "Desktop",
		"home/out": "../outside/secret.txt", "home/out-abs": at("outside/secret.txt"), "home/out-dir": "../outside",
		"home/Desktop/out-dir": "../../outside", "home/chain": "chain2", "home/chain2": "out-dir/secret.txt", "home/loop": "loop",
		"home/passwd": "/etc/passwd", "home/proc": "/proc/self/root", "home/sibling": "../home2/secret.txt", "home/nowhere": "missing",
	} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(at("outside/secret.txt"), at("home/hard")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("home/fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(at("home/device"), syscall.S_IFCHR|0o644, 1<<8|5); err != nil && os.Getuid() == 0 { // /dev/zero
		t.Fatal(err)
	}
}

// fetch imports and returns the task.
func (c *computer) fetch(t *testing.T, params map[string]any) engine.Task {
	t.Helper()
	if params["workspace"] == nil {
		params["workspace"] = c.workspace.Name
	}
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	job := c.MustSubmit(t, enginetest.Task("a", "import/workspace", string(raw)))
	return enginetest.Named(t, c.MustEnd(t, job.ID), "a")
}

func both(t *testing.T, test func(*testing.T, *computer)) {
	t.Run("local", func(t *testing.T) { test(t, local(t)) })
	t.Run("sftp", func(t *testing.T) { test(t, overSFTP(t)) })
}

// TestPathCorpus asks for files by every way in and every way out.
func TestPathCorpus(t *testing.T) {
	const denied, missing, invalid = string(engine.Denied), string(engine.NotFound), string(engine.Invalid)
	both(t, func(t *testing.T, c *computer) {
		home := filepath.Join(c.dir, "home-link")
		tests := map[string]string{ // the content or, behind a !, the code
			"Desktop/results.txt": "results", "./Desktop//results.txt": "results", "~/Desktop/results.txt": "results",
			"/home/user/Desktop/results.txt": "results", "/home/user//Desktop/./results.txt": "results", home + "/Desktop/results.txt": "results",
			"Desktop/../top.txt": "top", "Desktop/deep/../../top.txt": "top", "/home/user/Desktop/../top.txt": "top",
			"in": "results", "Desktop/up": "top", "Desktop-link/results.txt": "results",
			"...": "dots", "./~backup": "tilde", "star*.txt": "star", "%2e%2e": "percent", `..\outside\secret.txt`: "backslash", "new\nline.txt": "newline",

			"..": "!" + denied, "../outside/secret.txt": "!" + denied, "Desktop/../../outside/secret.txt": "!" + denied, "~/../outside/secret.txt": "!" + denied,
			"/home/user/../outside/secret.txt": "!" + denied, "/home/user/../user/top.txt": "!" + denied, "/home/user2/secret.txt": "!" + denied,
			"/home/user-link/top.txt": "!" + denied, "/home": "!" + denied, "/": "!" + denied, "/etc/passwd": "!" + denied, "//etc/passwd": "!" + denied,
			home + "/../outside/secret.txt": "!" + denied, home + "2/secret.txt": "!" + denied, filepath.Join(c.dir, "outside/secret.txt"): "!" + denied,
			"~root/secret.txt": "!" + denied, "~backup": "!" + denied, "~+/top.txt": "!" + denied,
			"Desktop-link/../../outside/secret.txt": "!" + denied,
			"out":                                   "!" + denied, "out-abs": "!" + denied, "out-dir/secret.txt": "!" + denied, "Desktop/out-dir/secret.txt": "!" + denied,
			"chain": "!" + denied, "passwd": "!" + denied, "proc/etc/passwd": "!" + denied, "sibling": "!" + denied,

			"%2e%2e/outside/secret.txt": "!" + missing, "..%2foutside%2fsecret.txt": "!" + missing, "%2e%2e%2foutside": "!" + missing,
			"..%c0%afoutside/secret.txt": "!" + missing, "．．/outside/secret.txt": "!" + missing, "..／outside": "!" + missing, "$HOME/top.txt": "!" + missing,
			"missing.txt": "!" + missing, "nowhere": "!" + missing, "top.txt/x": "!" + missing, "`id`": "!" + missing,
			"top.txt\x00.png": "!" + invalid, "fifo": "!" + invalid, "Desktop": "!" + invalid, ".": "!" + invalid, "~": "!" + invalid,
			"~/": "!" + invalid, "/home/user": "!" + invalid, "/home/user/": "!" + invalid,
		}
		if os.Getuid() == 0 {
			tests["device"] = "!" + invalid
		}
		if !c.remote { // an SFTP server does not tell, and reads what its own user may read
			tests["hard"], tests["out-dir/../home/top.txt"] = "!"+denied, "!"+denied
		}
		for asked, want := range tests {
			t.Run(strings.ReplaceAll(asked, "/", "|"), func(t *testing.T) {
				task := c.fetch(t, map[string]any{"path": asked, "single": true})
				got := "!" + string(task.Code)
				if task.Status == engine.StatusFinished {
					got = c.Content(t, task.Result.Files[0])
				}
				if got != want {
					t.Errorf("got %q (%s), want %q", got, task.Message, want)
				}
				if strings.Contains(task.Message, c.dir) && !strings.Contains(asked, c.dir) {
					t.Errorf("the message tells a path of the machine: %s", task.Message)
				}
			})
		}
		loop := c.fetch(t, map[string]any{"path": "loop", "single": true})
		if loop.Status == engine.StatusFinished || loop.Code == engine.Internal {
			t.Errorf("a loop: got %s %s", loop.Code, loop.Message)
		}
	})
}

// TestPatternsAndFolders imports several files, and folders as archives: neither has anything from outside.
func TestPatternsAndFolders(t *testing.T) {
	both(t, func(t *testing.T, c *computer) {
		if err := os.Remove(filepath.Join(c.dir, "home/hard")); err != nil {
			t.Fatal(err)
		}
		task := c.fetch(t, map[string]any{"path": "Desktop/*"})
		var names []string
		if task.Result != nil {
			for _, f := range task.Result.Files {
				names = append(names, f.Name+"="+c.Content(t, f))
			}
		}
		if want := []string{"results.txt=results", "up=top"}; !slices.Equal(names, want) {
			t.Errorf("got %v (%s), want %v", names, task.Message, want)
		}
		if out := c.fetch(t, map[string]any{"path": "out-dir/*"}); out.Status == engine.StatusFinished {
			t.Errorf("a pattern behind a link out: got %+v", out.Result.Files)
		}
		for path, want := range map[string][]string{
			"Desktop":        {"deep/er/b.txt=b", "results.txt=results", "up=top"},
			"/home/user":     nil, // all that is not outside
			"~/Desktop/deep": {"er/b.txt=b"},
		} {
			task := c.fetch(t, map[string]any{"path": path, "archive": true, "single": true})
			if task.Status != engine.StatusFinished {
				t.Fatalf("%s: %s %s", path, task.Code, task.Message)
			}
			f := task.Result.Files[0]
			got := members(t, c.Content(t, f))
			if f.Name != filepath.Base(path)+".zip" && path != "/home/user" || f.MIME != "application/zip" {
				t.Errorf("%s: got %s %s", path, f.Name, f.MIME)
			}
			if want != nil && !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", path, got, want)
			}
			for _, m := range got {
				if strings.HasSuffix(m, "=secret") || strings.Contains(m, "root:") {
					t.Errorf("%s has %q from outside", path, m)
				}
			}
			if want == nil && (len(got) < 10 || !slices.Contains(got, "Desktop/results.txt=results")) {
				t.Errorf("%s: got %q", path, got)
			}
		}
	})
}

func members(t *testing.T, archive string) (names []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader([]byte(archive)), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		src, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name+"="+string(b))
	}
	return names
}

// TestSwap swaps a file for a link out, and a folder for one, while it is asked for: what comes is never from outside.
func TestSwap(t *testing.T) {
	both(t, func(t *testing.T, c *computer) {
		home, stop := filepath.Join(c.dir, "home"), make(chan struct{})
		var swapping sync.WaitGroup
		for name, target := range map[string]string{"swap.txt": "../outside/secret.txt", "swapdir": "../outside"} {
			inside := filepath.Join(c.dir, "inside-"+name)
			if name == "swapdir" {
				if err := os.Mkdir(inside, 0o755); err != nil {
					t.Fatal(err)
				}
				inside = filepath.Join(inside, "secret.txt")
			}
			if err := os.WriteFile(inside, []byte("inside"), 0o644); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(c.dir, "link-"+name)
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
			real := filepath.Join(c.dir, "inside-"+name)
			swapping.Go(func() {
				at := filepath.Join(home, name)
				for {
					for _, source := range []string{real, link} {
						select {
						case <-stop:
							return
						default:
						}
						_ = os.Rename(source, at)
						_ = os.Rename(at, source)
					}
				}
			})
		}
		for range 40 {
			for _, path := range []string{"swap.txt", "swapdir/secret.txt"} {
				task := c.fetch(t, map[string]any{"path": path, "single": true})
				if task.Status == engine.StatusFinished {
					if got := c.Content(t, task.Result.Files[0]); got != "inside" {
						t.Errorf("%s: got %q", path, got)
					}
				}
			}
		}
		close(stop)
		swapping.Wait()
	})
}

func TestWorkspacesThatAreAway(t *testing.T) {
	t.Run("no such folder", func(t *testing.T) {
		c := local(t)
		c.register(t, filepath.Join(c.dir, "gone"), nil)
		c.away(t, "The computer is not running.")
	})
	t.Run("a file", func(t *testing.T) {
		c := local(t)
		c.register(t, filepath.Join(c.dir, "home/top.txt"), nil)
		c.away(t, "The computer is not running.")
	})
	t.Run("nobody listens", func(t *testing.T) {
		c := local(t)
		c.register(t, "/home", access("127.0.0.1:1", "x", ""))
		c.away(t, "The computer is not running.")
	})
	t.Run("wrong password", func(t *testing.T) {
		v := servers.Start(t, "sftp")
		c := local(t)
		c.register(t, "/srv", access(v["SFTP_ADDRESS"], "wr0ng", ""))
		c.away(t, "does not let this server in")
	})
	t.Run("another host key", func(t *testing.T) {
		v := servers.Start(t, "sftp")
		c := local(t)
		c.register(t, "/srv", access(v["SFTP_ADDRESS"], v["SFTP_PASSWORD"], "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"))
		c.away(t, "not the one that was registered")
	})
	t.Run("no such home there", func(t *testing.T) {
		v := servers.Start(t, "sftp")
		c := local(t)
		c.register(t, "/nowhere/at/all", access(v["SFTP_ADDRESS"], v["SFTP_PASSWORD"], ""))
		c.away(t, "The computer is not running.")
	})
}

func (c *computer) away(t *testing.T, says string) {
	t.Helper()
	task := c.fetch(t, map[string]any{"path": "top.txt"})
	if task.Code != engine.Conflict || !strings.Contains(task.Message, says) || strings.Contains(task.Message, "wr0ng") {
		t.Errorf("got %s %s", task.Code, task.Message)
	}
}

func TestForeignWorkspace(t *testing.T) {
	c := local(t)
	other, err := c.UserNamed(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := c.RegisterWorkspace(t.Context(), engine.Workspace{Name: "theirs", Owner: other.ID, Home: c.dir, HomeAs: "/home/user"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"theirs", string(foreign.ID), "none"} {
		if task := c.fetch(t, map[string]any{"workspace": name, "path": "home/top.txt"}); task.Code != engine.NotFound {
			t.Errorf("%s: got %s %s", name, task.Code, task.Message)
		}
	}
}

func TestWorkspaceLimits(t *testing.T) {
	c := &computer{dir: t.TempDir(), Server: workspaceEngine(t, func(l *engine.Limits) {
		l.Transfer, l.ArchiveEntries = 100, 3
	})}
	home := filepath.Join(c.dir, "home")
	for name, size := range map[string]int{"large/a": 101, "two/a": 60, "two/b": 60, "many/a": 1, "many/b": 1, "many/c": 1, "many/d": 1} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.register(t, home, nil)
	for _, params := range []map[string]any{{"path": "large/a", "single": true}, {"path": "large", "archive": true},
		{"path": "two", "archive": true}, {"path": "many", "archive": true}, {"path": "many/*"}} {
		if task := c.fetch(t, params); task.Code != engine.TooLarge {
			t.Errorf("%v: got %s %s", params, task.Code, task.Message)
		}
	}
}
