package pdf

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// OCRmyPDF is the program ocrmypdf, which reads text from pictures with tesseract and writes PDF/A with ghostscript.
type OCRmyPDF struct {
	box       *toolbox.Box
	tool      toolbox.Tool
	languages []string
	pages     Engine // counts and checks
}

// FindOCRmyPDF returns the engine if ocrmypdf and tesseract are there, with at least one language.
func FindOCRmyPDF(ctx context.Context, box *toolbox.Box) (*OCRmyPDF, bool) {
	tool, ok := box.Find(ctx, toolbox.Program{Name: "ocrmypdf"})
	if !ok {
		return nil, false
	}
	tesseract, ok := box.Find(ctx, toolbox.Program{Name: "tesseract", Version: regexp.MustCompile(`tesseract v?(\d[\d.]*)`)})
	if !ok {
		return nil, false
	}
	o := &OCRmyPDF{box: box, tool: tool, languages: languages(ctx, box, tesseract), pages: NewLibrary()}
	return o, len(o.languages) > 0
}

// languages lists what tesseract can read here, as codes of three letters.
func languages(ctx context.Context, box *toolbox.Box, tesseract toolbox.Tool) []string {
	printed := &toolbox.Buffer{Max: 64 << 10}
	c := box.Command(tesseract, "", "--list-langs")
	c.Stdout = printed
	if _, err := c.Run(ctx); err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(printed.Bytes())) {
		if name := strings.TrimSpace(line); language.MatchString(name) && name != "osd" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

var language = regexp.MustCompile(`^[a-z]{3}(_[A-Za-z]+)*$`)

// Name is "ocrmypdf".
func (*OCRmyPDF) Name() string { return "ocrmypdf" }

// Version is that of the program.
func (o *OCRmyPDF) Version() string { return o.tool.Version }

// Operations returns pdf/ocr and pdf/a.
func (o *OCRmyPDF) Operations() []engine.Operation {
	workers := []*OCRmyPDF{o}
	return []engine.Operation{
		action[*OCRmyPDF, OCRParams]{workers: workers, work: recognise, check: o.checkLanguages}.operation(
			"pdf/ocr", "Make the text in the pictures of a PDF searchable.", OCRParams{Language: []string{o.preferred()}}),
		action[*OCRmyPDF, ArchiveParams]{workers: workers, work: toArchive}.operation(
			"pdf/a", "Make a PDF fit for the archive: PDF/A.", ArchiveParams{ConformanceLevel: "3b"}),
	}
}

func (o *OCRmyPDF) preferred() string {
	if slices.Contains(o.languages, "eng") {
		return "eng"
	}
	return o.languages[0]
}

// OCRParams are what a pdf/ocr task takes.
type OCRParams struct {
	Language   []string `json:"language" doc:"Codes of three letters of the languages in the text, such as eng."`
	AutoOrient bool     `json:"auto_orient" doc:"Whether pages that lie on their side are turned."`
	Common
}

func (o *OCRmyPDF) checkLanguages(p OCRParams) []param.Problem {
	for _, code := range p.Language {
		if !slices.Contains(o.languages, code) {
			return []param.Problem{param.Problemf("language", "must be some of %s", strings.Join(o.languages, ", "))}
		}
	}
	return nil
}

func recognise(ctx context.Context, o *OCRmyPDF, s source, p OCRParams) ([]string, error) {
	if problems := o.checkLanguages(p); problems != nil {
		return nil, engine.InvalidParams(problems)
	}
	args := []string{"--output-type", "pdf", "--skip-text"}
	if len(p.Language) > 0 {
		args = append(args, "--language", strings.Join(p.Language, "+"))
	}
	if p.AutoOrient {
		args = append(args, "--rotate-pages")
	}
	return o.run(ctx, s, args...)
}

// ArchiveParams are what a pdf/a task takes.
type ArchiveParams struct {
	ConformanceLevel string `json:"conformance_level" doc:"The part of the standard and its level." rule:"oneof=1b|2b|3b"`
	Common
}

func toArchive(ctx context.Context, o *OCRmyPDF, s source, p ArchiveParams) ([]string, error) {
	// A page of pictures stays one: tesseract is given no time.
	return o.run(ctx, s, "--output-type", "pdfa-"+p.ConformanceLevel[:1], "--tesseract-timeout", "0", "--skip-text")
}

// The exit codes of ocrmypdf that say what is wrong with a file.
const (
	ocrPDFA      = 10 // the output is whole, but no PDF/A
	ocrEncrypted = 8
)

// ocrPage is what the program says when it is done with a page.
var ocrPage = regexp.MustCompile(`^\s*(\d+) Page rotation`)

func (o *OCRmyPDF) run(ctx context.Context, s source, args ...string) ([]string, error) {
	count, err := o.pages.Count(ctx, s.in, "")
	if err != nil {
		return nil, err
	}
	c := o.box.Command(o.tool, s.dir)
	c.Env = []string{"OMP_THREAD_LIMIT=1"} // tesseract's threads wait for each other: five times faster without
	c.OnLine = func(line string) {
		if m := ocrPage.FindStringSubmatch(line); m != nil {
			var n int
			if _, err := fmt.Sscan(m[1], &n); err == nil {
				s.progress(min(95, 100*n/count))
			}
		}
	}
	c.Args = append([]string{"--jobs", "1", "--optimize", "0", "--verbose", "1"}, args...)
	c.Args = append(c.Args, c.In(s.in), c.Path(s.out()))
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case outcome.Exit == ocrEncrypted:
		return nil, errLocked
	case outcome.Exit == ocrPDFA:
		return nil, engine.Errorf(engine.Invalid, "The PDF cannot be made a PDF/A of this conformance level.")
	}
	if err := outcome.Err(); err != nil {
		return nil, damaged(err)
	}
	return []string{s.out()}, Check(ctx, o.pages, s.out(), "", count)
}
