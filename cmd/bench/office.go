package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gantry-engine/gantry/cmd"
)

// officeRuns is how often each document is converted in a round.
const officeRuns = 3

// office measures docx to pdf as whole jobs, from the POST to the answer of /wait, against LibreOffice's command line with a
// profile that is there already, and against one LibreOffice that is kept and spoken to over UNO, as unoserver does.
func office(ctx context.Context, s *suite) error {
	out, in := io.Pipe()
	serving, stop := context.WithCancel(ctx)
	served := make(chan int, 1)
	go func() {
		served <- cmd.Main(serving, serveArgs(filepath.Join(s.dir, "data")), cmd.Output(in, io.Discard))
		in.Close()
	}()
	defer func() { stop(); <-served }()
	base, err := announced(out)
	if err != nil {
		return err
	}
	uno, err := startUNO(ctx, s.dir)
	if err != nil {
		s.report.note("no UNO: %v", err)
	} else {
		defer uno.stop()
	}
	for name, pages := range map[string]int{"small": 1, "83 pages": 83} {
		path := filepath.Join(s.dir, fmt.Sprintf("in%d.docx", pages))
		if err := os.WriteFile(path, officeDocument(pages), 0o600); err != nil {
			return err
		}
		if err := s.officeFigure(ctx, client{base: base}, uno, name, path); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) officeFigure(ctx context.Context, c client, uno *unoPeer, name, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	job := `{"tasks": {"in": {"operation": "import/base64", "file": "` + base64.StdEncoding.EncodeToString(content) +
		`", "filename": "in.docx"}, "pdf": {"operation": "convert", "input": "in", "output_format": "pdf"},
		"out": {"operation": "export/url", "input": "pdf"}}}`
	convert := func() error {
		j, err := c.post(ctx, job)
		if err == nil {
			_, err = c.wait(ctx, j.ID)
		}
		return err
	}
	plain := func() error {
		return exec.CommandContext(ctx, "soffice", "-env:UserInstallation=file://"+filepath.Join(s.dir, "plain"), "--headless",
			"--norestore", "--convert-to", "pdf", "--outdir", s.dir, path).Run()
	}
	var ours, theirs, kept series
	for range s.rounds {
		ours.add(perMinute(convert))
		theirs.add(perMinute(plain))
		if uno != nil {
			kept.add(perMinute(func() error { return uno.convert(path, path+".pdf") }))
		}
	}
	if ours.err != nil || theirs.err != nil || kept.err != nil {
		return fmt.Errorf("%s: %w", name, firstError(ours.err, theirs.err, kept.err))
	}
	s.report.rate("docx to pdf, "+name, "a minute", ours, "soffice --headless", theirs, 5)
	if uno != nil {
		s.report.rate("docx to pdf, "+name, "a minute", ours, "over UNO, kept", kept, 1.1)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// perMinute returns how often in a minute f could run, after one run that does not count.
func perMinute(f func() error) (float64, error) {
	if err := f(); err != nil {
		return 0, err
	}
	began := time.Now()
	for range officeRuns {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return officeRuns * 60 / time.Since(began).Seconds(), nil
}

// officeDocument is a docx of about that many pages.
func officeDocument(pages int) []byte {
	const line = "A line of a document that is long enough to be like those that people write, with some words more to fill it."
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range []struct{ name, content string }{
		{"[Content_Types].xml", `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override ` +
			`PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		{"_rels/.rels", `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" ` +
			`Target="word/document.xml"/></Relationships>`},
		{"word/document.xml", `<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">` +
			`<w:body>` + strings.Repeat(`<w:p><w:r><w:t>`+line+`</w:t></w:r></w:p>`, 24*pages) + `</w:body></w:document>`},
	} {
		w, err := z.Create(m.name)
		if err == nil {
			_, err = io.WriteString(w, m.content)
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// unoScript keeps a connection to a LibreOffice, and converts what it reads two paths of.
const unoScript = `
import sys, time, uno
from com.sun.star.beans import PropertyValue
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
while True:
    try:
        context = resolver.resolve("uno:pipe,name=gantrybench;urp;StarOffice.ComponentContext")
        break
    except Exception:
        time.sleep(0.1)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
print("ready", flush=True)
for line in sys.stdin:
    source, target = line.rstrip("\n").split("\t")
    document = desktop.loadComponentFromURL("file://" + source, "_blank", 0, (PropertyValue("Hidden", 0, True, 0),))
    document.storeToURL("file://" + target, (PropertyValue("FilterName", 0, "writer_pdf_Export", 0),))
    document.close(True)
    print("done", flush=True)
`

// unoPeer is a LibreOffice that is kept, with a program that speaks to it.
type unoPeer struct {
	office, script *exec.Cmd
	in             io.WriteCloser
	out            *bufio.Scanner
}

// debianPython is the one that python3-uno is for.
const debianPython = "/usr/bin/python3"

func startUNO(ctx context.Context, dir string) (*unoPeer, error) {
	if err := exec.CommandContext(ctx, debianPython, "-c", "import uno").Run(); err != nil {
		return nil, fmt.Errorf("python3-uno is not installed: %w", err)
	}
	p := &unoPeer{
		office: exec.CommandContext(ctx, "soffice", "-env:UserInstallation=file://"+filepath.Join(dir, "uno"), "--headless",
			"--norestore", "--accept=pipe,name=gantrybench;urp"),
		script: exec.CommandContext(ctx, debianPython, "-c", unoScript),
	}
	p.office.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if p.in, err = p.script.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.script.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.office.Start(); err != nil {
		return nil, err
	}
	if err := p.script.Start(); err != nil {
		return nil, err
	}
	return p, p.answer()
}

func (p *unoPeer) answer() error {
	if !p.out.Scan() {
		return fmt.Errorf("the UNO peer ended: %w", p.out.Err())
	}
	return nil
}

func (p *unoPeer) convert(from, to string) error {
	if _, err := fmt.Fprintf(p.in, "%s\t%s\n", from, to); err != nil {
		return err
	}
	return p.answer()
}

func (p *unoPeer) stop() {
	p.in.Close()
	_ = p.script.Wait()
	_ = syscall.Kill(-p.office.Process.Pid, syscall.SIGTERM) // soffice is a script that starts another
	_ = p.office.Wait()
}
