package toolbox

import (
	"bytes"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/gantry-engine/gantry/engine"
)

// Outcome is how a program ended. That it ended well does not mean that its output is good: see CheckOutput.
type Outcome struct {
	Tool     string
	Exit     int            // -1 when a signal ended it
	Signal   syscall.Signal // 0 when none did
	Messages string         // the last 8 KiB that it had to say, without paths, escapes and control characters
	Wall     time.Duration
	CPU      time.Duration // of the program and what it waited for
}

// maxMessage bounds what of the Messages a person is shown.
const maxMessage = 2000

// Err is nil when the program exited with 0, or one of the other codes that the caller knows to be a success. Else it is the
// file's fault, with the code engine.Invalid and the Messages as its text.
func (o Outcome) Err(success ...int) error {
	for _, code := range append(success, 0) {
		if o.Exit == code {
			return nil
		}
	}
	text := o.Messages
	if over := len(text) - maxMessage; over > 0 {
		_, text, _ = strings.Cut(text[over:], "\n")
	}
	switch {
	case o.Signal != 0:
		return engine.Errorf(engine.Invalid, "%s crashed on this file (%s).", o.Tool, o.Signal)
	case text == "":
		return engine.Errorf(engine.Invalid, "%s failed on this file (exit code %d).", o.Tool, o.Exit)
	}
	return engine.Errorf(engine.Invalid, "%s: %s", o.Tool, text)
}

// tailSize is how much of a program's messages is kept.
const tailSize = 8 << 10

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > tailSize {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	return string(t.kept[max(0, len(t.kept)-tailSize):])
}

var (
	escapes   = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-_])`)
	addresses = regexp.MustCompile(` @ 0x[0-9a-f]+`) // ffmpeg tells where its parts are in memory
	// A path counts with the folders before its last name; what stands before it must not be part of a word or a URL.
	paths = regexp.MustCompile(`(^|[\s"'` + "`" + `(\[{<=:,;@|])(?:file://)?/(?:[^\s/:"'` + "`" + `<>()=,;]+/)+`)
)

// clean makes a program's messages fit to be shown: known folders and those of any absolute path go, and so do escapes,
// control characters and empty lines.
func clean(text string, known []string) string {
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	for _, folder := range known {
		if folder != "" && folder != "/" {
			text = strings.ReplaceAll(text, folder+"/", "")
			text = strings.ReplaceAll(text, folder, "")
		}
	}
	text = addresses.ReplaceAllString(paths.ReplaceAllString(text, "$1"), "")
	var lines []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\t' {
				return -1
			}
			return r
		}, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// lineLimit is the length of line from which on the rest of it is not handed on.
const lineLimit = 64 << 10

// lines hands on each line of what is written to it.
type lines struct {
	each func(string)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			l.rest = append(l.rest, rest[:min(len(rest), max(0, lineLimit-len(l.rest)))]...)
			break
		}
		l.rest = append(l.rest, rest[:i]...)
		l.flush()
		rest = rest[i+1:]
	}
	return len(p), nil
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.each(string(l.rest))
	}
	l.rest = l.rest[:0]
}

// Buffer keeps what a program prints, as its Command.Stdout, and fails when that is more than Max bytes.
type Buffer struct {
	Max  int
	kept []byte
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > b.Max {
		return 0, engine.Errorf(engine.TooLarge, "The program printed more than %s for this file.", size(int64(b.Max)))
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// Bytes returns what was printed.
func (b *Buffer) Bytes() []byte { return b.kept }
