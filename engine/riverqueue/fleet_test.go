package riverqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

// press is what the operation of these tests takes: the engine, or the format that some engine makes.
type press struct {
	Engine string `json:"engine"`
	Format string `json:"format"`
}

// row is a line of a node's catalog: a format and the engine that makes it.
func row(format, name, version string) engine.Row {
	return engine.Row{InputFormat: "txt", OutputFormat: format, Engine: name, EngineVersion: version}
}

// pressing is the operation as it is on a node with the rows. Its result names the engine.
func pressing(rows []engine.Row) engine.Operation {
	op := engine.Define("press", "Makes a file.", engine.LaneCPU, press{}, engine.HandlerFunc[press](
		func(_ context.Context, run *engine.Run, p press) (engine.Result, error) {
			fits := func(r engine.Row) bool {
				return (p.Engine == "" || p.Engine == r.Engine) && (p.Format == "" || p.Format == r.OutputFormat)
			}
			for _, r := range rows {
				if fits(r) {
					return engine.Result{Engine: r.Engine, Version: r.EngineVersion}, nil
				}
			}
			return engine.Result{}, run.Elsewhere(engine.Errorf(engine.Unsupported, "Nobody makes that."), fits)
		}))
	op.Source = true
	op.Rows = func() []engine.Row { return rows }
	op.Match = engine.MatchWith(func(p press, _ []engine.File, offered []engine.Row) (string, []param.Problem) {
		var names []string
		for _, r := range offered {
			if p.Engine == r.Engine {
				return p.Engine, nil
			}
			names = append(names, r.Engine)
		}
		if p.Engine != "" {
			return "", []param.Problem{param.Problemf("engine", "must be one of %s", strings.Join(names, ", "))}
		}
		return "", nil
	})
	return op
}

// site is a database with nodes that go by one clock.
type site struct {
	*testing.T
	dir, url string
	clock    *enginetest.Clock
}

func newSite(t *testing.T) site {
	t.Helper()
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	dir := t.TempDir()
	return site{T: t, dir: dir, url: enginetest.DatabaseOf(t, server, dir), clock: enginetest.NewClock()}
}

// node starts a process, as it were, that offers the rows. Slots below 0 make it one that only serves.
func (s site) node(slots int, rows ...engine.Row) *enginetest.Server {
	s.Helper()
	n := enginetest.New(s.T, enginetest.Config{Dir: s.dir, Database: s.url, Slots: slots, Now: s.clock.Now, Log: complaints{s},
		Operations: []engine.Operation{pressing(rows)}})
	n.Start(s.T)
	return n
}

// complaints fail the test when something is logged that should not happen.
type complaints struct{ site }

func (c complaints) Write(line []byte) (int, error) {
	if text := string(line); strings.Contains(text, "level=ERROR") || strings.Contains(text, "regex") {
		c.Errorf("logged: %s", text)
	}
	return len(line), nil
}

// await asks until ask says yes.
func (s site) await(what string, ask func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !ask(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("%s does not come", what)
		}
	}
}

// sees waits until the node knows the rows, in this order, as engine and version, the preferred ones with a star.
func (s site) sees(n *enginetest.Server, want string) {
	s.Helper()
	got := ""
	defer func() {
		if s.Failed() {
			s.Logf("it sees %q", got)
		}
	}()
	s.await(fmt.Sprintf("%q", want), func() bool {
		var words []string
		for _, r := range n.Rows(n.Catalog.All()[0]) {
			star := "*"
			if r.Alternative {
				star = ""
			}
			words = append(words, r.OutputFormat+" "+r.Engine+" "+r.EngineVersion+star)
		}
		got = strings.Join(words, ", ")
		return got == want
	})
}

func (s site) submit(n *enginetest.Server, params string) engine.Job {
	s.Helper()
	return n.MustSubmit(s.T, enginetest.Task("a", "press", params))
}

// by is the engine that did the only task of the job.
func (s site) by(n *enginetest.Server, job engine.Job) string {
	s.Helper()
	end := n.MustEnd(s.T, job.ID)
	if end.Status != engine.StatusFinished {
		return enginetest.Summary(end)
	}
	return end.Tasks[0].Engine + " " + end.Tasks[0].EngineVersion
}

