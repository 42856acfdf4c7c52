package lok_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
)

// TestMain makes this test binary be a worker when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == lok.Argument {
		os.Exit(lok.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

const debian = "/usr/lib/libreoffice/program"

// program is the folder of an installed LibreOffice.
func program(t *testing.T) string {
	t.Helper()
	for _, lib := range []string{"libmergedlo.so", "libsofficeapp.so"} {
		if _, err := os.Stat(filepath.Join(debian, lib)); err == nil {
			return debian
		}
	}
	enginetest.Missing(t, "LibreOffice")
	return ""
}

// worker is a running one.
type worker struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	events *bufio.Scanner
}

func startWorker(t *testing.T) *worker {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], lok.Argument, program(t))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + dir, lok.Environment}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &worker{t: t, cmd: cmd, in: in, events: bufio.NewScanner(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the worker ended with %v", err)
		}
	})
	if e := w.event(); !e.Ready {
		t.Fatalf("got %+v first, want that it is ready", e)
	}
	return w
}

func (w *worker) event() lok.Event {
	w.t.Helper()
	if !w.events.Scan() {
		w.t.Fatalf("the worker is gone: %v", w.events.Err())
	}
	var e lok.Event
	if err := json.Unmarshal(w.events.Bytes(), &e); err != nil {
		w.t.Fatalf("got %q, want an event: %v", w.events.Text(), err)
	}
	if e.Alive {
		return w.event()
	}
	return e
}

// convert returns the last event and the percents before it.
func (w *worker) convert(r lok.Request) (lok.Event, []int) {
	w.t.Helper()
	if err := json.NewEncoder(w.in).Encode(r); err != nil {
		w.t.Fatal(err)
	}
	var percents []int
	for {
		e := w.event()
		if e.Done || e.Failed != "" {
			if ready := w.event(); !ready.Ready {
				w.t.Errorf("got %+v after the end, want the worker to be ready", ready)
			}
			return e, percents
		}
		percents = append(percents, e.Progress)
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const flat = `<?xml version="1.0" encoding="UTF-8"?><office:document ` +
	`xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" ` +
	`xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2" ` +
	`office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text>` +
	`<text:p>a fine day</text:p></office:text></office:body></office:document>`

func TestWorkerConvertsOneAfterTheOther(t *testing.T) {
	w := startWorker(t)
	in, out := write(t, "in.fodt", flat), filepath.Join(t.TempDir(), "out é %41.pdf")
	for _, c := range []struct {
		name   string
		change func(*lok.Request)
		want   lok.Failure
	}{
		{"a document", func(*lok.Request) {}, ""},
		{"nothing", func(r *lok.Request) { r.In = in + "x" }, lok.NotLoaded},
		{"unknown output", func(r *lok.Request) { r.Format = "mp3" }, lok.NotSaved},
		{"a document again", func(*lok.Request) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove(out)
			r := lok.Request{In: in, Out: out, Format: "pdf"}
			c.change(&r)
			got, percents := w.convert(r)
			if got.Failed != c.want || got.Done != (c.want == "") {
				t.Fatalf("got %+v, want failure %q", got, c.want)
			}
			content, _ := os.ReadFile(out)
			if strings.HasPrefix(string(content), "%PDF-") != (c.want == "") {
				t.Errorf("got an output of %d bytes", len(content))
			}
			if c.want == "" && (len(percents) == 0 || percents[0] < 1 || percents[len(percents)-1] > 99) {
				t.Errorf("got percents %v", percents)
			}
		})
	}
}

// otherKit is a library whose table of functions is shorter than what this package knows.
const otherKit = `
#include <stddef.h>
struct class { size_t size; void *functions[2]; };
static struct class class = { sizeof(struct class) };
static struct { struct class *class; } office = { &class };
void *libreofficekit_hook_2(const char *program, const char *profile) { return &office; }
`

// TestOtherVersion gives a worker a LibreOffice that it cannot speak with: it ends before it is ready, which is when the
// command line is used instead.
func TestOtherVersion(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], lok.Argument, madeKit(t, otherKit))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + t.TempDir(), lok.Environment}
	var printed, told strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &told
	if err := cmd.Run(); err == nil || strings.Contains(printed.String(), "ready") || !strings.Contains(told.String()+printed.String(), "older than") {
		t.Errorf("got %v, %q and %q", err, printed.String(), told.String())
	}
}

// crashingKit is a library whose thread ends the program, as LibreOffice's do of an exception that nobody expects.
const crashingKit = `
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *crash(void *nothing) { abort(); }
void *libreofficekit_hook_2(const char *program, const char *profile) {
	pthread_t thread;
	pthread_create(&thread, NULL, crash, NULL);
	for (;;) pause();
}
`

// TestCrashWhileStarting has LibreOffice crash in a worker that is the first process of its namespace.
func TestCrashWhileStarting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], lok.Argument, madeKit(t, crashingKit))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + t.TempDir(), lok.Environment}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER}
	err := cmd.Start()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this kernel lets nobody make a namespace of processes")
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err == nil || ctx.Err() != nil {
		t.Errorf("got %v (%v), want a worker that died of the crash", err, ctx.Err())
	}
}

// madeKit compiles a library in the place of LibreOffice's, and returns its folder.
func madeKit(t *testing.T, source string) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		enginetest.Missing(t, "cc")
	}
	dir := t.TempDir()
	cc := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-x", "c", "-o", filepath.Join(dir, "libsofficeapp.so"), "-", "-lpthread")
	cc.Stdin = strings.NewReader(source)
	if text, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return dir
}
