package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const (
	hugeFile  = 2 << 30
	tinyFile  = 2 << 20
	memoryAim = 96 << 20
)

// memory measures the largest memory of a server that takes a file of 2 GiB in, packs it and hands it out, against that of
// one that does the same with 2 MiB.
func memory(ctx context.Context, s *suite) error {
	tiny, _, err := s.pack(ctx, "tiny", tinyFile)
	if err != nil {
		return err
	}
	huge, took, err := s.pack(ctx, "huge", hugeFile)
	if err != nil {
		return err
	}
	s.report.print(figure{name: "peak memory, 2 GiB in, zipped, out", value: fmt.Sprintf("%.1f MiB", float64(huge)/(1<<20)),
		peer: fmt.Sprintf("%.1f MiB", float64(tiny)/(1<<20)), peerName: "with 2 MiB", ratio: float64(huge) / float64(tiny),
		aim: "under 96 MiB", reached: huge < memoryAim})
	s.report.note("it took %s", took.Round(time.Millisecond))
	return nil
}

func (s *suite) pack(ctx context.Context, name string, size int64) (peak int64, took time.Duration, err error) {
	p, err := s.serve(ctx, filepath.Join(s.dir, name))
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if serr := p.stop(); err == nil {
			err = serr
		}
	}()
	began := time.Now()
	j, err := p.post(ctx, `{"tasks": {"in": {"operation": "import/upload"},
		"zip": {"operation": "archive", "input": "in", "output_format": "zip"}, "out": {"operation": "export/url", "input": "zip"}}}`)
	if err != nil {
		return 0, 0, err
	}
	if err := p.upload(ctx, j.ID, "noise.bin", size); err != nil {
		return 0, 0, err
	}
	if j, err = p.wait(ctx, j.ID); err != nil {
		return 0, 0, err
	}
	if rate, err := fetchOnce(ctx, j.Tasks[2].Result.Files[0].URL, size); err != nil || rate == 0 {
		return 0, 0, fmt.Errorf("fetch the archive: %w", err)
	}
	took = time.Since(began)
	peak, err = p.peak()
	return peak, took, err
}
