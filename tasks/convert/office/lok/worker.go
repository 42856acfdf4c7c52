//go:build linux && (amd64 || arm64)

package lok

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxLine bounds a request.
const maxLine = 1 << 20

// Main is the worker. It is given the arguments behind Argument, returns when its standard input ends, and its result is
// for os.Exit, which has to follow at once: LibreOffice does not survive an orderly end of its process.
func Main(args []string) int {
	runtime.LockOSThread()
	err := dieOfCrashes()
	if err == nil {
		err = serve(args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(args []string) error {
	if len(args) != 1 {
		return errors.New("an office worker needs the folder of LibreOffice")
	}
	profile := filepath.Join(os.Getenv("HOME"), "office")
	if err := NewProfile(profile); err != nil {
		return err
	}
	events, err := takeOutput()
	if err != nil {
		return fmt.Errorf("take the standard output: %w", err)
	}
	w := &worker{events: &output{encoder: json.NewEncoder(events)}}
	go w.events.beat()
	if w.kit, err = start(args[0], profile, w.called); err != nil {
		return fmt.Errorf("start LibreOffice: %w", err)
	}
	return w.answer(os.Stdin)
}

// takeOutput keeps the standard output for events and sends what LibreOffice prints there to the standard error.
func takeOutput() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "events"), nil
}

// output is where events go.
type output struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (o *output) send(e Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.encoder.Encode(e)
}

// beat tells a worker that works on a large document from one that stands still.
func (o *output) beat() {
	for range time.Tick(Beat) {
		if o.send(Event{Alive: true}) != nil {
			return
		}
	}
}

// worker converts, one document at a time. LibreOffice calls back on the thread that waits for it.
type worker struct {
	kit     *kit
	events  *output
	request Request
	saving  bool
	asked   int // how often LibreOffice asked for the password of this document
	percent int
}

func (w *worker) answer(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for {
		if err := w.events.send(Event{Ready: true}); err != nil {
			return err
		}
		if !lines.Scan() {
			return lines.Err()
		}
		w.request, w.saving, w.asked, w.percent = Request{}, false, 0, 0
		if err := json.Unmarshal(lines.Bytes(), &w.request); err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		if err := w.convert(); err != nil {
			return err
		}
	}
}

// convert reports the end before it closes the document: nobody has to wait for that.
func (w *worker) convert() error {
	r := w.request
	doc := w.kit.load(r.In, r.Load)
	if doc == nil {
		return w.events.send(Event{Failed: w.unloaded(), Detail: w.kit.problem()})
	}
	defer doc.close()
	w.saving = true
	w.progressed("0")
	if !doc.save(r.Out, r.Format, r.Save) {
		return w.events.send(Event{Failed: NotSaved, Detail: w.kit.problem()})
	}
	return w.events.send(Event{Done: true})
}

func (w *worker) unloaded() Failure {
	switch {
	case w.asked == 0:
		return NotLoaded
	case w.request.Password == "":
		return NeedsPassword
	}
	return WrongPassword
}

// called is LibreOffice's callback.
func (w *worker) called(kind int, payload string) {
	switch kind {
	case callbackProgress:
		w.progressed(payload)
	case callbackPassword, callbackPasswordToModify:
		w.asked++
		w.kit.answerPassword(w.request.In, w.request.Password, w.asked == 1 && w.request.Password != "")
	}
}

// progressed shares the percents between reading, up to 40, and writing, up to 95. LibreOffice counts several times from
// the start, a task does so never.
func (w *worker) progressed(payload string) {
	n, err := strconv.Atoi(payload)
	if err != nil || n < 0 || n > 100 {
		return
	}
	percent := n * 40 / 100
	if w.saving {
		percent = 40 + n*55/100
	}
	if percent > w.percent {
		w.percent = percent
		_ = w.events.send(Event{Progress: percent}) // a pipe that broke is noticed by the next answer
	}
}
