package sqlstore_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers itself with database/sql

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// TestTwoReapers has several processes take up the tasks of a dead one at the same moment: each is lost once.
func TestTwoReapers(t *testing.T) {
	server := servers.Start(t, "postgres")["POSTGRES_URL"]
	dir := t.TempDir()
	url := enginetest.DatabaseOf(t, server, dir)
	gate := enginetest.NewGate()
	open := func() *enginetest.Server {
		return enginetest.New(t, enginetest.Config{Dir: dir, Database: url, Slots: 20, Drain: time.Millisecond,
			Operations: []engine.Operation{gate.Operation("gate", engine.LaneCPU)}})
	}
	victim := open()
	victim.Start(t)
	var tasks []engine.TaskSpec
	for i := range 20 {
		tasks = append(tasks, enginetest.Task(string(rune('a'+i)), "gate", ""))
	}
	victim.MustSubmit(t, tasks...)
	for _, task := range tasks {
		gate.Await(t, task.Name)
	}
	reapers := []*enginetest.Server{open(), open(), open(), open()}
	victim.Kill(t)

	found := make([]int, len(reapers))
	var group sync.WaitGroup
	for i, r := range reapers {
		group.Go(func() {
			for range 10 {
				n, err := r.Store.Reap(t.Context(), 0)
				if err != nil {
					t.Error(err)
				}
				found[i] += n
			}
		})
	}
	group.Wait()
	sum := 0
	for _, n := range found {
		sum += n
	}
	if sum != len(tasks) {
		t.Errorf("they found %v tasks, want %d in all", found, len(tasks))
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ready int
	err = db.QueryRowContext(t.Context(), `SELECT count(*) FROM tasks WHERE state = 'ready' AND losses = 1 AND attempt = 1`).Scan(&ready)
	if err != nil || ready != len(tasks) {
		t.Errorf("%d tasks are ready after one loss (%v)", ready, err)
	}
	gate.Open()
}

// TestAbsences counts for how long no node could run a sort of task, whoever asks, and forgets what is not absent any more.
func TestAbsences(t *testing.T) {
	s := enginetest.New(t, enginetest.Config{Operations: enginetest.Toys()})
	rare, common := sqlstore.Want{Operation: "convert", Tool: "rare"}, sqlstore.Want{Operation: "convert"}
	for i, step := range []struct {
		later  time.Duration
		absent []sqlstore.Want
		want   int
	}{
		{0, nil, 0},
		{0, []sqlstore.Want{rare}, 0},
		{9 * time.Minute, []sqlstore.Want{rare, common}, 0},
		{2 * time.Minute, []sqlstore.Want{rare, common}, 1},
		{9 * time.Minute, []sqlstore.Want{rare, common}, 2},
		{0, []sqlstore.Want{common}, 1},
		{0, []sqlstore.Want{common, rare}, 1},
		{0, nil, 0},
		{0, []sqlstore.Want{common}, 0},
	} {
		s.Clock.Advance(step.later)
		overdue, err := s.Store.Absent(t.Context(), step.absent, 10*time.Minute)
		if err != nil || len(overdue) != step.want {
			t.Errorf("step %d: got %v (%v), want %d", i+1, overdue, err, step.want)
		}
	}
}
