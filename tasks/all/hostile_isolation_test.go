package all_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// hides leaves the canary wherever another program could come across it, and waits until it is told to go on.
const hides = `
import os, socket, sys
text = open(sys.argv[1]).read()
for name in ('secret', '/tmp/secret', '/dev/shm/secret'):
    try: open(name, 'w').write(text)
    except OSError: pass
listening = []
for kind, address in ((socket.SOCK_STREAM, '\0gantry-canary'), (socket.SOCK_DGRAM, '\0gantry-canary-2'), (socket.SOCK_STREAM, 'sock')):
    s = socket.socket(socket.AF_UNIX, kind)
    try: s.bind(address)
    except OSError: continue
    if kind == socket.SOCK_STREAM: s.listen()
    listening.append(s)
print('ready', flush=True)
`

// looks tells all that it comes across below the folders of its arguments and in the usual places.
const looks = `
import os, socket, sys
def tell(way, text): print('found', way, ascii(text)[:200], flush=True)
def read(path):
    try:
        with open(path, 'rb') as f: return f.read(1 << 16)
    except OSError: return b''
mark = 'KESTREL' + 'CANARY'
for root in ['.', '/job', '/in', '/tmp', '/var/tmp', '/dev/shm', '/run', '/home', '/root'] + sys.argv[2:]:
    for folder, _, names in os.walk(root):
        for name in names:
            if mark.encode() in read(os.path.join(folder, name)): tell('file', os.path.join(folder, name))
            if name == 'sock':
                try:
                    s = socket.socket(socket.AF_UNIX); s.connect(os.path.join(folder, name)); tell('socket', mark)
                except OSError: pass
try: pids = [p for p in os.listdir('/proc') if p.isdigit()]
except OSError: pids = ['self', '1', str(os.getppid())]
for pid in pids:
    for name in ('environ', 'cmdline', 'cwd/secret', 'root/tmp/secret'):
        if mark.encode() in read('/proc/' + pid + '/' + name): tell('process', mark + ' ' + name)
for kind, address in ((socket.SOCK_STREAM, '\0gantry-canary'), (socket.SOCK_DGRAM, '\0gantry-canary-2')):
    try:
        s = socket.socket(socket.AF_UNIX, kind); s.connect(address); tell('abstract', mark)
    except OSError: pass
for name, value in os.environ.items():
    if mark in value: tell('environment', mark)
print('users', ascii(read('/etc/passwd').decode()))
`

// TestTwoJobs runs a program beside one of another job that hides nothing, and finds nothing of it, nor of the machine. The
// one that hides finds itself by the same means.
func TestTwoJobs(t *testing.T) {
	machine, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fence := range []toolbox.Kind{toolbox.Bubblewrap, toolbox.Landlock} {
		t.Run(string(fence), func(t *testing.T) {
			box := boxOf(t, fence, time.Minute)
			python, ok := box.Find(t.Context(), toolbox.Program{Name: "python3"})
			if !ok {
				enginetest.Missing(t, "python3")
			}
			first := &meeting{ready: make(chan struct{}), done: make(chan struct{})}
			s := enginetest.Start(t, bringing(), first.operation(box, python))
			secret := brings("in", stored{"a.txt", canaryText})
			script := func(text string) string {
				raw, _ := json.Marshal(map[string]string{"script": text})
				return string(raw)
			}
			hiding := s.MustSubmit(t, secret, enginetest.Task("do", "test/program", script(hides+"sys.stdin.read(1)\n"+looks), "in"))
			<-first.ready
			looking := s.MustEnd(t, s.MustSubmit(t, brings("in", stored{"b.txt", "x"}), enginetest.Task("do", "test/program", script(looks), "in")).ID)
			close(first.done)
			seen, own := printedBy(t, looking), printedBy(t, s.MustEnd(t, hiding.ID))
			if strings.Contains(seen, "found") || strings.Contains(seen, canaryText) {
				t.Errorf("the other job is seen: %s", seen)
			}
			for line := range strings.Lines(string(machine)) {
				if user, _, _ := strings.Cut(line, ":"); user != "root" && user != "nobody" && strings.Contains(seen, user+":x:") {
					t.Errorf("the machine's user %s is seen: %s", user, seen)
				}
			}
			for _, way := range []string{"found file", "found socket", "found abstract", "found process"} {
				shut := fence == toolbox.Landlock && way == "found process" // nothing of /proc is to be seen there
				if !shut && !strings.Contains(own, way) {
					t.Errorf("by itself it is not found as %q: %s", way, own)
				}
			}
		})
	}
}

// meeting is where two programs wait for each other.
type meeting struct {
	ready, done chan struct{}
	once        sync.Once
}

// operation runs a script of Python's on its input. One that says it is ready is left alone until done.
func (m *meeting) operation(box *toolbox.Box, python toolbox.Tool) engine.Operation {
	type params struct {
		Script string `json:"script"`
	}
	return engine.Define("test/program", "Run a program.", engine.LaneCPU, params{},
		engine.HandlerFunc[params](func(ctx context.Context, run *engine.Run, p params) (result engine.Result, err error) {
			files, err := run.Files(ctx)
			if err != nil {
				return result, err
			}
			in, err := run.Path(ctx, files[0], ".txt")
			if err != nil {
				return result, err
			}
			dir := filepath.Join(filepath.Dir(in), "out")
			if err := os.Mkdir(dir, 0o700); err != nil {
				return result, err
			}
			stdin, wait, err := os.Pipe()
			if err != nil {
				return result, err
			}
			defer stdin.Close()
			var printed bytes.Buffer
			c := box.Command(python, dir, "-c", p.Script)
			c.Args = append(c.Args, c.In(in), filepath.Dir(filepath.Dir(filepath.Dir(in))))
			c.Stdin = stdin
			c.OnLine = func(line string) {
				printed.WriteString(line + "\n")
				if line == "ready" {
					m.once.Do(func() { close(m.ready) })
					go func() { <-m.done; wait.Close() }()
				}
			}
			outcome, err := c.Run(ctx)
			if err == nil {
				err = outcome.Err()
			}
			text := printed.String()
			result.Output = &text
			return result, err
		}))
}

func printedBy(t *testing.T, job engine.Job) string {
	t.Helper()
	task := enginetest.Named(t, job, "do")
	if task.Status != engine.StatusFinished {
		t.Fatalf("the program failed: %s %s", task.Code, task.Message)
	}
	return *task.Result.Output
}
