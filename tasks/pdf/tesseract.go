package pdf

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/pdftools"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// tesseract reads one page after the other. Poppler draws them, and qpdf lays what was read under each, invisibly, so that the
// pages stay as they are.
type tesseract struct {
	box   *toolbox.Box
	tool  toolbox.Tool
	draw  *pdftools.Poppler
	join  *Qpdf
	pages *Library // counts and checks
}

func newTesseract(ctx context.Context, box *toolbox.Box, tool toolbox.Tool) (*tesseract, bool) {
	pages := NewLibrary()
	t := &tesseract{box: box, tool: tool, draw: pdftools.NewPoppler(ctx, box, pages.Decrypt), pages: pages}
	var found bool
	t.join, found = FindQpdf(ctx, box)
	return t, found && t.draw != nil
}

// Name is "tesseract".
func (*tesseract) Name() string { return "tesseract" }

// Version is that of the program.
func (t *tesseract) Version() string { return t.tool.Version }

// scanDensity is the dots per inch that tesseract reads best, as its own documentation has it.
const scanDensity = 300

// pageTime bounds the reading of one page.
const pageTime = 5 * time.Minute

func (t *tesseract) read(ctx context.Context, s source, p OCRParams) ([]string, error) {
	count, err := t.pages.countOpen(ctx, s.in)
	if err != nil {
		return nil, err
	}
	todo, err := t.textless(ctx, s, count)
	if err != nil {
		return nil, err
	}
	if p.AutoOrient {
		total := s.progress
		s.progress = func(percent int) { total(percent / 2) }
		if s.in, err = t.upright(ctx, s, todo); err != nil {
			return nil, err
		}
		s.progress = func(percent int) { total(50 + percent/2) }
	}
	layers, err := t.layers(ctx, s, todo, p.Language)
	if err != nil {
		return nil, err
	}
	if err := t.join.underlay(ctx, s.in, s.out(), todo, layers); err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, t.pages, s.out(), "", count)
}

// layers makes a PDF of each page with nothing but its text, which does not show.
func (t *tesseract) layers(ctx context.Context, s source, pages []int, languages []string) (paths []string, err error) {
	args := []string{"-c", "textonly_pdf=1", "pdf"}
	if len(languages) > 0 {
		args = append([]string{"-l", strings.Join(languages, "+")}, args...)
	}
	for i, number := range pages {
		layer := filepath.Join(s.dir, fmt.Sprintf("text-%d", number))
		outcome, err := t.look(ctx, s, number, layer, args...)
		if err != nil {
			return nil, err
		}
		if err := outcome.Err(); err != nil {
			return nil, err
		}
		paths = append(paths, layer+".pdf")
		s.progress(95 * (i + 1) / len(pages))
	}
	return paths, nil
}

// What tesseract says of how a page lies, and how sure of it it has to be, which is where ocrmypdf draws the line too.
var (
	turnNeeded = regexp.MustCompile(`(?m)^Rotate: (\d+)$`)
	turnSure   = regexp.MustCompile(`(?m)^Orientation confidence: (\d+)`)
)

const sureEnough = 14

// upright turns the pages whose text lies on its side or head, and returns the path of the PDF in which they stand.
func (t *tesseract) upright(ctx context.Context, s source, pages []int) (string, error) {
	turns := map[int][]int{} // pages by degrees
	for i, number := range pages {
		degrees, err := t.lies(ctx, s, number)
		if err != nil {
			return "", err
		}
		if degrees != 0 {
			turns[degrees] = append(turns[degrees], number)
		}
		s.progress(100 * (i + 1) / len(pages))
	}
	in := s.in
	for degrees, pages := range turns {
		out := filepath.Join(s.dir, fmt.Sprintf("turned-%d.pdf", degrees))
		if err := t.join.Rotate(ctx, in, out, pages, Turn{Degrees: degrees, Relative: true}); err != nil {
			return "", err
		}
		in = out
	}
	return in, nil
}

// lies returns the degrees by which a page has to be turned clockwise; 0 if it stands, or if that is not sure.
func (t *tesseract) lies(ctx context.Context, s source, number int) (int, error) {
	found := filepath.Join(s.dir, fmt.Sprintf("lies-%d", number))
	outcome, err := t.look(ctx, s, number, found, "--psm", "0")
	if err != nil || outcome.Err() != nil { // the latter: there is too little text on it
		return 0, err
	}
	text, err := os.ReadFile(found + ".osd")
	if err != nil {
		return 0, fmt.Errorf("read how the page lies: %w", err)
	}
	if sure, found := numberOf(turnSure, text); !found || sure < sureEnough {
		return 0, nil
	}
	degrees, _ := numberOf(turnNeeded, text)
	return degrees, nil
}

func numberOf(line *regexp.Regexp, text []byte) (n int, found bool) {
	m := line.FindSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(string(m[1]))
	return n, err == nil
}

// textless are the numbers of the pages that have no text yet.
func (t *tesseract) textless(ctx context.Context, s source, count int) (numbers []int, err error) {
	made, err := t.convert(ctx, s, "txt", convert.Options{})
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(filepath.Dir(made))
	f, err := os.Open(made)
	if err != nil {
		return nil, fmt.Errorf("read the text: %w", err)
	}
	defer f.Close()
	text := bufio.NewReader(f)
	for n := range count {
		empty := true
		for {
			b, err := text.ReadByte()
			if err != nil && err != io.EOF {
				return nil, fmt.Errorf("read the text: %w", err)
			}
			if err == io.EOF || b == '\f' {
				break
			}
			empty = empty && b <= ' '
		}
		if empty {
			numbers = append(numbers, n+1)
		}
	}
	return numbers, nil
}

// convert has poppler make one file, in a folder of its own.
func (t *tesseract) convert(ctx context.Context, s source, to convert.Format, o convert.Options) (string, error) {
	dir, err := os.MkdirTemp(s.dir, "page-")
	if err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	made, err := convert.Convert(ctx, t.draw, convert.Job{
		In: s.in, Name: "in.pdf", From: "pdf", To: to, Dir: dir, Options: o, Limits: s.limits,
	})
	if err != nil {
		return "", err
	}
	return made[0], nil
}

// look draws a page and has tesseract look at it, with its output at a path to which it adds the extension.
func (t *tesseract) look(ctx context.Context, s source, number int, out string, args ...string) (toolbox.Outcome, error) {
	picture, err := t.convert(ctx, s, "tiff", convert.Options{Pages: strconv.Itoa(number), PixelDensity: scanDensity})
	if err != nil {
		return toolbox.Outcome{}, err
	}
	defer os.RemoveAll(filepath.Dir(picture))
	c := t.box.Command(t.tool, s.dir)
	c.Env, c.Bounds.Wall = oneThread, pageTime
	c.Args = append([]string{c.Path(picture), c.Path(out), "--dpi", strconv.Itoa(scanDensity)}, args...)
	return c.Run(ctx)
}
