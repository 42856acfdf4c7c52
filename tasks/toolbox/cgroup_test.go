package toolbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// cgroup is the version of control groups that must be found; testdata/cgroup2.sh says so.
const cgroup = "GANTRY_CGROUP"

// TestNoGroupIsLeft starts programs that leave others behind, and looks for their control groups.
func TestNoGroupIsLeft(t *testing.T) {
	boxes(t, toolbox.Config{}, func(t *testing.T, b *toolbox.Box) {
		if got, want := b.Cgroup(), os.Getenv(cgroup); want != "" && got != want {
			t.Fatalf("got %s, want %s", got, want)
		} else if got == "watch" {
			t.Skip("no control groups are delegated here")
		}
		for range 10 {
			run(t, shell(b, t.TempDir(), "exec >/dev/null 2>&1; i=0; while [ $i -lt 20 ]; do setsid sleep 10007 & i=$((i+1)); done"))
		}
		for _, pattern := range []string{"/sys/fs/cgroup/%s", "/sys/fs/cgroup/*/%s", "/sys/fs/cgroup/*/*/%s", "/sys/fs/cgroup/*/*/*/%s"} {
			left, err := filepath.Glob(fmt.Sprintf(pattern, fmt.Sprintf("gantry-%d-[0-9]*", os.Getpid())))
			if len(left) > 0 || err != nil {
				t.Errorf("left: %v, %v", left, err)
			}
		}
	})
}

// TestSecondVersion holds what is asked of a kernel that has only the second version of control groups, and that the process
// is where it was afterwards.
func TestSecondVersion(t *testing.T) {
	if os.Getenv(cgroup) != "v2" {
		t.Skip("testdata/cgroup2.sh runs it, in a machine of its own")
	}
	before := read(t, "/proc/self/cgroup")
	b, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Sandbox: toolbox.Unsandboxed, Unsandboxed: true})
	if err != nil {
		t.Fatal(err)
	}
	c := shell(b, "", "cd /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup) && cat memory.max memory.swap.max memory.oom.group pids.max")
	c.Bounds = toolbox.Bounds{Memory: 96 << 20, Processes: 37}
	outcome := run(t, c)
	if got, want := b.Cgroup()+"\n"+outcome.Messages, "v2\n100663296\n0\n1\n37"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Close()
	left, err := filepath.Glob("/sys/fs/cgroup/*/gantry-*")
	if after := read(t, "/proc/self/cgroup"); after != before || len(left) > 0 || err != nil {
		t.Errorf("afterwards in %q, before in %q; left: %v, %v", after, before, left, err)
	}
}

// TestGroupFiles holds what is written to the files of a group, and what is read from them, on plain files: below m those of
// memory, below p those of processes where they have a folder of their own.
func TestGroupFiles(t *testing.T) {
	second, first := []string{"m"}, []string{"m", "p"}
	for name, tt := range map[string]struct {
		folders []string
		files   map[string]string
		limits  map[string]string
		met     toolbox.Bound
	}{
		"second, in order": {second, map[string]string{"m/memory.events": "low 0\noom 3\noom_kill 0\noom_group_kill 0\n", "m/pids.events": "max 0\n"},
			map[string]string{"m/memory.max": "100663296", "m/memory.swap.max": "0", "m/memory.oom.group": "1", "m/pids.max": "37"}, ""},
		"second, memory":    {second, map[string]string{"m/memory.events": "oom 3\noom_kill 2\n", "m/pids.events": "max 1\n"}, nil, toolbox.BoundMemory},
		"second, processes": {second, map[string]string{"m/memory.events": "oom_kill 0\n", "m/pids.events": "max 9\n"}, nil, toolbox.BoundProcesses},
		"first, in order": {first, map[string]string{"m/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "p/pids.events": "max 0\n"},
			map[string]string{"m/memory.limit_in_bytes": "100663296", "p/pids.max": "37"}, ""},
		"first, memory": {first, map[string]string{"m/memory.oom_control": "oom_kill 1\n"}, nil, toolbox.BoundMemory},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var dirs []string
			for _, folder := range tt.folders {
				dirs = append(dirs, filepath.Join(dir, folder))
				if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for file, text := range tt.files {
				write(t, filepath.Join(dir, file), text)
			}
			for file := range tt.limits {
				write(t, filepath.Join(dir, file), "")
			}
			err := toolbox.Limit(len(dirs) == 1, dirs, toolbox.Bounds{Memory: 96 << 20, Processes: 37})
			if (err == nil) != (tt.limits != nil) {
				t.Errorf("got %v", err)
			}
			for file, want := range tt.limits {
				if got := read(t, filepath.Join(dir, file)); got != want {
					t.Errorf("%s: got %q, want %q", file, got, want)
				}
			}
			if got := toolbox.Met(len(dirs) == 1, dirs); got != tt.met {
				t.Errorf("got %q, want %q", got, tt.met)
			}
		})
	}
}

func TestOwnGroups(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"0::/system.slice/gantry.service\n":                     {"": "/system.slice/gantry.service"},
		"4:memory:/a\n2:cpu,cpuacct:/\n1:name=systemd:/c\n0::/": {"memory": "/a", "cpu": "/", "cpuacct": "/", "name=systemd": "/c", "": "/"},
		"0::/a:b\n\nx\n": {"": "/a:b"},
	} {
		if got := toolbox.OwnGroups(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
