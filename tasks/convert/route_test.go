package convert_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// step is an engine that writes which options it was given.
type step struct {
	name  string
	pairs []convert.Pair
	many  int
}

func (s step) Name() string          { return s.name }
func (s step) Version() string       { return "1" }
func (s step) Pairs() []convert.Pair { return s.pairs }

func (s step) Convert(_ context.Context, job convert.Job) ([]string, error) {
	before, err := os.ReadFile(job.In)
	if err != nil {
		return nil, err
	}
	text := string(before) + "|" + s.name + " " + job.Options.Pages + " " + job.Options.Password.Reveal()
	var outs []string
	for i := range max(s.many, 1) {
		out := filepath.Join(job.Dir, string(rune('a'+i))+"."+string(job.To))
		outs = append(outs, out)
		if err := os.WriteFile(out, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	job.Progress(100)
	return outs, nil
}

func pair(from, to convert.Format, merit int, options ...string) convert.Pair {
	return convert.Pair{From: from, To: to, Merit: merit, Options: convert.Fields(options...)}
}

func TestRoutes(t *testing.T) {
	first := step{name: "first", pairs: []convert.Pair{
		pair("doc", "docx", 0), pair("doc", "pdf", 0), pair("md", "html", 0), pair("txt", "tsv", 0), pair("csv", "pdf", 0)}}
	second := step{name: "second", pairs: []convert.Pair{
		pair("docx", "md", 0), pair("pdf", "png", 0), pair("md", "html", 1), pair("tsv", "log", 0), pair("html", "docx", 0)}}
	third := step{name: "third", pairs: []convert.Pair{pair("png", "avif", 0), pair("pdf", "png", 0), pair("doc", "md", 0)}}
	c := convert.New(first, second, third)
	for _, tt := range []struct {
		from, to convert.Format
		engine   string
		want     string
	}{
		{"doc", "pdf", "", "doc to pdf by first 1"},
		{"doc", "md", "", "doc to md by third 1"},
		{"doc", "png", "", "doc to pdf by first 1, pdf to png by second 1"},
		{"doc", "avif", "", "doc to pdf by first 1, pdf to png by second 1, png to avif by third 1"},
		{"doc", "avif", "first", "doc to pdf by first 1, pdf to png by second 1, png to avif by third 1"},
		{"doc", "avif", "third", ""},
		{"md", "html", "", "md to html by second 1"},
		{"md", "html", "first", "md to html by first 1"},
		{"md", "docx", "", "md to html by second 1, html to docx by second 1"},
		{"txt", "log", "", ""},
		{"csv", "md", "", ""},
	} {
		route, err := c.Route(tt.from, tt.to, tt.engine)
		if tt.want == "" {
			if engine.CodeOf(err) != engine.Unsupported {
				t.Errorf("%s to %s by %q: got %v, %v", tt.from, tt.to, tt.engine, route, err)
			}
			continue
		}
		if err != nil || route.String() != tt.want {
			t.Errorf("%s to %s by %q: got %q, %v, want %q", tt.from, tt.to, tt.engine, route, err, tt.want)
		}
	}
}

func TestFollow(t *testing.T) {
	c := convert.New(
		step{name: "first", many: 2, pairs: []convert.Pair{pair("txt", "html", 0, "pages")}},
		step{name: "second", pairs: []convert.Pair{pair("html", "md", 0, "pages", "password")}},
	)
	route, err := c.Route("txt", "md", "")
	if err != nil {
		t.Fatal(err)
	}
	job := convert.Job{From: "txt", To: "md", Dir: t.TempDir(), In: filepath.Join(t.TempDir(), "in.txt")}
	job.Options.Pages, job.Options.Password = "2", "secret"
	if err := os.WriteFile(job.In, []byte("<p>in"), 0o600); err != nil {
		t.Fatal(err)
	}
	var last int
	job.Progress = func(percent int) {
		if percent < last {
			t.Errorf("progress went from %d to %d", last, percent)
		}
		last = percent
	}
	outputs, err := convert.Follow(t.Context(), route, job)
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != 2 || last != 100 {
		t.Fatalf("got %q at %d %%", outputs, last)
	}
	for _, out := range outputs {
		text, err := os.ReadFile(out)
		if want := "<p>in|first 2 secret|second  secret"; err != nil || string(text) != want {
			t.Errorf("got %q, %v, want %q: the pages were chosen by the first step", text, err, want)
		}
	}
	if _, err := os.ReadFile(job.In); err != nil {
		t.Errorf("the input is gone: %v", err)
	}
}

// trickster is an engine whose program was taken over by the file it read.
type trickster struct {
	make func(dir string) (string, error)
}

func (trickster) Name() string          { return "trickster" }
func (trickster) Version() string       { return "1" }
func (trickster) Pairs() []convert.Pair { return []convert.Pair{{From: "txt", To: "md"}} }
func (e trickster) Convert(_ context.Context, job convert.Job) ([]string, error) {
	out, err := e.make(job.Dir)
	return []string{out}, err
}

func TestOutputsAreNoLinks(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "x.md"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(dir string) (string, error){
		"link": func(dir string) (string, error) {
			out := filepath.Join(dir, "x.md")
			return out, os.Symlink(filepath.Join(outside, "x.md"), out)
		},
		"folder": func(dir string) (string, error) {
			return filepath.Join(dir, "sub", "x.md"), os.Symlink(outside, filepath.Join(dir, "sub"))
		},
		"elsewhere": func(string) (string, error) { return filepath.Join(outside, "x.md"), nil },
	} {
		t.Run(name, func(t *testing.T) {
			outputs, err := convert.Convert(t.Context(), trickster{make}, convert.Job{From: "txt", To: "md", Dir: t.TempDir()})
			if err == nil || strings.Contains(err.Error(), outside) {
				t.Errorf("got %q, %v", outputs, err)
			}
		})
	}
}
