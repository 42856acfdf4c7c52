package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	chainJobs  = 63 * submitters // a round
	submitters = 16
	quietJobs  = 150
	quietPause = 15 * time.Millisecond
	rowCommits = 500
)

// chains measures jobs of three tasks that do nothing: how many tasks a second, and how long it takes from the end of one
// to the start of the next.
func chains(ctx context.Context, s *suite) error {
	for _, slots := range []int{16, 64} {
		var tasks, rows, replays series
		var last batches
		for round := range s.rounds {
			dir, err := s.sub(fmt.Sprintf("%d-slots-%d", slots, round))
			if err != nil {
				return err
			}
			rate, err := bareRows(ctx, dir)
			rows.add(rate, err)
			rate, err = busyChains(ctx, dir, slots)
			tasks.add(rate, err)
			last, rate, err = replay(ctx, dir)
			replays.add(rate, err)
			if err := errors.Join(rows.err, tasks.err, replays.err); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("chains of three no-ops, %d slots", slots)
		s.report.rate(name, "tasks/s", tasks, "rows/s, one a commit", rows, 2)
		s.report.rate(name, "tasks/s", tasks, "tasks/s, its batches bare", replays, 0.8)
		s.report.note("batches at %d slots: %s", slots, last)
	}
	return quietChains(ctx, s)
}

// sub makes a folder for one measurement.
func (s *suite) sub(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.Mkdir(dir, 0o700)
}

// busyChains runs chainJobs chains as fast as they go and returns the tasks a second.
func busyChains(ctx context.Context, dir string, slots int) (float64, error) {
	r, err := openRig(ctx, dir, slots)
	if err != nil {
		return 0, err
	}
	r.start(ctx)
	rate, err := r.busy(ctx)
	if cerr := r.close(); err == nil {
		err = cerr
	}
	return rate, err
}

func (r *rig) busy(ctx context.Context) (float64, error) {
	<-r.begun
	r.mu.Lock()
	goal := r.ended + chainJobs
	r.mu.Unlock()
	began := time.Now()
	var group sync.WaitGroup
	errs := make(chan error, submitters)
	for range submitters {
		group.Go(func() {
			for range chainJobs / submitters {
				if _, err := r.chain(ctx, 0); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
	}
	if err := r.settled(ctx, goal); err != nil {
		return 0, err
	}
	return 3 * chainJobs / time.Since(began).Seconds(), nil
}

// settled waits until that many chains have ended and no job goes on.
func (r *rig) settled(ctx context.Context, goal int) error {
	for ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
		r.mu.Lock()
		ended := r.ended
		r.mu.Unlock()
		if ended < goal {
			continue
		}
		live, err := r.Engine.Store.Reader.Tasks(ctx, engine.TaskQuery{User: r.user, Status: engine.StatusProcessing,
			Page: engine.Page{Limit: 1}})
		if err != nil || len(live) == 0 {
			return err
		}
	}
	return context.Cause(ctx)
}

// quietChains measures the hop from task to task when little goes on, with one-row commits between.
func quietChains(ctx context.Context, s *suite) error {
	dir, err := s.sub("quiet")
	if err != nil {
		return err
	}
	r, err := openRig(ctx, dir, 16)
	if err != nil {
		return err
	}
	defer r.close()
	r.start(ctx)
	<-r.begun
	row, err := openRows(ctx, filepath.Join(dir, "row.db"))
	if err != nil {
		return err
	}
	defer row.close()
	var commits []time.Duration
	for range quietJobs {
		if _, err := r.chain(ctx, 0); err != nil {
			return err
		}
		time.Sleep(quietPause) // nothing of the chain is left then
		began := time.Now()
		if err := row.commit(ctx); err != nil {
			return err
		}
		commits = append(commits, time.Since(began))
	}
	between := hops(r.moments())
	s.report.duration("hop from task to task, p50", quantile(between, 0.5), "commit of one row", quantile(commits, 0.5), time.Millisecond)
	s.report.duration("hop from task to task, p99", quantile(between, 0.99), "commit of one row", quantile(commits, 0.99), 0)
	return nil
}
