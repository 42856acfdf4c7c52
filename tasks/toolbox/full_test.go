package toolbox_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// smallDisk mounts a file system of 4 MiB, which only root can.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestFullDisk holds that no file is blamed for a disk without room, whatever the program makes of that.
func TestFullDisk(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		const fill = "dd if=/dev/zero of=a bs=64k 2>/dev/null; "
		for name, tt := range map[string]struct {
			script string
			want   engine.Code
		}{
			"it fails":                  {fill + "exit 1", engine.Unavailable},
			"it does not mind":          {fill + "exit 0", engine.Unavailable},
			"it crashes":                {fill + "kill -SEGV $$", engine.Unavailable},
			"it says so and cleans up":  {"dd if=/dev/zero of=a bs=64k; rm a; exit 1", engine.Unavailable},
			"it fails for other things": {"dd if=/dev/zero of=a bs=64k count=1; exit 1", engine.Invalid},
		} {
			t.Run(name, func(t *testing.T) {
				outcome, err := shell(b, smallDisk(t), tt.script).Run(t.Context())
				if full := tt.want == engine.Unavailable; errors.Is(err, syscall.ENOSPC) != full {
					t.Errorf("got %v after %q", err, outcome.Messages)
				}
				if err == nil {
					err = outcome.Err()
				}
				if engine.CodeOf(err) != tt.want {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			})
		}
	})
}

// TestFullTemporaryFolder holds that a file which needs more temporary room than it may have is to blame itself.
func TestFullTemporaryFolder(t *testing.T) {
	b := open(t, toolbox.Config{Sandbox: toolbox.Bubblewrap})
	c := shell(b, t.TempDir(), "dd if=/dev/zero of=/tmp/a bs=64k")
	c.Bounds.Memory, c.Bounds.Folder = 4<<20, 1<<20
	if outcome, err := c.Run(t.Context()); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("got %v after %q", err, outcome.Messages)
	}
}

// TestFullDiskUnderAPool holds the same for a worker that only tells of a failure.
func TestFullDiskUnderAPool(t *testing.T) {
	boxes(t, toolbox.Config{Scratch: smallDisk(t)}, func(t *testing.T, b *toolbox.Box) {
		p := pool(t, b, nil)
		failed := engine.Errorf(engine.Invalid, "The document is damaged.")
		for _, tt := range []struct {
			line string
			want engine.Code
		}{{"dd if=/dev/zero of=a bs=64k 2>/dev/null", engine.Unavailable}, {"true", engine.Invalid}} {
			err := p.Use(t.Context(), "", func(ctx context.Context, w *toolbox.Worker) error {
				if err := w.Send(ctx, []byte(tt.line+"\n")); err != nil {
					return err
				}
				if _, err := w.Receive(ctx); err != nil {
					return err
				}
				return failed
			})
			if engine.CodeOf(err) != tt.want {
				t.Errorf("%s: got %v, want %s", tt.line, err, tt.want)
			}
		}
	})
}
