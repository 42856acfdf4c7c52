package cmd_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// testEngines names the engines, separated by spaces, that test/engine has in a process.
const testEngines = "GANTRY_TEST_ENGINES"

type byEngine struct {
	Engine string `json:"engine" rule:"required"`
}

// engineOperation is one that a process has only as far as its environment says.
func engineOperation() engine.Operation {
	op := engine.Define("test/engine", "Says which engine it has.", engine.LaneCPU, byEngine{}, engine.HandlerFunc[byEngine](
		func(_ context.Context, _ *engine.Run, p byEngine) (engine.Result, error) {
			if !slices.Contains(strings.Fields(os.Getenv(testEngines)), p.Engine) {
				return engine.Result{}, engine.Errorf(engine.Unsupported, "This process has no %s.", p.Engine)
			}
			return engine.Result{Engine: p.Engine}, nil
		}))
	op.Source = true
	op.Rows = func() (rows []engine.Row) {
		for _, name := range strings.Fields(os.Getenv(testEngines)) {
			rows = append(rows, engine.Row{Engine: name, EngineVersion: "1"})
		}
		return rows
	}
	op.Match = engine.MatchWith(func(p byEngine, _ []engine.File, offered []engine.Row) (string, []param.Problem) {
		if !slices.ContainsFunc(offered, func(r engine.Row) bool { return r.Engine == p.Engine }) {
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
