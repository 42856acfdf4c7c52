package command_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/command"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
)

// server runs the operation beside one that brings a file in.
func server(t *testing.T) *enginetest.Server {
	t.Helper()
	operation, ok := command.Operation(t.Context(), converttest.Box(t))
	if !ok {
		t.Fatal("bubblewrap does not work, or pandoc is missing: testdata/test.sh installs both")
	}
	return enginetest.Start(t, operation, enginetest.Bringing("import/test", enginetest.File{Name: "-a 'b'.md", Content: "# Title\n"}))
}

func run(t *testing.T, params string) (*enginetest.Server, engine.Task) {
	t.Helper()
	s := server(t)
	job := s.MustSubmit(t, enginetest.Task("my-in", "import/test", `{}`), enginetest.Task("do", "command", params, "my-in"))
	return s, enginetest.Named(t, s.MustEnd(t, job.ID), "do")
}

func TestCommand(t *testing.T) {
	for name, args := range map[string]string{
		"by task": `-f gfm -t html \"/input/my-in/-a 'b'.md\" -o /output/x.html`,
		"flat":    `-f gfm -t html \"/input/-a 'b'.md\" -o x.html`,
	} {
		t.Run(name, func(t *testing.T) {
			s, task := run(t, `{"engine":"pandoc","command":"pandoc","arguments":"`+args+`"}`)
			if task.Status != engine.StatusFinished || len(task.Result.Files) != 1 {
				t.Fatalf("got %s %s, %+v", task.Code, task.Message, task.Result)
			}
			text := s.Content(t, task.Result.Files[0])
			if task.Result.Files[0].Name != "x.html" || !strings.Contains(text, ">Title</h1>") || task.Engine != "pandoc" {
				t.Errorf("got %s: %s", task.Result.Files[0].Name, text)
			}
		})
	}
}

func TestOutputIsCaptured(t *testing.T) {
	_, task := run(t, `{"engine":"pandoc","command":"pandoc","arguments":"-t plain /input/my-in/*.md /dev/null","capture_output":true}`)
	if task.Status == engine.StatusFinished {
		t.Error("a pattern was expanded: there is a shell")
	}
	if strings.Contains(task.Message, "/tmp") || strings.Contains(task.Message, "/input/") {
		t.Errorf("a path is shown: %s", task.Message)
	}
	_, task = run(t, `{"engine":"pandoc","command":"pandoc","arguments":"-t plain \"/input/-a 'b'.md\"","capture_output":true}`)
	if task.Result == nil || task.Result.Output == nil || strings.TrimSpace(*task.Result.Output) != "Title" {
		t.Errorf("got %+v %s", task.Result, task.Message)
	}
}

// TestFailure looks at what is said of a program that failed.
func TestFailure(t *testing.T) {
	_, task := run(t, `{"engine":"ffmpeg","command":"ffmpeg","arguments":"-i /input/none.mp4 /output/a.mp4"}`)
	if want := "ffmpeg: none.mp4: No such file or directory"; task.Code != engine.Invalid || task.Message != want {
		t.Errorf("got %s %q, want %q", task.Code, task.Message, want)
	}
}

func TestMistakes(t *testing.T) {
	s := server(t)
	for field, params := range map[string]string{
		"engine":         `{"engine":"bash","command":"bash","arguments":"-c id"}`,
		"command":        `{"engine":"pandoc","command":"sh","arguments":"-c id"}`,
		"arguments":      `{"engine":"pandoc","command":"pandoc","arguments":"'open"}`,
		"engine_version": `{"engine":"pandoc","command":"pandoc","arguments":"x","engine_version":"0.1"}`,
	} {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
			enginetest.Task("in", "import/test", `{}`), enginetest.Task("do", "command", params, "in")}})
		if err == nil || !strings.Contains(problems(err), "do."+field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func problems(err error) (fields string) {
	if e, ok := err.(*engine.Error); ok {
		for _, p := range e.Problems {
			fields += p.Field + " "
		}
	}
	return fields
}

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		``:                         nil,
		`  a  b`:                   {"a", "b"},
		`'a b' "c d"e`:             {"a b", "c de"},
		`'' ""`:                    {"", ""},
		`a\ b \'c "\"\\\n" 'x\y'`:  {"a b", "'c", `"\\n`, `x\y`},
		"-vf scale=1:2 $HOME;`id`": {"-vf", "scale=1:2", "$HOME;`id`"},
		"a\tb\r\nc":                {"a", "b", "c"},
	} {
		got, err := command.Split(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'a`, `"a`, `a\`, "a\x00b"} {
		if got, err := command.Split(line); err == nil {
			t.Errorf("%q: got %q", line, got)
		}
	}
}

// FuzzSplit quotes what came out, and expects to get it again.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"", "a b", `'a b' "c"`, `\\ \"`, "a\x00", "\xff '"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args, err := command.Split(line)
		if err != nil {
			return
		}
		quoted := make([]string, len(args))
		for i, a := range args {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		again, err := command.Split(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, args) {
			t.Errorf("%q: got %q, then %q, %v", line, args, again, err)
		}
	})
}
