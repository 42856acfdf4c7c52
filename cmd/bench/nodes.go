package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	nodeLease  = 4 * time.Second // after which the tasks of a dead node are taken up
	longTask   = 30 * time.Second
	nodeSlots  = 32
	heldTasks  = 40 // more than one node has slots for, so that each holds some
	sharedName = "PostgreSQL, 2 processes"
)

// sharedChains measures chains of three tasks that do nothing on PostgreSQL with two processes, beside River alone on the same
// server, and the embedded engine.
func sharedChains(ctx context.Context, s *suite) error {
	if s.postgres == "" {
		return errors.New("it needs a server: -postgres names one")
	}
	for _, slots := range []int{16, 64} {
		var ours, rivers, embedded series
		for round := range s.rounds {
			dir, err := s.sub(fmt.Sprintf("%d-slots-%d", slots, round))
			if err != nil {
				return err
			}
			load := order{Chains: chainJobs / 2, Submitters: submitters / 2}
			rivers.add(s.pair(ctx, nodeConfig{Kind: "river", Dir: dir, Slots: slots}, load))
			ours.add(s.pair(ctx, nodeConfig{Kind: "gantry", Dir: dir, Slots: slots}, load))
			embedded.add(busyChains(ctx, dir, slots))
			if err := errors.Join(rivers.err, ours.err, embedded.err); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("chains, %d slots", slots)
		s.report.rate(name+", "+sharedName, "tasks/s", ours, "tasks/s, plain River", rivers, 2)
		s.report.rate(name+", embedded", "tasks/s", embedded, "tasks/s, plain River", rivers, 0)
	}
	return nil
}

// sharedHops measures the time from the end of a task to the beginning of the next when little goes on.
func sharedHops(ctx context.Context, s *suite) error {
	quiet := order{Chains: quietJobs, Submitters: 1, Pause: quietPause}
	list := map[string][]time.Duration{}
	for _, kind := range []string{"river", "gantry"} {
		moments, _, err := s.run(ctx, nodeConfig{Kind: kind, Dir: s.dir, Slots: 16}, quiet)
		if err != nil {
			return err
		}
		list[kind] = hops(moments)
	}
	s.report.duration("hop p50, "+sharedName, quantile(list["gantry"], 0.5), "plain River", quantile(list["river"], 0.5), 0)
	s.report.duration("hop p99, "+sharedName, quantile(list["gantry"], 0.99), "plain River", quantile(list["river"], 0.99), 0)
	return nil
}

// pair runs the load on each of two nodes and returns the tasks a second.
func (s *suite) pair(ctx context.Context, c nodeConfig, o order) (float64, error) {
	moments, took, err := s.run(ctx, c, o)
	if want := 3 * 2 * (o.Chains / o.Submitters) * o.Submitters; err == nil && len(moments) != want {
		err = fmt.Errorf("%d tasks of %s ran, not %d", len(moments), c.Kind, want)
	}
	return float64(len(moments)) / took.Seconds(), err
}

// run starts two nodes on a database of their own, gives both the order, and waits for the end of all chains.
func (s *suite) run(ctx context.Context, c nodeConfig, o order) (all []moment, took time.Duration, err error) {
	d, err := s.database(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer d.drop(ctx)
	c.Database = d.url
	nodes, err := s.nodes(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	for _, n := range nodes {
		if err := n.in.Encode(o); err != nil {
			return nil, 0, err
		}
	}
	for _, n := range nodes {
		if err := n.hear("submitted"); err != nil {
			return nil, 0, err
		}
	}
	left := `SELECT count(*) FROM jobs WHERE ended_at IS NULL`
	if c.Kind == "river" {
		left = `SELECT count(*) FROM river_job WHERE state <> 'completed'`
	}
	if err := d.zero(ctx, left); err != nil {
		return nil, 0, err
	}
	took = time.Since(began)
	for _, n := range nodes {
		ran, err := n.stop()
		if err != nil {
			return nil, 0, err
		}
		all = append(all, ran...)
	}
	return all, took, nil
}

// nodes starts two, on tables that are made before.
func (s *suite) nodes(ctx context.Context, c nodeConfig) (two []*worker, err error) {
	if c.Kind == "river" {
		if err := migrateRiver(ctx, c.Database); err != nil {
			return nil, err
		}
	}
	for range 2 {
		n, err := startNode(ctx, c)
		if err != nil {
			return nil, err
		}
		two = append(two, n)
	}
	return two, nil
}

// takeover measures how long it takes until the tasks of a node that was killed run elsewhere.
func takeover(ctx context.Context, s *suite) error {
	var ours []time.Duration
	for round := range s.rounds {
		dir, err := s.sub(fmt.Sprint("takeover-", round))
		if err != nil {
			return err
		}
		took, err := s.killOne(ctx, nodeConfig{Kind: "gantry", Dir: dir, Slots: nodeSlots})
		if err != nil {
			return err
		}
		ours = append(ours, took)
	}
	s.report.duration("tasks of a killed node run again", median(ours), "the lease", nodeLease, 5*time.Second)
	s.report.note("River by itself takes such a job up after its RescueStuckJobsAfter, an hour by default")
	return nil
}

func (s *suite) killOne(ctx context.Context, c nodeConfig) (took time.Duration, err error) {
	d, err := s.database(ctx)
	if err != nil {
		return 0, err
	}
	defer d.drop(ctx)
	c.Database = d.url
	two, err := s.nodes(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { _ = two[1].cmd.Process.Kill(); _ = two[1].cmd.Wait() }() // its tasks are long
	time.Sleep(2 * nodeLease)                                               // nobody takes up anything while it is new itself
	if err := two[0].in.Encode(order{Chains: heldTasks, Submitters: 1, Task: longTask}); err != nil {
		return 0, err
	}
	if err := two[0].hear("submitted"); err != nil {
		return 0, err
	}
	if err := d.zero(ctx, `SELECT count(*) FROM tasks WHERE name = 'a' AND state <> 'processing'`); err != nil {
		return 0, err
	}
	if err := two[0].cmd.Process.Kill(); err != nil {
		return 0, err
	}
	began := time.Now()
	_ = two[0].cmd.Wait()
	again := `SELECT CASE WHEN count(*) FILTER (WHERE losses > 0) > 0
		THEN $1 - count(*) FILTER (WHERE state = 'processing') ELSE 1 END FROM tasks WHERE name = 'a'`
	err = d.zero(ctx, again, nodeSlots) // the other node has taken what it has slots for
	return time.Since(began), err
}

// server is a database of a measurement's own.
type server struct {
	admin *pgx.Conn
	conn  *pgx.Conn
	name  string
	url   string
}

func (s *suite) database(ctx context.Context) (*server, error) {
	admin, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return nil, err
	}
	d := &server{admin: admin, name: fmt.Sprintf("bench%d", time.Now().UnixNano())}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.postgres)
	if err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.url = u.String()
	d.conn, err = pgx.Connect(ctx, d.url)
	return d, err
}

// zero asks until the answer is 0.
func (d *server) zero(ctx context.Context, query string, args ...any) error {
	for {
		var n int
		if err := d.conn.QueryRow(ctx, query, args...).Scan(&n); err != nil || n == 0 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *server) drop(ctx context.Context) {
	d.conn.Close(ctx)
	_, _ = d.admin.Exec(ctx, "DROP DATABASE "+d.name+" WITH (FORCE)")
	d.admin.Close(ctx)
}

// sets are the benchmarks that belong together.
var sets = map[string]string{"engine": strings.Join([]string{"shared", "hops", "takeover", "restart"}, ",")}

// chosen are the benchmarks of the names, where the name of a set stands for all of it; empty for those that need nothing.
func chosen(only string) []benchmark {
	names := strings.Split(only, ",")
	if list, ok := sets[only]; ok {
		names = strings.Split(list, ",")
	}
	var all []benchmark
	for _, b := range benchmarks {
		if only == "" && !b.server || slices.Contains(names, b.name) {
			all = append(all, b)
		}
	}
	return all
}
