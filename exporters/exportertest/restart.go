package exportertest

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

var discardLog = slog.New(slog.DiscardHandler)

func (s *suite) many(t *testing.T) {
	f, ok := s.Definition().Params.Field(param.RolePrefix)
	if !ok {
		if f, ok = s.Definition().Params.Field(param.RoleFolder); !ok {
			t.Skip("there is room for one file only")
		}
	}
	r, folder := s.rig(t), path.Dir(s.name())+"/"
	m := made{Size: small, Seed: 40}
	for i := range 40 {
		m.Names = append(m.Names, fmt.Sprintf("file-%02d.bin", i))
	}
	params := s.Params(t, s.Address(), "")
	params[f.Name] = folder
	task := r.export(t, m, params)
	if task.Status != engine.StatusFinished || task.Result == nil || len(task.Result.Files) != len(m.Names) {
		t.Fatalf("the export ended %s (%s) with %+v", task.Code, task.Message, task.Result)
	}
	for i, name := range m.Names {
		if got := task.Result.Files[i].Name; got != name {
			t.Errorf("file %d of the result is %q, want %q", i, got, name)
		}
		s.holds(t, folder+name, small, m.Seed+int64(i))
	}
}

// rest lets one of three files fail, and looks at what a retry does.
func (s *suite) rest(t *testing.T) {
	f, ok := s.Definition().Params.Field(param.RoleName)
	if !ok {
		t.Skip("there is room for one file only")
	}
	r, folder := s.rig(t), path.Dir(s.name())+"/"
	params := s.Params(t, s.Address(), folder+"%d.bin")
	if params[f.Name] != folder+"%d.bin" {
		t.Fatalf("the harness calls the object %v, want the name it was given", params[f.Name])
	}
	r.remember(params)
	job := r.MustSubmit(t,
		engine.TaskSpec{Name: "one", Operation: "test/make", Params: []byte(JSON(t, made{Names: []string{"a"}, Size: small, Seed: 1}))},
		engine.TaskSpec{Name: "bad", Operation: "test/make", Params: []byte(JSON(t, made{Names: []string{"b"}, Size: small + 1, Seed: 2}))},
		engine.TaskSpec{Name: "three", Operation: "test/make", Params: []byte(JSON(t, made{Names: []string{"c"}, Size: small, Seed: 3}))},
		engine.TaskSpec{Name: "export", Operation: s.operation(), Params: []byte(JSON(t, params)), Input: []string{"one", "bad", "three"}})
	r.files.set(func(size int64) int64 { return size - 1 }, small+1)
	failed := r.end(t, job.ID)
	if failed.Status != engine.StatusFailed || failed.Result == nil || len(failed.Result.Files) == 0 || len(failed.Result.Files) > 2 {
		t.Fatalf("the export ended %s with %+v, want an error that names what arrived", failed.Status, failed.Result)
	}
	s.absent(t, folder+"2.bin")
	r.files.set(nil, 0)
	r.files.mu.Lock()
	clear(r.files.opened)
	r.files.mu.Unlock()
	again, err := r.Retry(t.Context(), r.User, failed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again, err = r.WaitTask(t.Context(), r.User, again.ID); err != nil || again.Status != engine.StatusFinished {
		t.Fatalf("the retry ended %s (%s), %v", again.Code, again.Message, err)
	}
	if n := len(again.Result.Files); n != 3 {
		t.Errorf("the retry names %d files, want 3", n)
	}
	if sent, want := len(r.files.opened), 3-len(failed.Result.Files); sent != want {
		t.Errorf("the retry opened %d files, want the %d that had not arrived", sent, want)
	}
	for i, size := range []int64{small, small + 1, small} {
		s.holds(t, fmt.Sprintf("%s%d.bin", folder, i+1), size, int64(i+1))
	}
}

// stop ends the process in an orderly way in the middle of a delivery. Where a delivery is gone on with, that is near its end,
// when most of many parts have arrived.
func (s *suite) stop(t *testing.T) {
	p, dir, name, size := s.proxied(t), t.TempDir(), s.name(), s.large()
	resumes := s.PartSize() > 0 && s.Definition().Promises.NoResume == ""
	if resumes {
		size = 6 * s.PartSize()
	}
	first := s.rigIn(t, dir)
	first.Start(t)
	p.set(faults{stallAt: size * 19 / 20})
	job := first.submit(t, made{Names: []string{"own.bin"}, Size: size}, s.Params(t, p.address(), name))
	<-p.whenStalled()
	first.Stop(t)
	if err := first.Server.Store.Close(); err != nil {
		t.Fatal(err)
	}
	p.set(faults{})
	second := s.rigIn(t, dir)
	second.Start(t)
	if task := second.end(t, job.ID); task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s (%s)\n%s", task.Code, task.Message, second.log.String())
	}
	s.holds(t, name, size, 0)
	if sent := p.sent(); resumes && sent > size*3/4 { // four parts of six at the most were under way
		t.Errorf("%d bytes of %d were sent once more, and Promises does not say NoResume", sent, size)
	}
}

// The environment of a process that is going to be killed.
const (
	crashDirVariable = "EXPORTERTEST_CRASH_DIR"
	crashAddress     = "EXPORTERTEST_CRASH_ADDRESS"
	crashName        = "EXPORTERTEST_CRASH_NAME"
)

func crashDir() string { return os.Getenv(crashDirVariable) }

// crash is the life of the process that is killed: it starts a delivery and waits for its end.
func (s *suite) crash(t *testing.T, dir string) {
	r := s.rigIn(t, dir)
	r.Start(t)
	job := r.submit(t, made{Names: []string{"own.bin"}, Size: s.large()}, s.Params(t, os.Getenv(crashAddress), os.Getenv(crashName)))
	fmt.Printf("\njob %s\n", job.ID)
	<-t.Context().Done()
}

// killed runs a delivery in a process that is killed in its middle. It returns the folder of its engine and the job.
func (s *suite) killed(t *testing.T, p *proxy, name string) (dir string, job engine.ID) {
	t.Helper()
	dir = t.TempDir()
	p.set(faults{stallAt: s.large() * 2 / 3})
	test, _, _ := strings.Cut(t.Name(), "/")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=2m")
	child.Env = append(os.Environ(), crashDirVariable+"="+dir, crashAddress+"="+p.address(), crashName+"="+name)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for job == "" && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "job "); ok {
			job = engine.ID(id)
		}
	}
	if job != "" {
		<-p.whenStalled()
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if job == "" {
		t.Fatal("the process that was to be killed ended by itself")
	}
	p.settle()
	p.heal()
	return dir, job
}

func (s *suite) kill(t *testing.T) {
	p, name := s.proxied(t), s.name()
	dir, job := s.killed(t, p, name)
	r := s.rigIn(t, dir)
	r.remember(s.Params(t, p.address(), name))
	r.Start(t)
	if task := r.end(t, job); task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s (%s)\n%s", task.Code, task.Message, r.log.String())
	}
	s.holds(t, name, s.large(), 0)
}

func (s *suite) killDelete(t *testing.T) {
	p, name := s.proxied(t), s.name()
	dir, job := s.killed(t, p, name)
	r := s.rigIn(t, dir)
	if err := r.DeleteJob(t.Context(), r.User, job); err != nil {
		t.Fatal(err)
	}
	r.Clock.Advance(10 * time.Minute)
	if err := r.Discard(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.absent(t, name)
	s.cleanAfterFailure(t)
}
