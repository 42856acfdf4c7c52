package cmd

import (
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows how far a job is.
type display interface {
	update(wireJob)
	close()
}

// newDisplay returns bars on a terminal, and a line for each change elsewhere.
func newDisplay(out io.Writer) display {
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bars{progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(40)), byTask: map[string]*bar{}}
	}
	return &lines{out: out, shown: map[string]string{}}
}

// lines prints every new status of a task.
type lines struct {
	out   io.Writer
	shown map[string]string
}

func (l *lines) update(job wireJob) {
	for _, t := range job.Tasks {
		if t.Status == "waiting" || l.shown[t.Name] == t.Status {
			continue
		}
		l.shown[t.Name] = t.Status
		text := fmt.Sprintf("%-10s %s (%s)", t.Status, t.Name, t.Operation)
		if t.Message != "" {
			text += ": " + t.Message
		}
		fmt.Fprintln(l.out, text)
	}
}

func (l *lines) close() {}

// bars is one bar a task.
type bars struct {
	progress *mpb.Progress
	byTask   map[string]*bar
}

type bar struct {
	*mpb.Bar
	status string
}

func (b *bars) update(job wireJob) {
	for _, t := range job.Tasks {
		one, ok := b.byTask[t.Name]
		if !ok {
			one = &bar{}
			one.Bar = b.progress.AddBar(100,
				mpb.PrependDecorators(decor.Name(t.Name, decor.WCSyncSpaceR)),
				mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return one.status })))
			b.byTask[t.Name] = one
		}
		one.status = t.Status
		switch t.Status {
		case "finished":
			one.SetCurrent(100)
		case "error":
			one.Abort(false)
		case "processing":
			one.SetCurrent(int64(min(t.Percent, 99)))
		}
	}
}

func (b *bars) close() {
	for _, one := range b.byTask {
		one.Abort(false)
	}
	b.progress.Wait()
}
