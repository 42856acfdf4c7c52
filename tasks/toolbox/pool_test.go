package toolbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// parrot is a worker that obeys one shell line at a time.
const parrot = `echo ready; while read -r line; do eval "$line"; echo done; echo ready; done`

func pool(t *testing.T, b *toolbox.Box, change func(c *toolbox.PoolConfig)) *toolbox.Pool {
	t.Helper()
	c := toolbox.PoolConfig{
		Name: "parrot",
		Set: func(c *toolbox.Command) {
			c.Tool, c.Args = toolbox.Tool{Path: "/usr/bin/sh"}, []string{"-c", parrot}
		},
		Ready: func(ctx context.Context, w *toolbox.Worker) error {
			_, err := w.Receive(ctx)
			return err
		},
	}
	if change != nil {
		change(&c)
	}
	p := b.Pool(c)
	t.Cleanup(p.Close)
	return p
}

// tell lets a worker obey a line and returns what it answered.
func tell(ctx context.Context, p *toolbox.Pool, key, line string) (string, error) {
	var answers []string
	err := p.Use(ctx, key, func(ctx context.Context, w *toolbox.Worker) error {
		if err := w.Send(ctx, []byte(line+"\n")); err != nil {
			return err
		}
		for {
			answer, err := w.Receive(ctx)
			if err != nil || string(answer) == "done" {
				return err
			}
			answers = append(answers, string(answer))
		}
	})
	return strings.Join(answers, "\n"), err
}

func TestPoolKeepsAWorker(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		p := pool(t, b, func(c *toolbox.PoolConfig) { c.Uses = 3 })
		var marks []string
		for range 4 {
			mark, err := tell(t.Context(), p, "", `echo "${mark:=first} $count"; count=x$count`)
			if err != nil {
				t.Fatal(err)
			}
			marks = append(marks, mark)
		}
		if got, want := strings.Join(marks, ","), "first ,first x,first xx,first "; got != want {
			t.Errorf("got %q, want %q: it is replaced after the third use", got, want)
		}
	})
}

// TestPoolReplacesWhatGrew holds that a worker which has grown over its bound is not used again, and one below it is.
func TestPoolReplacesWhatGrew(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		p := pool(t, b, func(c *toolbox.PoolConfig) { c.Memory = 48 << 20 })
		var marks []string
		for _, line := range []string{`echo "${mark:=first} $count"; count=x`, `echo "$mark $count"; kept=$(head -c 128M /dev/zero | tr '\0' x)`, `echo "$mark $count"`} {
			mark, err := tell(t.Context(), p, "", line)
			if err != nil {
				t.Fatal(err)
			}
			marks = append(marks, mark)
		}
		if got, want := strings.Join(marks, ","), "first ,first x, "; got != want {
			t.Errorf("got %q, want %q: it is replaced after it grew", got, want)
		}
	})
}

