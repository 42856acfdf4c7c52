package pdf

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// ocrmypdf is the program of that name, which reads text from pictures with tesseract and writes PDF/A with ghostscript.
type ocrmypdf struct {
	box   *toolbox.Box
	tool  toolbox.Tool
	pages *Library // counts and checks
}

func findOCRmyPDF(ctx context.Context, box *toolbox.Box) (*ocrmypdf, bool) {
	tool, ok := box.Find(ctx, toolbox.Program{Name: "ocrmypdf"})
	return &ocrmypdf{box: box, tool: tool, pages: NewLibrary()}, ok
}

// Name is "ocrmypdf".
func (*ocrmypdf) Name() string { return "ocrmypdf" }

// Version is that of the program.
func (o *ocrmypdf) Version() string { return o.tool.Version }

func (o *ocrmypdf) read(ctx context.Context, s source, p OCRParams) ([]string, error) {
	args := []string{"--output-type", "pdf", "--skip-text"}
	if len(p.Language) > 0 {
		args = append(args, "--language", strings.Join(p.Language, "+"))
	}
	if p.AutoOrient {
		args = append(args, "--rotate-pages")
	}
	count, err := o.pages.countOpen(ctx, s.in)
	if err != nil {
		return nil, err
	}
	if err := o.run(ctx, s, count, args...); err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, o.pages, s.out(), "", count)
}

func (o *ocrmypdf) archive(ctx context.Context, s source, count int, part string) error {
	// A page of pictures stays one: tesseract is given no time.
	return o.run(ctx, s, count, "--output-type", "pdfa-"+part, "--tesseract-timeout", "0", "--skip-text")
}

// The exit codes of ocrmypdf that say what is wrong with a file.
const (
	ocrPDFA      = 10 // the output is whole, but no PDF/A
	ocrEncrypted = 8
)

// ocrPage is what the program says when it is done with a page.
var ocrPage = regexp.MustCompile(`^\s*(\d+) Page rotation`)

func (o *ocrmypdf) run(ctx context.Context, s source, count int, args ...string) error {
	c := o.box.Command(o.tool, s.dir)
	c.Env = oneThread
	c.OnLine = func(line string) {
		if m := ocrPage.FindStringSubmatch(line); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				s.progress(min(95, 100*n/count))
			}
		}
	}
	c.Args = append([]string{"--jobs", "1", "--optimize", "0", "--verbose", "1"}, args...)
	c.Args = append(c.Args, c.In(s.in), c.Path(s.out()))
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	switch {
	case outcome.Exit == ocrEncrypted:
		return errLocked
	case outcome.Exit == ocrPDFA:
		return errNotArchivable
	}
	if err := outcome.Err(); err != nil {
		return damaged(err)
	}
	return nil
}
