package cmd_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
)

// testEngines names the engines, separated by spaces, that test/engine has in a process.
const testEngines = "GANTRY_TEST_ENGINES"

type byEngine struct {
	Engine string `json:"engine"`
}

// engineOperation is one that a process has only as far as its environment says.
func engineOperation() engine.Operation {
	op := engine.Define("test/engine", "Says which engine it has.", engine.LaneCPU, byEngine{}, engine.HandlerFunc[byEngine](
		func(_ context.Context, _ *engine.Run, p byEngine) (engine.Result, error) {
			own := strings.Fields(os.Getenv(testEngines))
			if len(own) == 0 || p.Engine != "" && !slices.Contains(own, p.Engine) {
				return engine.Result{}, engine.Errorf(engine.Unsupported, "This process has no engine %s.", p.Engine)
			}
			return engine.Result{Engine: cmp.Or(p.Engine, own[0])}, nil
		}))
	op.Source = true
	op.Rows = func() (rows []engine.Row) {
		for _, name := range strings.Fields(os.Getenv(testEngines)) {
			rows = append(rows, engine.Row{Engine: name, EngineVersion: "1"})
		}
		return rows
	}
	op.Match = engine.MatchWith(func(p byEngine, _ []engine.File, offered []engine.Row) (string, []param.Problem) {
		if !slices.ContainsFunc(offered, func(r engine.Row) bool { return p.Engine == "" || r.Engine == p.Engine }) {
			return "", []param.Problem{param.Problemf("engine", "%q is not to be had", p.Engine)}
		}
		return p.Engine, nil
	})
	return op
}

// TestReadyAfterOffer submits what only a new worker can do, the moment it says that it works. Its offer is held up, so that
// one that spoke too soon would be found out.
func TestReadyAfterOffer(t *testing.T) {
	database, data := emptyDatabase(t), t.TempDir()
	api := serve(t, data, "--database", database, "--workers", "0")
	api.must(422, "POST", "/v2/jobs", `{"tasks": {"a": {"operation": "test/engine", "engine": "rare"}}}`)
	hold, err := openDatabase(t, database).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Rollback()
	if _, err := hold.ExecContext(t.Context(), "LOCK TABLE catalogs IN EXCLUSIVE MODE"); err != nil { // it can be read
		t.Fatal(err)
	}
	c := gantry(t, "work", "--data", data, "--database", database, "--workers", "1")
	c.Env = append(c.Env, testEngines+"=rare")
	type outcome struct {
		worker *server
		line   string
		status int
		text   []byte
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.worker, o.line = begin(t, c)
		o.status, o.text, o.err = api.ask("POST", "/sync/v2/jobs", `{"tasks": {"a": {"operation": "test/engine", "engine": "rare"}}}`)
		done <- o
	}()
	waiting := `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'catalogs'::regclass`
	for n, end := 0, time.Now().Add(time.Minute); n == 0; <-time.After(10 * time.Millisecond) {
		if err := hold.QueryRowContext(t.Context(), waiting).Scan(&n); err != nil || time.Now().After(end) {
			t.Fatalf("the worker does not come to its offer (%v)", err)
		}
	}
	select {
	case early := <-done:
		done <- early
	case <-time.After(time.Second):
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil || got.status != 201 || !strings.Contains(string(got.text), `"finished"`) {
		t.Errorf("after %q: %d %s (%v)", got.line, got.status, got.text, got.err)
	}
	if code := got.worker.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, got.worker.log)
	}
}

// TestWithoutEngine has a worker with the engine of an operation, one without any, and a server with one of which it makes no
// use. Whoever has none takes no task of the operation.
func TestWithoutEngine(t *testing.T) {
	database, data := emptyDatabase(t), t.TempDir()
	run := func(engines string, args ...string) *server {
		c := gantry(t, append(args, "--data", data, "--database", database)...)
		c.Env = append(c.Env, testEngines+"="+engines)
		s, line := begin(t, c)
		if line == "" {
			t.Fatalf("%v says nothing and logs:\n%s", args, s.log)
		}
		return s
	}
	const job = `{"tasks": {"a": {"operation": "test/engine"}}}`
	api := run("idle", "serve", "--listen", "127.0.0.1:0", "--workers", "0")
	run("", "work", "--workers", "4")
	api.must(422, "POST", "/v2/jobs", job)
	run("able", "work", "--workers", "1")
	for range 20 {
		if end := api.must(201, "POST", "/sync/v2/jobs", job); end.Data.Status != "finished" {
			t.Fatalf("it ended as %+v", end.Data)
		}
	}
}

// TestUnlikeTools has a server and a worker that use no installed program, and a worker that does.
func TestUnlikeTools(t *testing.T) {
	if _, err := exec.LookPath("pandoc"); err != nil {
		enginetest.Missing(t, "pandoc")
	}
	database, data := emptyDatabase(t), t.TempDir()
	work := []string{"work", "--data", data, "--database", database, "--workers", "2"}
	api := serve(t, data, "--database", database, "--workers", "0")
	begin(t, gantry(t, work...))
	organisation := lastWord(t, "orgs", "create", "Acme", "--data", data, "--database", database)
	stored := found(t, api, "POST", "/api/v1/organizations/"+organisation+"/files:upload?filename=a.md", "# x", `files/([0-9a-f-]{36})`)
	export, wish := "/prototype/platform/files/"+stored+"/export", `{"kind": "Document", "documentOptions": {"format": "odt"}}`
	const job = `{"tasks": {"a": {"operation": "import/raw", "file": "# x", "filename": "a.md"},
		"b": {"operation": "convert", "input": "a", "input_format": "md", "output_format": "rst"},
		"out": {"operation": "export/url", "input": "b"}}}`
	api.must(422, "POST", "/v2/jobs", job)
	api.must(400, "POST", export, wish)
	c := gantry(t, work...)
	c.Env = append(c.Env, "GANTRY_TOOLS="+t.TempDir()) // the installed programs alone
	if s, line := begin(t, c); line == "" {
		t.Fatalf("the worker says nothing and logs:\n%s", s.log)
	}
	api.must(202, "POST", export, wish)
	for range 5 {
		end := api.must(201, "POST", "/sync/v2/jobs", job)
		if end.Data.Status != "finished" {
			t.Fatalf("it ended as %+v", end.Data)
		}
		if _, text := get(t, end.Data.Tasks[2].Result.Files[0].URL); !strings.HasPrefix(string(text), "x\n=") {
			t.Errorf("it became %q", text)
		}
	}
}
