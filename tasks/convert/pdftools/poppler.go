package pdftools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Poppler converts PDF files with pdftoppm, pdftotext and pdftohtml. It is the fastest at jpg.
type Poppler struct {
	box                    *toolbox.Box
	unlock                 Unlock
	info, draw, text, html toolbox.Tool
	trace, print           toolbox.Tool
}

// NewPoppler returns the engine, or nil unless all its programs are there.
func NewPoppler(ctx context.Context, box *toolbox.Box, unlock Unlock) *Poppler {
	p := &Poppler{box: box, unlock: unlock}
	for name, tool := range map[string]*toolbox.Tool{
		"pdfinfo": &p.info, "pdftoppm": &p.draw, "pdftotext": &p.text, "pdftohtml": &p.html,
		"pdftocairo": &p.trace, "pdftops": &p.print,
	} {
		found, ok := box.Find(ctx, toolbox.Program{
			Name: name, Args: []string{"-v"}, Version: regexp.MustCompile(`version (\d+\.[\d.]+)`),
		})
		if !ok {
			return nil
		}
		*tool = found
	}
	return p
}

// Name is "poppler".
func (*Poppler) Name() string { return "poppler" }

// Version is that of the programs.
func (p *Poppler) Version() string { return p.draw.Version }

// Pairs lists pdf to jpg, png, tiff, txt, html, svg, eps and ps, and the same for drawings of Illustrator, which are PDFs. At
// jpg and txt poppler is the fastest by far; its png takes long to pack.
func (*Poppler) Pairs() []convert.Pair {
	pairs := []convert.Pair{{From: "ai", To: "pdf", Options: convert.Fields("password")}}
	for _, from := range []convert.Format{"ai", "pdf"} {
		pairs = append(pairs,
			convert.Pair{From: from, To: "jpg", Options: convert.Fields(append(pictureOptions(), "quality")...), Merit: 1},
			convert.Pair{From: from, To: "png", Options: convert.Fields(pictureOptions()...)},
			convert.Pair{From: from, To: "tiff", Options: convert.Fields(pictureOptions()...)},
			convert.Pair{From: from, To: "txt", Options: convert.Fields("pages", "password"), Merit: 1},
			convert.Pair{From: from, To: "html", Options: convert.Fields("pages", "password")},
			convert.Pair{From: from, To: "svg", Options: convert.Fields("pages", "password")},
			convert.Pair{From: from, To: "eps", Options: convert.Fields("pages", "password")},
			convert.Pair{From: from, To: "ps", Options: convert.Fields("password")})
	}
	return pairs
}

func pictureOptions() []string {
	return []string{"width", "height", "fit", "pages", "pixel_density", "password"}
}

// Convert implements convert.Engine.
func (p *Poppler) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	if err := p.unlock.apply(ctx, &job); err != nil {
		return nil, err
	}
	pages, err := p.pages(ctx, job)
	if err != nil {
		return nil, err
	}
	switch job.To {
	case "svg", "eps":
		return p.each(job, pages, func(n string, path string) error { return p.drawing(ctx, job, path, "-f", n, "-l", n) })
	case "ps", "pdf":
		return []string{job.Out()}, p.drawing(ctx, job, job.Out())
	case "txt":
		return p.joined(ctx, job, pages, p.words)
	case "html":
		for _, page := range pages {
			if _, err := (convert.Options{PixelDensity: htmlDensity}).Raster(page.width, page.height, job.Limits.Pixels); err != nil {
				return nil, err
			}
		}
		return p.joined(ctx, job, pages, p.markup)
	}
	return p.pictures(ctx, job, pages)
}

// sheet is a page of a document.
type sheet struct {
	number        int
	width, height float64 // in points, as it is shown
}

var (
	pageLine = regexp.MustCompile(`^Page\s+(\d+) size:\s+(\S+) x (\S+) pts`)
	turnLine = regexp.MustCompile(`^Page\s+(\d+) rot:\s+(\d+)`)
)

// pages are those that the job selects.
func (p *Poppler) pages(ctx context.Context, job convert.Job) ([]sheet, error) {
	selection, err := job.Options.Selection()
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The parameter pages %s.", err)
	}
	found, err := p.inspect(ctx, job)
	if err != nil {
		return nil, err
	}
	numbers, err := selection.Of(len(found))
	if err != nil {
		return nil, err
	}
	sheets := make([]sheet, len(numbers))
	for i, n := range numbers {
		sheets[i] = found[n-1]
	}
	return sheets, nil
}

// maxInfo bounds what pdfinfo prints: two lines for each of a hundred thousand pages.
const maxInfo = 16 << 20

