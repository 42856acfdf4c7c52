package toolbox_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/toolbox"
	"github.com/gantry-engine/gantry/tasks/toolbox/launcher"
)

// asNobody makes the test binary run its tests as a plain user.
const asNobody = "GANTRY_TEST_AS_NOBODY"

// boxes calls each with every kind of box.
func boxes(t *testing.T, c toolbox.Config, each func(t *testing.T, b *toolbox.Box)) {
	fenced(t, c, each)
	t.Run(string(toolbox.Unsandboxed), func(t *testing.T) {
		c.Sandbox, c.Unsandboxed = toolbox.Unsandboxed, true
		each(t, open(t, c))
	})
}

// fenced calls each with every kind of box that fences programs in.
func fenced(t *testing.T, c toolbox.Config, each func(t *testing.T, b *toolbox.Box)) {
	for _, kind := range []toolbox.Kind{toolbox.Bubblewrap, toolbox.Landlock} {
		t.Run(string(kind), func(t *testing.T) {
			c.Sandbox = kind
			each(t, open(t, c))
		})
	}
}

func open(t testing.TB, c toolbox.Config) *toolbox.Box {
	t.Helper()
	c.Scratch = cmp.Or(c.Scratch, t.TempDir())
	b, err := toolbox.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if b.Kind() != c.Sandbox && c.Sandbox != "" {
		enginetest.Missing(t, string(c.Sandbox))
	}
	return b
}

// shell is the one program that every machine has.
func shell(b *toolbox.Box, dir, script string) *toolbox.Command {
	return b.Command(toolbox.Tool{Name: "sh", Path: "/usr/bin/sh"}, dir, "-c", script)
}

func run(t *testing.T, c *toolbox.Command) toolbox.Outcome {
	t.Helper()
	outcome, err := c.Run(t.Context())
	if err != nil {
		t.Fatalf("got error %v after %q", err, outcome.Messages)
	}
	return outcome
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		dir := t.TempDir()
		in := write(t, filepath.Join(t.TempDir(), "in.txt"), "content")
		var lines []string
		c := b.Command(toolbox.Tool{Name: "sh", Path: "/usr/bin/sh"}, dir)
		c.Args = []string{"-c", `pwd; cat "$1" - > "$2"; printf 'a\rb\nc'; echo "$EXTRA" >&2; exit 3`, "sh", c.In(in), c.Path(filepath.Join(dir, "-out"))}
		c.Env = []string{"EXTRA=extra=1"}
		c.Stdin = strings.NewReader(" and input")
		c.OnLine = func(line string) { lines = append(lines, line) }
		outcome := run(t, c)
		if got := read(t, filepath.Join(dir, "-out")); got != "content and input" {
			t.Errorf("got output %q", got)
		}
		if len(lines) < 4 || strings.Join(lines[1:], " ") != "a b cextra=1" && strings.Join(lines[1:], " ") != "a b c extra=1" {
			t.Errorf("got lines %q", lines)
		}
		if outcome.Exit != 3 || engine.CodeOf(outcome.Err()) != engine.Invalid || outcome.Err(3) != nil {
			t.Errorf("got %+v", outcome)
		}
		if strings.Contains(outcome.Messages, "/") {
			t.Errorf("a path is shown: %q", outcome.Messages)
		}
	})
}

func TestStdout(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		c := shell(b, "", "echo out; echo err >&2")
		out := &toolbox.Buffer{Max: 10}
		c.Stdout = out
		if outcome := run(t, c); string(out.Bytes()) != "out\n" || outcome.Messages != "err" {
			t.Errorf("got %q and %q", out.Bytes(), outcome.Messages)
		}
		for _, script := range []string{"yes", "trap '' PIPE; yes; while :; do sleep 1; done"} {
			c = shell(b, "", script)
			c.Stdout = &toolbox.Buffer{Max: 10_000}
			c.Bounds.Wall = 20 * time.Second
			if _, err := c.Run(t.Context()); engine.CodeOf(err) != engine.TooLarge {
				t.Errorf("%s: got %v", script, err)
			}
		}
	})
}

