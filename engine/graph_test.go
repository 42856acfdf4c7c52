package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
)

type picky struct {
	Must  string `json:"must" rule:"required"`
	Count int    `json:"count" rule:"max=10"`
	Stamp string `json:"stamp" rule:"role=task"`
}

// checked returns an engine that is not running, and a function that says what it thinks of a submission, a line a problem.
func checked(t *testing.T, limits engine.Limits) (*enginetest.Server, func(engine.Submission) string) {
	t.Helper()
	strict := engine.Define("strict", "Is picky.", engine.LaneCPU, picky{}, engine.HandlerFunc[picky](
		func(context.Context, *engine.Run, picky) (engine.Result, error) { return engine.Result{}, nil }))
	strict.Check = engine.CheckWith(func(p picky, known []engine.File) []param.Problem {
		if p.Must == "impossible" {
			return []param.Problem{param.Problemf("must", "is impossible with %d files", len(known))}
		}
		return nil
	})
	s := enginetest.New(t, enginetest.Config{Limits: limits, Operations: append(enginetest.Toys(), strict)})
	return s, func(submission engine.Submission) string {
		t.Helper()
		_, err := s.Submit(t.Context(), s.User, submission)
		var e *engine.Error
		if err == nil || !errors.As(err, &e) {
			return fmt.Sprint(err)
		}
		var lines []string
		for _, p := range e.Problems {
			lines = append(lines, p.Field+" "+p.Message)
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
}

func TestSubmitReportsEveryMistake(t *testing.T) {
	_, submit := checked(t, engine.Limits{})
	got := submit(engine.Submission{Tasks: []engine.TaskSpec{
		enginetest.Task("self", "join", "", "self"),
		enginetest.Task("unknown-input", "join", "", "nowhere", string(engine.NewID())),
		enginetest.Task("no-input", "join", ""),
		enginetest.Task("no-operation", "", ""),
		enginetest.Task("bad-operation", "export/nowhere", "", "self"),
		enginetest.Task("bad name", "make", ""),
		enginetest.Task("params", "strict", `{"count":11,"timeout":-1,"stamp":"nobody"}`, "self"),
		enginetest.Task("no-object", "make", `[1]`),
		enginetest.Task("check", "strict", `{"must":"impossible"}`, "self"),
		enginetest.Task("a", "join", "", "b", "b"),
		enginetest.Task("b", "join", "", "c"),
		enginetest.Task("c", "join", "", "a"),
		enginetest.Task("stamped", "strict", `{"must":"x","stamp":"stamped"}`, "self"),
	}})
	for _, want := range []string{
		"tasks.self.input names the task itself",
		`tasks.unknown-input.input "nowhere" is neither a task of this job nor the id of a task of yours`,
		"tasks.no-input.input is required: the name of a task of this job, the id of another task, or a list of these",
		"tasks.no-operation.operation is required",
		`tasks.bad-operation.operation "export/nowhere" is unknown here; GET /v2/operations lists what there is`,
		"tasks.bad name.name may have letters, digits, - and _, up to 255 of them",
		"tasks.params.must is required",
		"tasks.params.count must be at most 10",
		"tasks.params.timeout must be at least 0",
		`tasks.params.stamp "nobody" is neither a task of this job nor the id of a task of yours`,
		"tasks.no-object must be a JSON object",
		"tasks.check.must is impossible with 0 files",
		"tasks.a.input leads back to the task itself: a → c → b → a",
		"tasks.b.input leads back to the task itself: b → a → c → b",
		"tasks.c.input leads back to the task itself: c → b → a → c",
		"tasks.stamped.stamp names the task itself",
	} {
		if n := strings.Count("\n"+got+"\n", "\n"+want+"\n"); n != 1 {
			t.Errorf("%q is said %d times in\n%s", want, n, got)
		}
	}
	if n := len(strings.Split(got, "\n")); n != 17 { // with the second unknown input
		t.Errorf("%d problems in\n%s", n, got)
	}
}

func TestNamesOfTasks(t *testing.T) {
	_, submit := checked(t, engine.Limits{})
	for name, fits := range map[string]bool{
		"a-Z_09": true, strings.Repeat("x", 255): true,
		"": false, strings.Repeat("x", 256): false, "a b": false, "a.b": false, "ä": false, "a\n": false, "[": false, "`": false,
	} {
		got := submit(engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task(name, "make", "")}})
		if refused := strings.Contains(got, "may have letters, digits, - and _"); refused == fits {
			t.Errorf("the name %q: got %q, want it to fit: %t", name, got, fits)
		}
	}
}

func TestSubmitStoresNothingOfAWrongJob(t *testing.T) {
	s, submit := checked(t, engine.Limits{})
	submit(engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "raw", `{"text":"content"}`), enginetest.Task("b", "join", "")}})
	tasks, err := s.Tasks(t.Context(), engine.TaskQuery{User: s.User})
	if err != nil || len(tasks) > 0 {
		t.Errorf("%d tasks were stored (%v)", len(tasks), err)
	}
}