// TestFleet has one node that serves, without any engine, and workers with different ones.
func TestFleet(t *testing.T) {
	s := newSite(t)
	api := s.node(-1, row("pdf", "own", "0"))
	s.sees(api, "pdf own 0*") // while there is no worker: what this program could do
	first := s.node(4, row("pdf", "old", "1"), row("odt", "old", "1"), row("odt", "spare", "1"))
	second := s.node(4, row("pdf", "new", "2~rc (ü)"), row("pdf", "old", "2"))
	s.sees(api, "odt old 1*, odt spare 1, pdf old 1*, pdf new 2~rc (ü), pdf old 2")

	_, err := api.Submit(t.Context(), api.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "press", `{"engine":"own"}`)}})
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != engine.Invalid || len(e.Problems) != 1 || e.Problems[0].Field != "tasks.a.engine" {
		t.Errorf("an engine that no worker has: %v", err)
	}
	for range 20 {
		if got := s.by(api, s.submit(api, `{"engine":"new"}`)); got != "new 2~rc (ü)" {
			t.Fatalf("what needs the new engine was done by %s", got)
		}
		if got := s.by(api, s.submit(api, `{"engine":"spare"}`)); got != "spare 1" {
			t.Fatalf("what needs the spare engine was done by %s", got)
		}
	}
	for range 20 { // not known until it runs: whoever cannot do it hands it on, if need be to a version of its own engine
		if got := s.by(api, s.submit(api, `{"format":"odt"}`)); got != "old 1" {
			t.Fatalf("an odt file was made by %s", got)
		}
	}
	if got := s.by(api, s.submit(api, `{"format":"svg"}`)); got != "error a=error:UNSUPPORTED_CONVERSION" {
		t.Errorf("what nobody makes ended as %s", got)
	}
	first.Close(t)
	second.Close(t)
	s.sees(api, "odt old 1*, odt spare 1, pdf old 1*, pdf new 2~rc (ü), pdf old 2") // they may come back
	s.clock.Advance(11 * time.Minute)
	s.sees(api, "pdf own 0*")
}

// TestNewcomer submits to a node that has not heard yet of the worker that can do it.
func TestNewcomer(t *testing.T) {
	s := newSite(t)
	api := s.node(-1)
	for i := range 5 {
		name := fmt.Sprint("engine", i)
		worker := s.node(4, row("pdf", name, "1"))
		s.await("its own offer", func() bool {
			return slices.ContainsFunc(worker.Fleet.Rows("press"), func(r engine.Row) bool { return r.Engine == name })
		})
		if got := s.by(api, s.submit(api, `{"engine":"`+name+`"}`)); got != name+" 1" {
			t.Errorf("got %s", got)
		}
	}
}

// TestNobodyLeft wants an engine whose only worker is gone. It ends after ten minutes; what others can do goes on.
func TestNobodyLeft(t *testing.T) {
	s := newSite(t)
	api := s.node(-1)
	gone := s.node(4, row("pdf", "rare", "1"))
	s.node(4, row("pdf", "common", "1"))
	s.sees(api, "pdf common 1*, pdf rare 1")
	gone.Close(t)
	lost := s.submit(api, `{"engine":"rare"}`)
	if got := s.by(api, s.submit(api, `{}`)); got != "common 1" {
		t.Errorf("another task: %s", got)
	}
	var end engine.Job
	begin := s.clock.Now()
	s.await("the end of the job", func() bool {
		s.clock.Advance(time.Minute)
		var err error
		if end, err = api.Job(t.Context(), api.User, lost.ID); err != nil {
			t.Fatal(err)
		}
		return end.Status.Ended()
	})
	task := end.Tasks[0]
	if waited := task.EndedAt.Sub(begin); waited < 10*time.Minute {
		t.Errorf("it ended after %v", waited)
	}
	if want := `No worker that is running can do "press" with rare. Submit the job again when one is.`; task.Message != want {
		t.Errorf("got %q, want %q", task.Message, want)
	}
}