// TestFence holds what a program must not reach.
func TestFence(t *testing.T) {
	secret := write(t, filepath.Join(t.TempDir(), "secret"), "canary")
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	t.Setenv("CANARY", "canary")
	fenced(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		dir, input := t.TempDir(), write(t, filepath.Join(t.TempDir(), "in"), "content")
		for name, script := range map[string]string{
			"file elsewhere":   "cat " + secret,
			"machine's users":  "cat /etc/shadow",
			"machine's name":   "cat /etc/hostname",
			"environment":      "env | grep -e CANARY -e GOGC",
			"parent's files":   "cat /proc/$PPID/environ | grep CANARY",
			"write elsewhere":  "echo x > /usr/x || echo x > " + filepath.Dir(secret) + "/x || echo x > /x || echo x > /dev/x",
			"write the input":  `echo x >> "$1"`,
			"remove the input": `rm -f "$1"`,
			"become root":      "unshare -r true && mount -t tmpfs none /usr",
			"other processes":  "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $p; done | grep 'toolbox[.]test'",
		} {
			t.Run(name, func(t *testing.T) {
				c := shell(b, dir, script)
				c.Args = append(c.Args, "sh", c.In(input))
				if outcome := run(t, c); outcome.Exit == 0 {
					t.Errorf("it worked: %s", outcome.Messages)
				}
			})
		}
		for name, call := range map[string]string{
			"tcp": "import socket; socket.create_connection(('127.0.0.1', PORT))",
			"udp": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
		} {
			t.Run(name, func(t *testing.T) {
				python, ok := b.Find(t.Context(), toolbox.Program{Name: "python3"})
				if !ok {
					t.Fatal("python3 is missing: testdata/test.sh installs it")
				}
				c := b.Command(python, dir, "-c", strings.ReplaceAll(call, "PORT", strconv.Itoa(port)))
				if outcome := run(t, c); outcome.Exit == 0 || called {
					t.Errorf("it worked: %s", outcome.Messages)
				}
			})
		}
		if got := read(t, input); got != "content" {
			t.Errorf("the input is now %q", got)
		}
		if got := read(t, secret); got != "canary" {
			t.Errorf("the secret is now %q", got)
		}
	})
}

// TestBounds holds every bound against a program that minds none.
func TestBounds(t *testing.T) {
	eat := "import time\nx = []\nwhile True:\n x.append(bytearray(b'x' * (8 << 20)))\n time.sleep(.005)"
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		python, ok := b.Find(t.Context(), toolbox.Program{Name: "python3"})
		if !ok {
			t.Fatal("python3 is missing: testdata/test.sh installs it")
		}
		for name, tt := range map[string]struct {
			script string
			bounds toolbox.Bounds
			want   engine.Code
		}{
			"time":       {"trap '' TERM INT HUP; sleep 10007", toolbox.Bounds{Wall: 300 * time.Millisecond}, engine.Timeout},
			"processor":  {"while :; do :; done", toolbox.Bounds{CPU: time.Second}, engine.Timeout},
			"file":       {"exec dd if=/dev/zero of=big bs=64k", toolbox.Bounds{File: 1 << 20}, engine.TooLarge},
			"sparse":     {"exec dd if=/dev/zero of=big bs=1 count=1 seek=100G", toolbox.Bounds{}, engine.TooLarge},
			"folder":     {"i=0; while :; do i=$((i+1)); dd if=/dev/zero of=$i bs=1M count=1 2>/dev/null; done", toolbox.Bounds{Folder: 16 << 20}, engine.TooLarge},
			"processes":  {"i=0; while [ $i -lt 300 ]; do sleep 10007 & i=$((i+1)); done; wait", toolbox.Bounds{Processes: 40}, engine.TooLarge},
			"background": {"sleep 10007 & sleep 10117 & setsid sleep 10217 & sleep 10317", toolbox.Bounds{Wall: 300 * time.Millisecond}, engine.Timeout},
		} {
			t.Run(name, func(t *testing.T) {
				c := shell(b, t.TempDir(), tt.script)
				c.Bounds = tt.bounds
				if tt.bounds.Wall == 0 {
					c.Bounds.Wall = time.Minute
				}
				outcome, err := c.Run(t.Context())
				if name == "processes" && os.Getuid() != 0 && outcome.Exit > 0 {
					return // the kernel refused more, and the shell gave up
				}
				if engine.CodeOf(err) != tt.want {
					t.Errorf("got %v and %+v, want %s", err, outcome, tt.want)
				}
				if tt.want == engine.Timeout && !errors.Is(err, engine.ErrTimedOut) {
					t.Error("it would be tried again")
				}
			})
		}
		t.Run("memory", func(t *testing.T) {
			c := b.Command(python, t.TempDir(), "-c", eat)
			c.Bounds = toolbox.Bounds{Memory: 96 << 20, Wall: time.Minute}
			if outcome, err := c.Run(t.Context()); engine.CodeOf(err) != engine.TooLarge {
				t.Errorf("got %v and %+v", err, outcome)
			}
		})
	})
	if left, _ := exec.Command("pgrep", "-f", "^sleep 10[0-3][01]7$").Output(); len(left) > 0 {
		t.Errorf("processes are left: %s", bytes.ReplaceAll(left, []byte("\n"), []byte(" ")))
	}
}

