package office_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// signalWorkers sends a signal to the office workers of this process, and returns how many there are.
func signalWorkers(t *testing.T, s syscall.Signal) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file)
		args := strings.Split(string(line), "\x00")
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(args) > 1 && args[1] == lok.Argument && below(pid, os.Getpid()) {
			n++
			if err := syscall.Kill(pid, s); err != nil {
				t.Error(err)
			}
		}
	}
	return n
}

// below reports whether a process descends from another.
func below(pid, ancestor int) bool {
	for pid > 1 && pid != ancestor {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return false
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return pid == ancestor
}

// long is a document that takes a worker a while to write.
func long(pages int) string {
	paragraphs := make([]string, 48*pages)
	for i := range paragraphs {
		paragraphs[i] = "Paragraph " + strconv.Itoa(i) + " of a long document that fills its line."
	}
	return docx(paragraphs...)
}

// struck converts a long document, and does something to its worker when it is about to write.
func struck(t *testing.T, e convert.Engine, s syscall.Signal) error {
	t.Helper()
	var once sync.Once
	in := input{content: long(80), from: "docx", to: "pdf"}
	in.progress = func(int) {
		once.Do(func() {
			if signalWorkers(t, s) == 0 {
				t.Error("no worker is there")
			}
		})
	}
	_, err := in.run(t.Context(), t, e)
	return err
}

func TestDocumentThatKillsItsWorkerFailsAlone(t *testing.T) {
	e := newEngine(t)
	for try, want := range []engine.Code{engine.Unavailable, engine.Unavailable, engine.Invalid} {
		if err := struck(t, e, syscall.SIGKILL); engine.CodeOf(err) != want {
			t.Fatalf("try %d: got %v, want %s", try+1, err, want)
		}
		if out := (input{content: docx("another"), from: "docx", to: "pdf"}).must(t, e); pdfText(t, out) != "another" {
			t.Errorf("try %d: got %q of the next document", try+1, pdfText(t, out))
		}
	}
}

// TestWithoutTheKit gives the workers a folder that has no LibreOffice: the command line converts.
func TestWithoutTheKit(t *testing.T) {
	e := newEngine(t)
	if err := e.SetProgram("/usr/share"); err != nil {
		t.Fatal(err)
	}
	if out := (input{content: docx("a fine day"), from: "docx", to: "pdf"}).must(t, e); pdfText(t, out) != "a fine day" {
		t.Errorf("got %q", pdfText(t, out))
	}
}

// TestWithoutTheCommandLine has spreadsheets opened by a worker, also where LibreOffice has no windows.
func TestWithoutTheCommandLine(t *testing.T) {
	if kind := converttest.Box(t).Kind(); kind != toolbox.Bubblewrap {
		enginetest.Missing(t, "bubblewrap")
	}
	e := newEngine(t)
	e.SetCommand("/bin/false")
	for _, c := range []input{
		{content: xlsx(t, "a fine day"), from: "xlsx", to: "pdf"}, {content: fods("a fine day"), from: "fods", to: "pdf"},
		{content: xlsx(t, "a fine day"), from: "xlsx", to: "pdf"},
	} {
		if out := c.must(t, e); !strings.Contains(pdfText(t, out), "a fine day") {
			t.Errorf("got %q", pdfText(t, out))
		}
	}
}

// TestLabels converts what has no window in a worker.
func TestLabels(t *testing.T) {
	if out := (input{content: label("a fine day"), from: "odt", to: "pdf"}).must(t, newEngine(t)); pdfText(t, out) != "a fine day" {
		t.Errorf("got %q", pdfText(t, out))
	}
}

func TestWorkerThatStandsStillIsReplaced(t *testing.T) {
	e := newEngine(t)
	e.SetSilence(time.Second)
	if err := struck(t, e, syscall.SIGSTOP); engine.CodeOf(err) != engine.Unavailable {
		t.Fatalf("got %v, want that it is tried again", err)
	}
	if n := signalWorkers(t, 0); n != 0 {
		t.Errorf("got %d workers left", n)
	}
}

func TestTwoAtOnce(t *testing.T) {
	e := newEngine(t)
	var both sync.WaitGroup
	for i := range 4 {
		both.Go(func() {
			want := "number " + strconv.Itoa(i)
			out, err := (input{content: docx(want), from: "docx", to: "pdf"}).run(t.Context(), t, e)
			if err != nil || pdfText(t, out) != want {
				t.Errorf("%s: got %v", want, err)
			}
		})
	}
	both.Wait()
}

func TestOptions(t *testing.T) {
	e := newEngine(t)
	no := false
	for _, c := range []struct {
		name    string
		from    convert.Format
		content string
		options convert.Options
		pages   string
		text    string
	}{
		{"pages", "docx", long(5), convert.Options{Pages: "2,4-5"}, "3", ""},
		{"the old name", "docx", long(5), convert.Options{PageRange: "1-2"}, "2", ""},
		{"pages by the command line", "csv", strings.Repeat("a\n", 300), convert.Options{Pages: "1"}, "1", "a"},
		{"PDF/A", "docx", docx("x"), convert.Options{Document: convert.Document{PDFA: true}}, "1", "x"},
		{"not for print", "docx", docx("x"), convert.Options{Document: convert.Document{OptimizePrint: &no}}, "1", "x"},
		{"notes", "fodp", fodp("one", "two"), convert.Options{Document: convert.Document{OutputType: "notes"}}, "2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := input{content: c.content, from: c.from, to: "pdf", options: c.options}.must(t, e)
			if got := pages(t, out); got != c.pages {
				t.Errorf("got %s pages, want %s", got, c.pages)
			}
			if got := pdfText(t, out); !strings.Contains(got, c.text) {
				t.Errorf("got %q, want %q in it", got, c.text)
			}
			claims := strings.Contains(read(t, out), "<pdfaid:part>2</pdfaid:part>")
			if claims != c.options.PDFA || claims && !strings.Contains(read(t, out), "/OutputIntents") {
				t.Errorf("it claims to be PDF/A: %v", claims)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	e := newEngine(t)
	for from, content := range map[convert.Format]string{
		"odt": lockedODT(t, "hidden day", "sésame"), "xlsx": xlsx(t, "hidden day", excelize.Options{Password: "sésame"}),
	} {
		for _, c := range []struct{ password, message string }{
			{"sésame", ""}, {"", "is encrypted"}, {"guess", "does not open"},
		} {
			t.Run(string(from)+" with "+c.password, func(t *testing.T) {
				in := input{content: content, from: from, to: "pdf", options: convert.Options{Password: param.Secret(c.password)}}
				out, err := in.run(t.Context(), t, e)
				if c.message != "" {
					if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), c.message) {
						t.Errorf("got %v, want that it %s", err, c.message)
					}
					return
				}
				if err != nil || !strings.Contains(pdfText(t, out), "hidden day") {
					t.Errorf("got %v, want the document", err)
				}
			})
		}
	}
}
