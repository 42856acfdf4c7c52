package sqlstore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// behind opens the database of a server as another process would.
func behind(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "gantry.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// The events of a job are numbered without gaps when many batches have the same time.
func TestClockThatStandsStill(t *testing.T) {
	at := time.Now()
	gate := enginetest.NewGate()
	s := enginetest.New(t, enginetest.Config{Slots: 1, Now: func() time.Time { return at },
		Operations: append(enginetest.Toys(), gate.Operation("gate", engine.LaneCPU))})
	s.Start(t)
	job := s.MustSubmit(t, enginetest.Task("a", "gate", ""), enginetest.Task("b", "gate", ""), enginetest.Task("c", "gate", ""))
	for range 3 {
		gate.Next(t).Finish()
	}
	if got, want := enginetest.Summary(s.MustEnd(t, job.ID)), "finished a=finished b=finished c=finished"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	events, err := s.Events(t.Context(), s.User, job.ID, 0)
	if err != nil || len(events) != 12 {
		t.Fatalf("%d events (%v), want 12", len(events), err)
	}
	for i, e := range events {
		if e.N != int64(i+1) {
			t.Errorf("event %d has the number %d", i+1, e.N)
		}
	}
}

// A row that was damaged on the disk costs its own task, not the server.
func TestDamagedPayload(t *testing.T) {
	dir := t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	job := s.MustSubmit(t, enginetest.Task("a", "make", ""), enginetest.Task("b", "make", ""), enginetest.Task("c", "make", ""))
	db := behind(t, dir)
	execute(t, db, `UPDATE tasks SET payload = '!!! not base64' WHERE name = 'a'`)
	execute(t, db, `UPDATE tasks SET payload = (SELECT payload FROM tasks WHERE name = 'c') WHERE name = 'b'`) // sealed for c
	s.Start(t)
	if got, want := enginetest.Summary(s.MustEnd(t, job.ID)), "error a=error:INVALID_DATA b=error:INVALID_DATA c=finished"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Nothing that is secret can be read in the folder's database.
func TestSecretsAreSealed(t *testing.T) {
	dir := t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	s.Start(t)
	const canary = "canary-4f7c"
	job := s.MustSubmit(t,
		enginetest.Task("a", "make", `{"password":"`+canary+`","headers":{"X":"`+canary+`"},"url":"https://u:`+canary+`@h/?`+canary+`"}`),
		enginetest.Task("b", "fail", `{"code":"TOO_LARGE","secret":"`+canary+`"}`))
	s.MustEnd(t, job.ID)
	if _, err := s.Engine.Store.Accounts.EnsureUser(t.Context(), "found by the search"); err != nil {
		t.Fatal(err)
	}
	s.Close(t)
	if found := search(t, dir, "found by the search"); len(found) == 0 {
		t.Fatal("the search finds nothing at all")
	}
	if found := search(t, dir, canary); len(found) > 0 {
		t.Errorf("the secret is in %v", found)
	}
}

func search(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Nobody else on the machine reads what lies in a folder that they can enter.
func TestFilesArePrivate(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	s.Start(t)
	s.MustEnd(t, s.MustSubmit(t, enginetest.Task("a", "make", "")).ID)
	if err := s.Store.BackupTo(t.Context(), filepath.Join(to, "gantry.db")); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, to} {
		found, err := filepath.Glob(filepath.Join(folder, "gantry.db*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("got %v, %v", found, err)
		}
		for _, path := range found {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: got %v, %v, want that it is its user's alone", filepath.Base(path), info.Mode(), err)
			}
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	enginetest.New(t, enginetest.Config{Dir: dir}).Close(t)
	execute(t, behind(t, dir), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	_, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(dir, "gantry.db"), sqlstore.Options{})
	if err == nil || !strings.Contains(err.Error(), "schema 999") {
		t.Errorf("got %v, want it to name the schema", err)
	}
}

func TestBackupWhileInUse(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	s.Start(t)
	job := s.MustSubmit(t, enginetest.Task("a", "make", ""))
	s.MustEnd(t, job.ID)
	if err := s.Store.BackupTo(t.Context(), filepath.Join(to, "gantry.db")); err != nil {
		t.Fatal(err)
	}
	copied := enginetest.New(t, enginetest.Config{Dir: to, Operations: enginetest.Toys()})
	got, err := copied.Job(t.Context(), copied.User, job.ID)
	if err != nil || enginetest.Summary(got) != "finished a=finished" {
		t.Errorf("the copy has %s (%v)", enginetest.Summary(got), err)
	}
}

func TestCallsAfterClose(t *testing.T) {
	s := enginetest.New(t, enginetest.Config{Operations: enginetest.Toys()})
	job := s.MustSubmit(t, enginetest.Task("a", "make", ""))
	s.Close(t)
	store := s.Engine.Store
	for name, call := range map[string]func(context.Context) error{
		"job": func(ctx context.Context) error { _, err := store.Reader.Job(ctx, job.ID); return err },
		"tasks": func(ctx context.Context) error {
			_, err := store.Reader.Tasks(ctx, engine.TaskQuery{User: s.User})
			return err
		},
		"cancel": func(ctx context.Context) error { return store.Graph.Cancel(ctx, job.Tasks[0].ID, engine.ErrCanceled) },
		"turn":   store.Graph.Turn,
		"wake":   func(ctx context.Context) error { _, err := store.Keeper.Wake(ctx, time.Now()); return err },
		"expire": func(ctx context.Context) error { _, err := store.Keeper.Expire(ctx, time.Now()); return err },
		"user":   func(ctx context.Context) error { _, err := store.Accounts.EnsureUser(ctx, "x"); return err },
	} {
		if err := call(t.Context()); err == nil || engine.CodeOf(err) != engine.Unavailable {
			t.Errorf("%s: got %v, want Unavailable", name, err)
		}
	}
	s.Close(t) // again
}

// Whoever was told of a commit finds it after the next start; the others were told that there was none.
func TestCloseWhileCallsAreInFlight(t *testing.T) {
	dir := t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	type answer struct {
		id  engine.ID
		err error
	}
	answers := make(chan answer, 64)
	for range cap(answers) {
		go func() {
			job, err := s.Submit(context.WithoutCancel(t.Context()), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "make", "")}})
			answers <- answer{job.ID, err}
		}()
	}
	first := <-answers
	s.Close(t)
	all := []answer{first}
	for range cap(answers) - 1 {
		all = append(all, <-answers)
	}
	again := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	stored := 0
	for _, a := range all {
		if a.err == nil {
			stored++
			if _, err := again.Job(t.Context(), again.User, a.id); err != nil {
				t.Errorf("an acknowledged job: %v", err)
			}
		} else if engine.CodeOf(a.err) != engine.Unavailable {
			t.Errorf("got %v, want Unavailable", a.err)
		}
	}
	jobs, err := again.Jobs(t.Context(), engine.JobQuery{User: again.User})
	if err != nil || len(jobs) != stored {
		t.Errorf("%d jobs are stored (%v), %d were acknowledged", len(jobs), err, stored)
	}
}

// An eager handler makes no flood of events, and a repeated note makes none.
func TestProgressIsThinned(t *testing.T) {
	gate := enginetest.NewGate()
	s := enginetest.Start(t, gate.Operation("gate", engine.LaneCPU))
	t.Cleanup(gate.Open)
	job := s.MustSubmit(t, enginetest.Task("a", "gate", ""))
	call := gate.Await(t, "a")
	const turns = 200
	for i := range turns {
		call.Run.Progress(i%100, "")
		if err := s.Engine.Store.Graph.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.Events(t.Context(), s.User, job.ID, 0)
	if err != nil || len(events) > turns/2 {
		t.Errorf("%d notes made %d events (%v)", turns, len(events), err)
	}
	call.Finish()
	s.MustEnd(t, job.ID)
}
