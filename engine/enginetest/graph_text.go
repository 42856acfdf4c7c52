package enginetest

import (
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

func textCases() []graphCase {
	texts := []string{
		"", "plain", `quotes ' " and \ and ; DROP TABLE tasks; --`, "umlauts äöü, 漢字, العربية, 👩‍👩‍👧‍👦", "line\nbreaks\r\n\ttabs",
		"\u2028\u2029\ufeff\ufffd\u200b", "100 % ? $1 :name {id id}", "\u0001\u001f\u007f", strings.Repeat("long ", 10_000),
	}
	return []graphCase{
		{"every text comes back as it was", func(l *lab) {
			l.start(4)
			for _, text := range texts {
				l.echoes(text, text)
			}
		}},
		{"what no database takes is left out", func(l *lab) {
			l.start(4)
			l.echoes("a\x00b", "ab")
			l.echoes("a\xffb", "a\ufffdb")
		}},
	}
}

// echoes stores text in every place that takes one and compares what is read.
func (l *lab) echoes(text, want string) {
	l.Helper()
	job, err := l.Submit(l.Context(), l.User, engine.Submission{Tag: text, Tasks: gates("a b")})
	l.ok(err)
	l.gate.Await(l.T, "b").Fail(engine.Errorf(engine.Denied, "%s", text))
	call := l.gate.Await(l.T, "a")
	f, err := call.Run.Create(l.Context(), "x", strings.NewReader("x"))
	l.ok(err)
	f.Name, f.Dir, f.MIME, f.Facts = text, text, text, map[string]string{text: text}
	call.ends <- ending{result: engine.Result{Files: []engine.File{f}, Metadata: map[string]string{text: text}, Output: &text,
		Message: text, Engine: text, Version: text}}
	end := l.MustEnd(l.T, job.ID)
	a, b := end.Tasks[0], end.Tasks[1]
	got := a.Result.Files[0]
	for place, got := range map[string]string{
		"tag": end.Tag, "error": b.Message, "message": a.Message, "engine": a.Engine, "version": a.EngineVersion,
		"output": *a.Result.Output, "name": got.Name, "dir": got.Dir, "mime": got.MIME,
	} {
		if got != want {
			l.Errorf("%s is %.80q, want %.80q", place, got, want)
		}
	}
	if text == want && (a.Result.Metadata[text] != text || got.Facts[text] != text) {
		l.Errorf("metadata are %.80q and facts %.80q, want %.80q", a.Result.Metadata, got.Facts, text)
	}
	found, err := l.Jobs(l.Context(), engine.JobQuery{User: l.User, Tag: text})
	l.ok(err)
	if text != "" && (len(found) != 1 || found[0].ID != job.ID) {
		l.Errorf("by its tag %.80q %d jobs are found", text, len(found))
	}
}
