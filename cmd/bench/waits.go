package main

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/gantry-engine/gantry/cmd"
	"github.com/gantry-engine/gantry/engine"
)

const waitJobs = 300

// passOn hands its input on.
func passOn() engine.Operation {
	return engine.Define("bench/pass", "Passes files on.", engine.LaneCPU, nothing{},
		engine.HandlerFunc[nothing](func(ctx context.Context, run *engine.Run, _ nothing) (engine.Result, error) {
			files, err := run.Files(ctx)
			return engine.Result{Files: files}, err
		}))
}

// waits measures a job of three tasks that pass a file on, from its POST to the answer of /wait, through the whole server.
func waits(ctx context.Context, s *suite) error {
	row, err := openRows(ctx, filepath.Join(s.dir, "row.db"))
	if err != nil {
		return err
	}
	defer row.close()
	out, in := io.Pipe()
	ctx, stop := context.WithCancel(ctx)
	served := make(chan int, 1)
	go func() {
		served <- cmd.Main(ctx, serveArgs(filepath.Join(s.dir, "data")), cmd.WithOperations(passOn()), cmd.Output(in, io.Discard))
		in.Close()
	}()
	defer func() { stop(); <-served }()
	base, err := announced(out)
	if err != nil {
		return err
	}
	c := client{base: base}
	var ours, commits []time.Duration
	for range waitJobs {
		began := time.Now()
		j, err := c.post(ctx, `{"tasks": {"in": {"operation": "import/raw", "file": "hello", "filename": "hello.txt"},
			"pass": {"operation": "bench/pass", "input": "in"}, "out": {"operation": "export/url", "input": "pass"}}}`)
		if err != nil {
			return err
		}
		if _, err := c.wait(ctx, j.ID); err != nil {
			return err
		}
		ours = append(ours, time.Since(began))
		began = time.Now()
		if err := row.commit(ctx); err != nil {
			return err
		}
		commits = append(commits, time.Since(began))
	}
	s.report.duration("POST to the end by /wait, three tasks, p50", median(ours), "commit of one row", median(commits), 0)
	s.report.duration("POST to the end by /wait, three tasks, p99", quantile(ours, 0.99), "commit of one row", quantile(commits, 0.99), 0)
	return nil
}
