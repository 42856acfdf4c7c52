package pdf

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// reader is what makes the text in pictures of a PDF searchable. Pages that have text it leaves as they are.
type reader interface {
	worker
	read(ctx context.Context, s source, p OCRParams) ([]string, error)
}

// OCR returns pdf/ocr with what the box finds, ocrmypdf before tesseract by itself. It is false where there is no tesseract, or
// none that knows a language.
func OCR(ctx context.Context, box *toolbox.Box) (engine.Operation, bool) {
	tesseract, ok := box.Find(ctx, toolbox.Program{Name: "tesseract", Version: regexp.MustCompile(`tesseract v?(\d[\d.]*)`)})
	if !ok {
		return engine.Operation{}, false
	}
	var readers []reader
	if o, ok := findOCRmyPDF(ctx, box); ok {
		readers = append(readers, o)
	}
	if t, ok := newTesseract(ctx, box, tesseract); ok {
		readers = append(readers, t)
	}
	known := languages(ctx, box, tesseract)
	if len(readers) == 0 || len(known) == 0 {
		return engine.Operation{}, false
	}
	return action[reader, OCRParams]{
		workers: readers,
		work: func(ctx context.Context, r reader, s source, p OCRParams) ([]string, error) {
			if problems := known.check(p); problems != nil { // another machine took the task
				return nil, engine.InvalidParams(problems)
			}
			return r.read(ctx, s, p)
		},
		check: known.check,
	}.operation("pdf/ocr", "Make the text in the pictures of a PDF searchable.", OCRParams{Language: []string{known.preferred()}}), true
}

// OCRParams are what a pdf/ocr task takes.
type OCRParams struct {
	Language   []string `json:"language" doc:"Codes of three letters of the languages in the text, such as eng."`
	AutoOrient bool     `json:"auto_orient" doc:"Whether pages that lie on their side are turned."`
	Common
}

// vocabulary is the languages that tesseract can read here, as codes of three letters.
type vocabulary []string

var language = regexp.MustCompile(`^[a-z]{3}(_[A-Za-z]+)*$`)

func languages(ctx context.Context, box *toolbox.Box, tesseract toolbox.Tool) (found vocabulary) {
	printed := &toolbox.Buffer{Max: 64 << 10}
	c := box.Command(tesseract, "", "--list-langs")
	c.Stdout = printed
	if _, err := c.Run(ctx); err != nil {
		return nil
	}
	for line := range strings.Lines(string(printed.Bytes())) {
		if name := strings.TrimSpace(line); language.MatchString(name) && name != "osd" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

func (v vocabulary) preferred() string {
	if slices.Contains(v, "eng") {
		return "eng"
	}
	return v[0]
}

func (v vocabulary) check(p OCRParams) []param.Problem {
	for _, code := range p.Language {
		if !slices.Contains(v, code) {
			return []param.Problem{param.Problemf("language", "must be some of %s", strings.Join(v, ", "))}
		}
	}
	return nil
}

// oneThread is the environment of tesseract, whose threads wait for each other: it is five times faster without.
var oneThread = []string{"OMP_THREAD_LIMIT=1"}
