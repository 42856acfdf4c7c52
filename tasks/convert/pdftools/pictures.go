package pdftools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// stretch is pages that follow each other and become pictures of the same size: one start of the program draws them.
type stretch struct {
	first  int // of the job's pages, from 0 on
	sheets []sheet
	raster convert.Raster
}

// pictures draws the pages in stretches, as many at a time as there are cores.
func (p *Poppler) pictures(ctx context.Context, job convert.Job, pages []sheet) ([]string, error) {
	stretches, err := stretchesOf(job, pages)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outputs, slots := make([]string, len(pages)), make(chan struct{}, runtime.NumCPU())
	var drawing sync.WaitGroup
	var drawn atomic.Int64
	for _, s := range stretches {
		slots <- struct{}{}
		drawing.Go(func() {
			defer func() { <-slots }()
			paths, err := p.stretch(ctx, job, s, func() { job.Progress(int(100 * drawn.Add(1) / int64(len(pages)))) })
			if err != nil {
				cancel(err)
				return
			}
			copy(outputs[s.first:], paths)
		})
	}
	drawing.Wait()
	return outputs, context.Cause(ctx)
}

// stretchesOf cuts the pages into stretches, of which there are as many as cores if all pages are alike.
func stretchesOf(job convert.Job, pages []sheet) (all []stretch, err error) {
	most := (len(pages) + runtime.NumCPU() - 1) / runtime.NumCPU()
	for i, page := range pages {
		r, err := job.Options.Raster(page.width, page.height, job.Limits.Pixels)
		if err != nil {
			return nil, err
		}
		if n := len(all) - 1; n >= 0 {
			last := &all[n]
			if len(last.sheets) < most && last.raster == r && page.number == last.sheets[len(last.sheets)-1].number+1 {
				last.sheets = append(last.sheets, page)
				continue
			}
		}
		all = append(all, stretch{first: i, sheets: []sheet{page}, raster: r})
	}
	return all, nil
}

// stretch draws pages; done is called for each.
func (p *Poppler) stretch(ctx context.Context, job convert.Job, s stretch, done func()) ([]string, error) {
	r, extension := s.raster, string(job.To)
	from, to := s.sheets[0].number, s.sheets[len(s.sheets)-1].number
	c := p.box.Command(p.draw, job.Dir)
	c.Args = []string{"-progress", "-f", strconv.Itoa(from), "-l", strconv.Itoa(to), "-cropbox",
		"-scale-to-x", strconv.Itoa(r.Width), "-scale-to-y", strconv.Itoa(r.Height),
		"-x", strconv.Itoa(r.Part.Min.X), "-y", strconv.Itoa(r.Part.Min.Y),
		"-W", strconv.Itoa(r.Part.Dx()), "-H", strconv.Itoa(r.Part.Dy())}
	switch job.To {
	case "jpg":
		c.Args = append(c.Args, "-jpeg", "-jpegopt", fmt.Sprintf("quality=%d,optimize=n", quality(job.Options)))
	case "png":
		c.Args = append(c.Args, "-png")
	case "tiff":
		c.Args = append(c.Args, "-tiff", "-tiffcompression", "deflate")
		extension = "tif"
	}
	root := fmt.Sprintf("pages%d", s.first)
	c.Args = append(c.Args, c.In(job.In), c.Path(filepath.Join(job.Dir, root)))
	c.OnLine = func(line string) {
		if strings.Contains(line, root) {
			done()
		}
	}
	if err := run(ctx, c); err != nil {
		return nil, err
	}
	var paths []string
	for i, page := range s.sheets {
		path := filepath.Join(job.Dir, fmt.Sprintf("page-%d.%s", s.first+i+1, job.To))
		if err := take(job.Dir, root, page.number, extension, path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// maxDigits is how many the program writes a page's number with at most; how many it does follows from its own count of pages.
const maxDigits = 9

// take gives the picture of a page its name.
func take(dir, root string, number int, extension, path string) error {
	for digits := 1; digits <= maxDigits; digits++ {
		err := os.Rename(filepath.Join(dir, fmt.Sprintf("%s-%0*d.%s", root, digits, number, extension)), path)
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("poppler made no picture of page %d", number)
}