// TestPoolRefits holds that nobody waits for a worker to be ready once more but who needs it next, and that one which is not
// is replaced.
func TestPoolRefits(t *testing.T) {
	gate := make(chan error, 1)
	p := pool(t, open(t, toolbox.Config{}), func(c *toolbox.PoolConfig) {
		ready := c.Ready
		c.Ready = func(ctx context.Context, w *toolbox.Worker) error {
			if w.State == nil {
				w.State = "used"
				return ready(ctx, w)
			}
			select {
			case err := <-gate:
				return errors.Join(err, ready(ctx, w))
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
	count := func() string {
		t.Helper()
		got, err := tell(t.Context(), p, "", `echo "used$count"; count=x$count`)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := []string{count()}
	impatient, cancel := context.WithCancelCause(t.Context())
	cancel(engine.ErrTimedOut)
	if _, err := tell(impatient, p, "", "echo x"); !errors.Is(err, engine.ErrTimedOut) {
		t.Errorf("got %v from who does not wait for the worker", err)
	}
	gate <- nil
	got = append(got, count())
	gate <- errors.New("it is broken")
	got = append(got, count())
	if got, want := strings.Join(got, ","), "used,usedx,used"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.Close() // while the worker waits at the gate
}

func TestPoolFiles(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		p := pool(t, b, nil)
		in := write(t, filepath.Join(t.TempDir(), "in.txt"), "content")
		out := filepath.Join(t.TempDir(), "out.txt")
		convert := func(script string) error {
			return p.Use(t.Context(), "", func(ctx context.Context, w *toolbox.Worker) error {
				seen, err := w.In(in)
				if err != nil {
					return err
				}
				made := filepath.Join(w.Dir(), "made")
				line := strings.NewReplacer("IN", seen, "OUT", w.Path(made)).Replace(script)
				if err := w.Send(ctx, []byte(line+"\n")); err != nil {
					return err
				}
				if _, err := w.Receive(ctx); err != nil {
					return err
				}
				return w.Take(made, out)
			})
		}
		if err := convert("cat IN IN > OUT"); err != nil {
			t.Fatal(err)
		}
		if got := read(t, out); got != "contentcontent" {
			t.Errorf("got %q", got)
		}
		if err := convert("ls /job /in > /tmp/l 2>/dev/null; : > OUT"); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("got %v for an empty output", err)
		}
		for name, script := range map[string]string{"link": "ln -s IN OUT", "pipe": "mkfifo OUT", "nothing": ":"} {
			if err := convert(script); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if err := convert("test -e OUT || echo x >> IN; cp IN OUT"); err != nil {
			t.Fatal(err)
		}
		if got := read(t, in); b.Kind() != toolbox.Unsandboxed && got != "content" {
			t.Errorf("the worker changed its input to %q", got)
		}
	})
}

func TestPoolQuarantine(t *testing.T) {
	b := open(t, toolbox.Config{})
	p := pool(t, b, nil)
	for n, want := range []engine.Code{engine.Unavailable, engine.Unavailable, engine.Invalid, engine.Invalid} {
		if _, err := tell(t.Context(), p, "poison", "kill -SEGV $$"); engine.CodeOf(err) != want {
			t.Errorf("try %d: got %v, want %s", n+1, err, want)
		}
		if _, err := tell(t.Context(), p, "harmless", "echo x"); err != nil {
			t.Errorf("another file fails with it: %v", err)
		}
	}
}

func TestPoolBounds(t *testing.T) {
	b := open(t, toolbox.Config{})
	p := pool(t, b, func(c *toolbox.PoolConfig) {
		set := c.Set
		c.Set = func(c *toolbox.Command) { set(c); c.Bounds.Folder = 1 << 20 }
	})
	if _, err := tell(t.Context(), p, "", "dd if=/dev/zero of=big bs=1M count=4; sleep 100"); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err := p.Use(ctx, "", func(ctx context.Context, w *toolbox.Worker) error {
		if err := w.Send(ctx, []byte("sleep 100\n")); err != nil {
			return err
		}
		cancel(engine.ErrTimedOut)
		_, err := w.Receive(ctx)
		return err
	})
	if !errors.Is(err, engine.ErrTimedOut) {
		t.Errorf("got %v", err)
	}
	if _, err := tell(t.Context(), p, "", "echo x"); err != nil {
		t.Errorf("the next one fails with it: %v", err)
	}
}

// TestPoolWall holds that each use has its own time, and that one which takes longer is not tried again.
func TestPoolWall(t *testing.T) {
	p := pool(t, open(t, toolbox.Config{}), func(c *toolbox.PoolConfig) {
		set := c.Set
		c.Set = func(c *toolbox.Command) { set(c); c.Bounds.Wall = 10 * time.Second }
	})
	if _, err := tell(t.Context(), p, "", "sleep 1000"); engine.CodeOf(err) != engine.Timeout || !errors.Is(err, engine.ErrTimedOut) {
		t.Errorf("got %v", err)
	}
	if _, err := tell(t.Context(), p, "", "echo x"); err != nil {
		t.Errorf("the next one fails with it: %v", err)
	}
}

func TestPoolPipes(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		p := pool(t, b, func(c *toolbox.PoolConfig) {
			c.Pipes, c.End = true, '\n'
			c.Set = func(c *toolbox.Command) {
				c.Tool, c.Args = toolbox.Tool{Path: "/usr/bin/bash"}, []string{"-c", "exec 0<&3 1>&4; " + parrot}
			}
		})
		if got, err := tell(t.Context(), p, "", "echo x"); got != "x" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestPoolThatCannotStart(t *testing.T) {
	b := open(t, toolbox.Config{})
	p := pool(t, b, func(c *toolbox.PoolConfig) {
		c.Set = func(c *toolbox.Command) { c.Tool = toolbox.Tool{Path: "/usr/bin/false"} }
	})
	if _, err := tell(t.Context(), p, "", "echo x"); err == nil {
		t.Error("no error")
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "worker-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPoolShares(t *testing.T) {
	b := open(t, toolbox.Config{})
	p := pool(t, b, func(c *toolbox.PoolConfig) { c.Size = 2 })
	done := make(chan error)
	for range 6 {
		go func() {
			_, err := tell(t.Context(), p, "", "echo x")
			done <- err
		}()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestCheckOutput(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "x")
	write(t, filepath.Join(dir, "empty"), "")
	for name, err := range map[string]error{
		"link": os.Symlink(filepath.Join(dir, "file"), filepath.Join(dir, "link")), "folder": os.Mkdir(filepath.Join(dir, "folder"), 0o700),
		"linked": os.Symlink(dir, filepath.Join(dir, "linked")),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	for name, want := range map[string]bool{"file": true, "empty": false, "link": false, "folder": false, "linked/file": false,
		"missing": false, "../" + filepath.Base(dir) + "/file": true, "../x": false, ".": false} {
		if err := toolbox.CheckOutput(dir, filepath.Join(dir, name), 10); (err == nil) != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := toolbox.CheckOutput(dir, filepath.Join(dir, "file"), 0); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("too large: got %v", err)
	}
}