func TestContextEndsTheCommand(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := shell(b, "", "trap '' TERM; echo ready; while :; do sleep 1; done")
		c.OnLine = func(string) { cancel(engine.ErrCanceled) }
		if _, err := c.Run(ctx); !errors.Is(err, engine.ErrCanceled) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Run(ctx); !errors.Is(err, engine.ErrCanceled) {
			t.Errorf("got %v at the second run", err)
		}
	})
}

func TestMessages(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		dir := t.TempDir()
		for script, want := range map[string]string{
			`echo "$PWD/sub/x.doc: broken"`:                        "x.doc: broken",
			`printf '\033[31mred\033[0m\a\b\0\n\n  two  \n'`:       "red\ntwo",
			`echo "cannot read '/tmp/a b/c'"`:                      "cannot read 'a b/c'",
			`echo file:///etc/fonts/fonts.conf=/usr/lib/x`:         "fonts.conf=x",
			"echo 'forbidden by the policy `@/srv/x/y.txt'":        "forbidden by the policy `@y.txt",
			`echo "[webm @ 0x55aa2fb2d3c0] only VP9"`:              "[webm] only VP9",
			`echo see https://example.com/a/b`:                     "see https://example.com/a/b",
			`printf '\377\376'`:                                    "\uFFFD",
			`head -c 20000 /dev/zero | tr '\0' x; echo; echo last`: "",
		} {
			got := run(t, shell(b, dir, script)).Messages
			if want == "" {
				want = strings.Repeat("x", 8<<10-6) + "\nlast"
			}
			if strings.TrimPrefix(got, "sub/") != want && !(strings.Contains(script, "a b") && !strings.Contains(got, "/tmp")) {
				t.Errorf("%s: got %q, want %q", script, got, want)
			}
		}
	})
}

func TestFind(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		tool, ok := b.Find(t.Context(), toolbox.Program{Name: "shell", Files: []string{"no-such-program", "bash"}})
		if !ok || tool.Name != "shell" || tool.Path != "/usr/bin/bash" || !strings.HasPrefix(tool.Version, "5.") {
			t.Errorf("got %+v, %v", tool, ok)
		}
		if tool, ok := b.Find(t.Context(), toolbox.Program{Name: "no-such-program"}); ok {
			t.Errorf("found %+v", tool)
		}
		if tool, ok := b.Find(t.Context(), toolbox.Program{Name: "true", Args: []string{"x"}}); ok {
			t.Errorf("found %+v, which gives no version", tool)
		}
	})
}

func TestToolsFolder(t *testing.T) {
	tools := t.TempDir()
	if err := os.Mkdir(filepath.Join(tools, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tools, "bin", "ours"), []byte("#!/bin/sh\necho ours 1.2.3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(tools, "x.wasm"), "x")
	boxes(t, toolbox.Config{Tools: tools}, func(t *testing.T, b *toolbox.Box) {
		if tool, ok := b.Find(t.Context(), toolbox.Program{Name: "ours"}); !ok || tool.Version != "1.2.3" {
			t.Errorf("got %+v, %v", tool, ok)
		}
		if path, ok := b.File("x.wasm"); !ok || path != filepath.Join(tools, "x.wasm") {
			t.Errorf("got %s, %v", path, ok)
		}
		if path, ok := b.File("y.wasm"); ok {
			t.Errorf("found %s", path)
		}
	})
}

func TestRefusal(t *testing.T) {
	b, err := toolbox.New(t.Context(), toolbox.Config{Sandbox: toolbox.Refused})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Kind() != toolbox.Refused {
		t.Errorf("got %s", b.Kind())
	}
	if _, err := shell(b, "", "true").Run(t.Context()); engine.CodeOf(err) != engine.Unavailable {
		t.Errorf("got %v", err)
	}
	if tool, ok := b.Find(t.Context(), toolbox.Program{Name: "bash"}); ok {
		t.Errorf("found %+v", tool)
	}
}

// TestInputsAreFiles refuses a link that a program left where the next one is to read.
func TestInputsAreFiles(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink("/etc/passwd", link); err != nil {
			t.Fatal(err)
		}
		c := shell(b, "", "true")
		c.In(link)
		if _, err := c.Run(t.Context()); engine.CodeOf(err) != engine.Invalid {
			t.Errorf("got %v", err)
		}
	})
}

