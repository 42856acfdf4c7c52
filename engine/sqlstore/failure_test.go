package sqlstore_test

import (
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

// TestFailedCommits makes the database refuse the last statement of every batch. As when the disk is full, SQLite leaves
// the transaction open after some errors and rolls it back by itself after others.
func TestFailedCommits(t *testing.T) {
	for _, kind := range []string{"ABORT", "ROLLBACK"} {
		t.Run(kind, func(t *testing.T) {
			dir, gate := t.TempDir(), enginetest.NewGate()
			s := enginetest.New(t, enginetest.Config{Dir: dir, Slots: 2,
				Operations: append(enginetest.Toys(), gate.Operation("gate", engine.LaneCPU))})
			s.Start(t)
			t.Cleanup(gate.Open)
			job := s.MustSubmit(t, enginetest.Task("a", "gate", ""), enginetest.Task("b", "gate", ""), enginetest.Task("c", "gate", ""))
			a := gate.Await(t, "a")
			db := behind(t, dir)
			execute(t, db, `CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(`+kind+`, 'disk full'); END`)
			wantRefused(t, s, job)
			a.Finish() // its worker insists until it is heard
			wantRefused(t, s, job)
			execute(t, db, `DROP TRIGGER full`)
			gate.Await(t, "c").Finish() // in the slot of a
			gate.Await(t, "b").Finish()
			if got, want := enginetest.Summary(s.MustEnd(t, job.ID)), "finished a=finished b=finished c=finished"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			wantSlots(t, s, gate)
		})
	}
}

// wantRefused submits and cancels many times at once and wants everybody to be told, and nothing to have happened.
func wantRefused(t *testing.T, s *enginetest.Server, job engine.Job) {
	t.Helper()
	before := enginetest.Summary(now(t, s, job))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("x", "gate", "")}})
			} else {
				_, err = s.Cancel(t.Context(), s.User, job.Tasks[i%3].ID)
			}
			if err == nil || engine.CodeOf(err) != engine.Unavailable {
				t.Errorf("got %v, want Unavailable", err)
			}
		})
	}
	wg.Wait()
	jobs, err := s.Jobs(t.Context(), engine.JobQuery{User: s.User})
	if err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs are stored (%v), want 1", len(jobs), err)
	}
	if after := enginetest.Summary(now(t, s, job)); after != before {
		t.Errorf("the job was %s and is %s", before, after)
	}
}

func now(t *testing.T, s *enginetest.Server, job engine.Job) engine.Job {
	t.Helper()
	got, err := s.Job(t.Context(), s.User, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantSlots wants both slots to be free.
func wantSlots(t *testing.T, s *enginetest.Server, gate *enginetest.Gate) {
	t.Helper()
	job := s.MustSubmit(t, enginetest.Task("d", "gate", ""), enginetest.Task("e", "gate", ""))
	d, e := gate.Await(t, "d"), gate.Await(t, "e")
	d.Finish()
	e.Finish()
	if got, want := enginetest.Summary(s.MustEnd(t, job.ID)), "finished d=finished e=finished"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Another process that writes for a moment is waited for.
func TestBusyDatabase(t *testing.T) {
	dir := t.TempDir()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: enginetest.Toys()})
	conn, err := behind(t, dir).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, query := range []string{"BEGIN IMMEDIATE", "INSERT INTO settings (name, value) VALUES ('a', 'b')"} {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	stored := make(chan error)
	go func() {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{enginetest.Task("a", "make", "")}})
		stored <- err
	}()
	if _, err := s.Jobs(t.Context(), engine.JobQuery{User: s.User}); err != nil { // readers are not held up
		t.Error(err)
	}
	if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-stored; err != nil {
		t.Error(err)
	}
}

// What another process cancels or deletes stops here too, though no hint comes from there.
func TestCancelFromAnotherProcess(t *testing.T) {
	dir, gate := t.TempDir(), enginetest.NewGate()
	operations := append(enginetest.Toys(), gate.Operation("gate", engine.LaneCPU))
	s := enginetest.New(t, enginetest.Config{Dir: dir, Slots: 1, Operations: operations})
	s.Start(t)
	t.Cleanup(gate.Open)
	job := s.MustSubmit(t, enginetest.Task("a", "gate", ""), enginetest.Task("b", "gate", ""), enginetest.Task("c", "gate", ""))
	other := enginetest.New(t, enginetest.Config{Dir: dir, Operations: operations})
	a := gate.Await(t, "a")
	if _, err := other.Cancel(t.Context(), s.User, a.Run.Task); err != nil {
		t.Fatal(err)
	}
	<-a.Ctx.Done()
	b := gate.Await(t, "b")
	if err := other.DeleteTask(t.Context(), s.User, b.Run.Task); err != nil {
		t.Fatal(err)
	}
	<-b.Ctx.Done()
	gate.Await(t, "c").Finish()
	if got, want := enginetest.Summary(s.MustEnd(t, job.ID)), "error a=error:CANCELLED c=finished"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
