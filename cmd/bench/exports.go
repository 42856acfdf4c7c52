package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// exportSizes say what is exported.
type exportSizes struct {
	large, small int64
	count        int    // small files
	only         string // kinds
	rclone       string
}

// atOnce is how many large exports run together when memory is measured.
const atOnce = 4

// exports measures what leaves for storage systems, against rclone, the system's own client where there is one, and, for PUT,
// curl: the same files to the same server, in turns. Where a round begins the files have been read before, and are at the
// destination: every transfer replaces them.
func exports(ctx context.Context, s *suite) error {
	for _, dir := range []string{filepath.Dir(s.dir), s.dir} { // OpenSSH reads its users' keys as these users
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // nothing in it is secret
			return err
		}
	}
	for name, count := range map[string]int{"small": s.exports.count, "four": atOnce, "large": 1} {
		size := s.exports.large
		if name == "small" {
			size = s.exports.small
		}
		for i := range count {
			path := filepath.Join(s.dir, "files", name, fmt.Sprintf("%04d.bin", i))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), writeNoise(path, size)); err != nil {
				return err
			}
		}
	}
	for _, st := range testserver.Stores {
		if st.Prefix == "" || !s.exports.wants(st.Kind) {
			continue
		}
		if err := s.exportTo(ctx, st); err != nil {
			return fmt.Errorf("%s: %w", st.Kind, err)
		}
	}
	if !s.exports.wants("upload") {
		return nil
	}
	return s.puts(ctx)
}

func (e exportSizes) wants(kind string) bool {
	return e.only == "" || strings.Contains(","+e.only+",", ","+kind+",")
}

// export is one store that runs, with all programs ready.
type export struct {
	*suite
	testserver.Store
	at     testserver.Values
	server *process
	peers  []copier // rclone first
	params map[string]any
}

func (s *suite) exportTo(ctx context.Context, st testserver.Store) error {
	v, stop, err := s.startServer(ctx, st.Server)
	if err != nil {
		return err
	}
	defer stop()
	e := &export{suite: s, Store: st, at: v}
	if e.peers, err = s.peersOf(ctx, st, v); err != nil {
		return err
	}
	if e.params, err = st.Params(v); err != nil {
		return err
	}
	defer os.RemoveAll(e.data())
	if e.server, err = s.serve(ctx, e.data(), "--egress-allow", "127.0.0.0/8"); err != nil {
		return err
	}
	defer func() { _ = e.server.stop() }() // measured and done
	if err := e.rate(ctx, "large", "MB/s", 1, e.exports.large, float64(e.exports.large)/1e6, 1); err != nil {
		return err
	}
	if err := e.rate(ctx, "small", "/s", e.exports.count, e.exports.small, float64(e.exports.count), 1.5); err != nil {
		return err
	}
	return e.memory(ctx)
}

func (e *export) data() string { return filepath.Join(e.dir, "data") }

// rate measures how much of a folder of files is exported in a second, in the unit that amount is in. Rclone brings the files
// to the server first, from where Gantry takes them in.
func (e *export) rate(ctx context.Context, folder, unit string, count int, size int64, amount, aim float64) error {
	if _, err := e.peers[0].copy(ctx, e.local(folder), "peer/"+folder); err != nil {
		return err
	}
	in, err := e.take(ctx, folder)
	if err != nil {
		return err
	}
	contenders := []contender{{"gantry", func(ctx context.Context) (time.Duration, error) {
		before := processorTime(e.server.Process.Pid)
		err := e.send(ctx, in, e.Prefix, "gantry/"+folder+"/")
		return processorTime(e.server.Process.Pid) - before, err
	}}}
	for _, p := range e.peers {
		contenders = append(contenders, p.contender(e.local(folder), "peer/"+folder))
	}
	return e.compare(ctx, race{name: fmt.Sprintf("export/%s, %d x %s", e.Kind, count, bytesText(size)), unit: unit,
		amount: amount, aim: aim, server: e.Server, contenders: contenders})
}

func (e *export) local(folder string) string { return filepath.Join(e.dir, "files", folder) }

// take imports what the peer has brought to the server, and returns the task.
func (e *export) take(ctx context.Context, folder string) (string, error) {
	return e.server.task(ctx, "import/"+e.Kind, e.params, map[string]any{e.Prefix: e.Named(e.at, "peer/"+folder+"/")})
}

func (e *export) send(ctx context.Context, in, parameter, name string) error {
	_, err := e.server.task(ctx, "export/"+e.Kind, e.params, map[string]any{"input": in, parameter: e.Named(e.at, name)})
	return err
}

// task runs one task to its end and returns its id.
func (c client) task(ctx context.Context, operation string, params, more map[string]any) (string, error) {
	all := maps.Clone(params)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, more)
	body, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	t, err := c.call(ctx, http.MethodPost, "/v2/"+operation, string(body))
	if err == nil {
		t, err = c.call(ctx, http.MethodGet, "/v2/tasks/"+t.ID+"/wait", "")
	}
	if err == nil && t.Status != "finished" {
		err = fmt.Errorf("%s ended with %s: %s", operation, t.Status, t.Message)
	}
	return t.ID, err
}

// memory measures how far the memory of a server that has just been started rises while four large exports run, and what
// rclone has in all for as many files, which it also sends four at a time.
func (e *export) memory(ctx context.Context) error {
	in, err := e.take(ctx, "large")
	if err != nil {
		return err
	}
	if err := e.server.stop(); err != nil {
		return err
	}
	if e.server, err = e.serve(ctx, e.data(), "--egress-allow", "127.0.0.0/8"); err != nil {
		return err
	}
	idle, err := e.server.idle()
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, atOnce)
	for i := range atOnce {
		group.Go(func() { errs[i] = e.send(ctx, in, e.Name, fmt.Sprintf("gantry/four/%d", i)) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	peak, err := e.server.peak()
	if err != nil {
		return err
	}
	state, err := e.peers[0].copy(ctx, e.local("four"), "peer/four")
	if err != nil {
		return err
	}
	above, theirs := max(peak-idle, 0), largest(state)
	e.report.print(figure{name: fmt.Sprintf("export/%s, memory, %d at once", e.Kind, atOnce), value: mebibytes(above),
		peer: mebibytes(theirs), peerName: "rclone, in all", ratio: float64(above) / float64(theirs), aim: "at most 96 MiB above idle",
		reached: above <= memoryAim})
	e.report.note("idle %s, peak %s", mebibytes(idle), mebibytes(peak))
	return nil
}

// idle forgets the process's peak, and returns the memory that it has now, in bytes.
func (p *process) idle() (int64, error) {
	const forgetPeak = "5" // see proc_pid_clear_refs(5)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Process.Pid), []byte(forgetPeak), 0); err != nil {
		return 0, err
	}
	return p.peak()
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// bytesText is a size as persons say it.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.4g GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.4g KiB", float64(n)/(1<<10))
}