// Every task that waits for itself is told so, also where rings share tasks.
func TestCycles(t *testing.T) {
	for name, c := range map[string]struct {
		graph string // a:b,c says that a reads b and c
		want  string // the tasks on a ring
	}{
		"none":             {"a: b:a c:a,b d:b,c", ""},
		"two":              {"a:b b:a", "a b"},
		"beside":           {"x: a:b,x b:a y:a", "a b"},
		"rings that share": {"a:b,c b:a c:b", "a b c"},
		"eight":            {"a:b b:a,c c:d d:c", "a b c d"},
		"two rings apart":  {"a:b b:a c:d d:c", "a b c d"},
		"long":             {"a:b b:c c:d d:e e:f f:g g:h h:i i:a", "a b c d e f g h i"},
	} {
		t.Run(name, func(t *testing.T) {
			_, submit := checked(t, engine.Limits{})
			var tasks []engine.TaskSpec
			for _, part := range strings.Fields(c.graph) {
				name, inputs, _ := strings.Cut(part, ":")
				task := enginetest.Task(name, "make", "")
				if inputs != "" {
					task = enginetest.Task(name, "join", "", strings.Split(inputs, ",")...)
				}
				tasks = append(tasks, task)
			}
			var told []string
			for _, line := range strings.Split(submit(engine.Submission{Tasks: tasks}), "\n") {
				if name, rest, ok := strings.Cut(strings.TrimPrefix(line, "tasks."), ".input leads back to the task itself: "); ok {
					told = append(told, name)
					if !strings.HasPrefix(rest, name+" → ") || !strings.HasSuffix(rest, " → "+name) {
						t.Errorf("%s is told the ring %s", name, rest)
					}
				}
			}
			if got := strings.Join(told, " "); got != c.want {
				t.Errorf("told were %q, want %q", got, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	limits := engine.DefaultLimits()
	limits.FreeSpace, limits.JobTasks, limits.JobInputs = 0, 3, 4
	_, submit := checked(t, limits)
	source := func(name string) engine.TaskSpec { return enginetest.Task(name, "make", "") }
	for name, c := range map[string]struct {
		tasks []engine.TaskSpec
		want  string
	}{
		"none":              {nil, "tasks The tasks field is required."},
		"as many as can be": {[]engine.TaskSpec{source("a"), source("b"), enginetest.Task("c", "join", "", "a", "b", "a", "b")}, "<nil>"},
		"too many tasks": {[]engine.TaskSpec{source("a"), source("b"), source("c"), source("d")},
			"tasks has 4 tasks; this server takes 3 in a job. Split the job: a task may name tasks of other jobs as its input."},
		"too many inputs": {[]engine.TaskSpec{source("a"), enginetest.Task("b", "join", "", "a", "a", "a", "a", "a")},
			"tasks have 5 inputs in all; this server takes 4 in a job"},
		"a name twice": {[]engine.TaskSpec{source("a"), source("a")}, "tasks.a.name is the name of two tasks; give each its own"},
	} {
		if got := submit(engine.Submission{Tasks: c.tasks}); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestNoRoom(t *testing.T) {
	limits := engine.DefaultLimits()
	limits.FreeSpace = 1 << 62
	s, _ := checked(t, limits)
	_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "make", "")}})
	if engine.CodeOf(err) != engine.Unavailable || !strings.Contains(engine.MessageOf(err), "almost full") {
		t.Errorf("got %v", err)
	}
	tasks, err := s.Tasks(t.Context(), engine.TaskQuery{User: s.User})
	if err != nil || len(tasks) > 0 {
		t.Errorf("%d tasks were stored (%v)", len(tasks), err)
	}
}

// A name inside the job goes before an id; the id of a task of the same job, which nobody can know yet, is unknown.
func TestStandAloneTaskNamesTasksByID(t *testing.T) {
	s, submit := checked(t, engine.Limits{})
	first := s.MustSubmit(t, enginetest.Task("a", "make", ""))
	got := submit(engine.Submission{Hidden: true, Tasks: []engine.TaskSpec{enginetest.Task("", "join", "", string(first.Tasks[0].ID), "a")}})
	if want := `input "a" is not the id of a task of yours; ended tasks are kept for a limited time`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = submit(engine.Submission{Hidden: true, Tasks: []engine.TaskSpec{
		enginetest.Task("", "join", "", strings.ToUpper(string(first.Tasks[0].ID)))}})
	if !strings.Contains(got, "is not the id") {
		t.Errorf("another spelling of the id: %s", got)
	}
}

func TestPayloadShowsNoSecret(t *testing.T) {
	s, _ := checked(t, engine.Limits{})
	job := s.MustSubmit(t, enginetest.Task("a", "raw", `{"text":"content","password":"canary","url":"https://u:canary@h/?canary"}`))
	for _, task := range []engine.Task{job.Tasks[0], enginetest.Named(t, must(s.Job(t.Context(), s.User, job.ID)), "a")} {
		if got := string(task.Payload); strings.Contains(got, "canary") || strings.Contains(got, "content") || !strings.Contains(got, `"operation":"raw"`) {
			t.Errorf("the payload is %s", got)
		}
	}
}

func must(job engine.Job, err error) engine.Job {
	if err != nil {
		panic(err)
	}
	return job
}