// inspect measures all pages.
func (p *Poppler) inspect(ctx context.Context, job convert.Job) ([]sheet, error) {
	printed := &toolbox.Buffer{Max: maxInfo}
	c := p.box.Command(p.info, "")
	c.Stdout = printed
	c.Args = []string{"-f", "1", "-l", strconv.Itoa(1 << 30), c.In(job.In)}
	if err := run(ctx, c); err != nil {
		return nil, err
	}
	var sheets []sheet
	for line := range strings.Lines(string(printed.Bytes())) {
		if m := pageLine.FindStringSubmatch(line); m != nil {
			w, _ := strconv.ParseFloat(m[2], 64) // 0 has no size, which is found when it is drawn
			h, _ := strconv.ParseFloat(m[3], 64)
			sheets = append(sheets, sheet{len(sheets) + 1, w, h})
		}
		if m := turnLine.FindStringSubmatch(line); m != nil && (m[2] == "90" || m[2] == "270") && len(sheets) > 0 {
			s := &sheets[len(sheets)-1]
			s.width, s.height = s.height, s.width
		}
	}
	if len(sheets) == 0 {
		return nil, engine.Errorf(engine.Invalid, "The PDF has no pages.")
	}
	return sheets, nil
}

// each makes a file of every page.
func (*Poppler) each(job convert.Job, pages []sheet, draw func(number, path string) error) ([]string, error) {
	var outputs []string
	for i, page := range pages {
		path := filepath.Join(job.Dir, fmt.Sprintf("page-%d.%s", i+1, job.To))
		if err := draw(strconv.Itoa(page.number), path); err != nil {
			return nil, err
		}
		outputs = append(outputs, path)
		job.Progress(100 * (i + 1) / len(pages))
	}
	return outputs, nil
}

// drawing writes pages as lines and letters.
func (p *Poppler) drawing(ctx context.Context, job convert.Job, path string, args ...string) error {
	tool := p.trace
	switch job.To {
	case "eps":
		tool, args = p.print, append(args, "-eps")
	case "ps":
		tool = p.print
	default:
		args = append(args, "-"+string(job.To))
	}
	c := p.box.Command(tool, job.Dir)
	c.Args = append(args, c.In(job.In), c.Path(path))
	return run(ctx, c)
}

func quality(o convert.Options) int {
	if o.Quality == 0 {
		return convert.DefaultOptions().Quality
	}
	return o.Quality
}

// joined makes one file of runs of pages that follow each other in the document, which one start of the program makes.
func (p *Poppler) joined(
	ctx context.Context, job convert.Job, pages []sheet,
	one func(ctx context.Context, job convert.Job, first, last int, path string) error,
) ([]string, error) {
	var parts []string
	for i := 0; i < len(pages); {
		j := i
		for j+1 < len(pages) && pages[j+1].number == pages[j].number+1 {
			j++
		}
		path := filepath.Join(job.Dir, fmt.Sprintf("part-%d.%s", len(parts)+1, job.To))
		if err := one(ctx, job, pages[i].number, pages[j].number, path); err != nil {
			return nil, err
		}
		parts = append(parts, path)
		i = j + 1
		job.Progress(100 * i / len(pages))
	}
	if len(parts) > 1 {
		return []string{job.Out()}, concatenate(ctx, job, parts)
	}
	return []string{job.Out()}, os.Rename(parts[0], job.Out())
}

// concatenate joins texts; HTML loses the ends and heads between the parts.
func concatenate(ctx context.Context, job convert.Job, parts []string) error {
	var all strings.Builder
	for i, path := range parts {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if int64(all.Len()+len(text)) > job.Limits.Text {
			return engine.Errorf(engine.TooLarge, "The PDF has more than %d MiB of text.", job.Limits.Text>>20)
		}
		part := string(text)
		if job.To == "html" {
			part = between(part, i > 0, i < len(parts)-1)
		}
		all.WriteString(part)
	}
	return os.WriteFile(job.Out(), []byte(all.String()), 0o600)
}

func between(html string, headless, endless bool) string {
	if _, body, ok := strings.Cut(html, "<body"); ok && headless {
		_, html, _ = strings.Cut(body, ">")
	}
	if end := strings.LastIndex(html, "</body>"); end >= 0 && endless {
		html = html[:end]
	}
	return html
}

func (p *Poppler) words(ctx context.Context, job convert.Job, first, last int, path string) error {
	c := p.box.Command(p.text, job.Dir)
	c.Args = []string{"-f", strconv.Itoa(first), "-l", strconv.Itoa(last), "-enc", "UTF-8", c.In(job.In), c.Path(path)}
	return run(ctx, c)
}

// htmlDensity is that of the picture that pdftohtml draws of all in a page that is not text.
const htmlDensity = 108

// markup makes HTML that holds its pictures, as one file must. Without a title in the PDF it is called like the path that
// pdftohtml is told, so that is none of this machine's.
func (p *Poppler) markup(ctx context.Context, job convert.Job, first, last int, path string) error {
	c := p.box.Command(p.html, job.Dir)
	c.Args = []string{"-f", strconv.Itoa(first), "-l", strconv.Itoa(last), "-s", "-noframes", "-dataurls", "-enc", "UTF-8", "-q",
		c.In(job.In), filepath.Base(path)}
	return run(ctx, c)
}