func TestPathsOfChoice(t *testing.T) {
	b := open(t, toolbox.Config{Sandbox: toolbox.Bubblewrap})
	dir := t.TempDir()
	c := shell(b, dir, "cat '/input/a task/x.txt' > /output/y; pwd; cut -d: -f1 /etc/passwd; id -un")
	c.InAt(write(t, filepath.Join(t.TempDir(), "x"), "content"), "/input/a task/x.txt")
	c.DirAt("/output")
	out := &toolbox.Buffer{Max: 1000}
	c.Stdout = out
	run(t, c)
	if got := read(t, filepath.Join(dir, "y")); got != "content" {
		t.Errorf("got %q", got)
	}
	if got, want := string(out.Bytes()), "/output\nroot\nnobody\nnobody\n"; got != want {
		t.Errorf("the program sees %q, want %q", got, want)
	}
}

func TestOnline(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("called")) }))
	defer server.Close()
	for name, allow := range map[string][]netip.Prefix{"allowed": {netip.MustParsePrefix("127.0.0.0/8")}, "refused": nil} {
		t.Run(name, func(t *testing.T) {
			b := open(t, toolbox.Config{Sandbox: toolbox.Bubblewrap, Egress: egress.New(allow)})
			python, ok := b.Find(t.Context(), toolbox.Program{Name: "python3"})
			if !ok {
				t.Fatal("python3 is missing: testdata/test.sh installs it")
			}
			c := b.Command(python, "", "-c", "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())", server.URL)
			c.Online = true
			outcome := run(t, c)
			if want := allow != nil; strings.Contains(outcome.Messages, "called") != want || (outcome.Exit == 0) != want {
				t.Errorf("got %+v", outcome)
			}
		})
	}
}

// TestLauncherComesFirst holds that a launcher does not wait for the packages of the whole program, such as net/http, which
// this one has for its tests.
func TestLauncherComesFirst(t *testing.T) {
	cmd := exec.Cmd{Path: os.Args[0], Args: []string{launcher.Name, "not JSON"}, Env: []string{"GODEBUG=inittrace=1"}}
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 126 || !bytes.Contains(said, []byte("init os @")) || !bytes.Contains(said, []byte("read what to start")) {
		t.Fatalf("got %v\n%s", err, said)
	}
	for _, late := range []string{"net/http", "github.com/gantry-engine/gantry/engine", "github.com/gantry-engine/gantry/tasks/toolbox"} {
		if bytes.Contains(said, []byte("init "+late+" @")) {
			t.Errorf("%s was initialised first", late)
		}
	}
}

// TestAsPlainUser runs all of this again without root's rights.
func TestAsPlainUser(t *testing.T) {
	if os.Getuid() != 0 || os.Getenv(asNobody) != "" {
		t.Skip("only root can become another")
	}
	home, err := os.MkdirTemp("/tmp", "gantry-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	if err := os.Chmod(home, 0o777); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(home, "toolbox.test")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary, "-test.timeout=3m")
	cmd.Env = append(os.Environ(), asNobody+"=1", "TMPDIR="+home, "HOME="+home)
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// BenchmarkTrue is what the Box costs, with BenchmarkPlainTrue as the program's own share.
func BenchmarkTrue(b *testing.B) {
	for _, kind := range []toolbox.Kind{toolbox.Bubblewrap, toolbox.Landlock, toolbox.Unsandboxed} {
		b.Run(string(kind), func(b *testing.B) {
			box := open(b, toolbox.Config{Sandbox: kind, Unsandboxed: kind == toolbox.Unsandboxed})
			dir := b.TempDir()
			for b.Loop() {
				if _, err := box.Command(toolbox.Tool{Name: "true", Path: "/usr/bin/true"}, dir).Run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPlainTrue(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("/usr/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
