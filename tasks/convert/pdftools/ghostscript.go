package pdftools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Ghostscript makes PDFs of PostScript. PostScript is a programming language, and what a file of it does is not known before:
// it runs only behind a fence, where it reads and writes nothing but its own file and output.
type Ghostscript struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

// NewGhostscript returns the engine, or nil unless the program is there and a fence works here.
func NewGhostscript(ctx context.Context, box *toolbox.Box) *Ghostscript {
	if box.Kind() == toolbox.Unsandboxed || box.Kind() == toolbox.Refused {
		return nil
	}
	tool, ok := box.Find(ctx, toolbox.Program{
		Name: "ghostscript", Files: []string{"gs"}, Version: regexp.MustCompile(`^(\d+\.[\d.]+)`),
	})
	if !ok {
		return nil
	}
	return &Ghostscript{box, tool}
}

// Name is "ghostscript".
func (*Ghostscript) Name() string { return "ghostscript" }

// Version is that of the program.
func (g *Ghostscript) Version() string { return g.tool.Version }

// Pairs lists ps and eps to pdf.
func (*Ghostscript) Pairs() []convert.Pair {
	return []convert.Pair{{From: "ps", To: "pdf"}, {From: "eps", To: "pdf"}}
}

// Convert implements convert.Engine.
func (g *Ghostscript) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	args := []string{"-sDEVICE=pdfwrite"}
	if job.From == "eps" {
		args = append(args, "-dEPSCrop")
	}
	if err := g.write(ctx, job.In, job.Out(), args...); err != nil {
		return nil, err
	}
	return []string{job.Out()}, nil
}

// Profile is for what a PDF is made smaller.
type Profile string

// The profiles, from the smallest file to the best pictures.
const (
	ProfileScreen  Profile = "screen"  // 72 dots per inch
	ProfileEbook   Profile = "ebook"   // 150
	ProfilePrinter Profile = "printer" // 300
)

// Shrink writes the PDF in as out, with pictures no finer than the profile needs. It pays on scans, not on text.
func (g *Ghostscript) Shrink(ctx context.Context, in, out string, profile Profile) error {
	return g.write(ctx, in, out, "-sDEVICE=pdfwrite", "-dPDFSETTINGS=/"+string(profile))
}

// colours is where Ghostscript keeps its profile of sRGB, in the version 2 that all parts of PDF/A allow.
const colours = "/usr/share/color/icc/ghostscript/srgb.icc"

// Archives reports whether Archive can work here.
func (g *Ghostscript) Archives() bool {
	info, err := os.Stat(colours)
	return err == nil && info.Mode().IsRegular()
}

// intent is PostScript that puts the profile of the colours into the PDF, without which it is no PDF/A.
const intent = `[/_objdef {profile} /type /stream /OBJ pdfmark
[{profile} <</N 3>> /PUT pdfmark
[{profile} (%s) (r) file /PUT pdfmark
[/_objdef {intent} /type /dict /OBJ pdfmark
[{intent} <</Type /OutputIntent /S /GTS_PDFA1 /DestOutputProfile {profile} /OutputConditionIdentifier (sRGB)
  /Info (sRGB IEC61966-2.1)>> /PUT pdfmark
[{Catalog} <</OutputIntents [{intent}]>> /PUT pdfmark
`

// Archive writes the PDF in as out, as PDF/A of a part (1, 2 or 3) at level b. All colours become those of sRGB, what the
// standard forbids is left out, and pictures lose nothing. Whether the output conforms is for the caller to check.
func (g *Ghostscript) Archive(ctx context.Context, in, out, part string) error {
	c := g.box.Command(g.tool, filepath.Dir(out))
	profile := c.In(colours)
	script := out + ".intent.ps"
	if err := os.WriteFile(script, fmt.Appendf(nil, intent, profile), 0o600); err != nil {
		return fmt.Errorf("write what makes it PDF/A: %w", err)
	}
	defer os.Remove(script)
	c.Args = []string{"--permit-file-read=" + profile, "-sDEVICE=pdfwrite", "-dPDFA=" + part, "-dPDFACompatibilityPolicy=1",
		"-sColorConversionStrategy=RGB", "-dAutoFilterColorImages=false", "-dColorImageFilter=/FlateEncode",
		"-dAutoFilterGrayImages=false", "-dGrayImageFilter=/FlateEncode"}
	return g.run(ctx, c, in, out, c.Path(script))
}

// maxGhostscript bounds a program that need not end.
const maxGhostscript = 10 * time.Minute

func (g *Ghostscript) write(ctx context.Context, in, out string, args ...string) error {
	c := g.box.Command(g.tool, filepath.Dir(out))
	c.Args = args
	return g.run(ctx, c, in, out)
}

// run runs the scripts, as the program sees them, and then the file.
func (g *Ghostscript) run(ctx context.Context, c *toolbox.Command, in, out string, scripts ...string) error {
	c.Args = append([]string{"-dSAFER", "-dBATCH", "-dNOPAUSE", "-q"}, c.Args...)
	c.Args = append(c.Args, "-sOutputFile="+strings.ReplaceAll(c.Path(out), "%", "%%"))
	c.Args = append(append(c.Args, scripts...), "-f", c.In(in))
	c.Bounds.Wall = maxGhostscript
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(outcome.Messages, "password") {
		return engine.Errorf(engine.Invalid, "The PDF is protected by a password: remove it with pdf/decrypt first.")
	}
	if err := outcome.Err(); err != nil {
		return engine.Wrap(err, engine.Invalid, "The file is damaged, or it asks for what is not allowed.")
	}
	return nil
}
