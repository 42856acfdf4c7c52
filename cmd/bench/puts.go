package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// tasksAtOnce is how many tasks a job of small PUTs has: one for each file, since a URL takes one.
const tasksAtOnce = 100

// puts measures export/upload of one large and of many small files against curl, to nginx.
func (s *suite) puts(ctx context.Context) error {
	v, stop, err := s.startServer(ctx, "nginx")
	if err != nil {
		return err
	}
	defer stop()
	data := filepath.Join(s.dir, "data")
	defer os.RemoveAll(data)
	p, err := s.serve(ctx, data, "--egress-allow", "127.0.0.0/8")
	if err != nil {
		return err
	}
	defer p.stop() //nolint:errcheck // measured and done
	base := v["HTTP_URL"] + "/dav/"
	curl := s.curlAt(base)
	for _, r := range []struct {
		folder string
		count  int
		race
	}{
		{"large", 1, race{name: "export/upload, 1 x " + bytesText(s.exports.large), unit: "MB/s", amount: float64(s.exports.large) / 1e6, aim: 1}},
		{"small", s.exports.count, race{name: fmt.Sprintf("export/upload, %d x %s", s.exports.count, bytesText(s.exports.small)), unit: "/s",
			amount: float64(s.exports.count), aim: 1.5}},
	} {
		from := filepath.Join(s.dir, "files", r.folder)
		if _, err := curl.copy(ctx, from, "curl/"+r.folder); err != nil {
			return err
		}
		in, err := p.task(ctx, "import/url", nil, map[string]any{"url": base + "curl/" + r.folder + "/0000.bin"})
		if err != nil {
			return err
		}
		r.server = "nginx"
		r.contenders = []contender{{"gantry", func(ctx context.Context) (time.Duration, error) {
			before := processorTime(p.Process.Pid)
			err := p.putMany(ctx, in, base+"gantry/"+r.folder, r.count)
			return processorTime(p.Process.Pid) - before, err
		}}, curl.contender(from, "curl/"+r.folder)}
		if err := s.compare(ctx, r.race); err != nil {
			return err
		}
	}
	return nil
}

// putMany sends a file to so many URLs, with a task for each.
func (p *process) putMany(ctx context.Context, in, base string, count int) error {
	for begun := 0; begun < count; begun += tasksAtOnce {
		tasks := map[string]any{}
		for i := begun; i < min(begun+tasksAtOnce, count); i++ {
			tasks[fmt.Sprintf("put-%d", i)] = map[string]any{"operation": "export/upload", "input": in, "url": fmt.Sprintf("%s/%04d.bin", base, i)}
		}
		body, err := json.Marshal(map[string]any{"tasks": tasks})
		if err != nil {
			return err
		}
		j, err := p.post(ctx, string(body))
		if err != nil {
			return err
		}
		if _, err := p.wait(ctx, j.ID); err != nil {
			return err
		}
	}
	return nil
}
