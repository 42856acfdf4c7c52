package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// conversion is one task, and what does the same work alone.
type conversion struct {
	name      string
	operation string
	params    string // without input
	inputs    []string
	peers     []peer
}

type peer struct {
	name string
	aim  float64
	args []string // OUT stands for a folder that is new each time
}

// conversions measures other tasks than those of office documents as they are served: from the POST of one task on files
// that are there to the answer of /wait. The peers are programs started for each file.
func conversions(ctx context.Context, s *suite) (err error) {
	in, err := s.conversionInputs()
	if err != nil {
		return err
	}
	server, err := s.serve(ctx, filepath.Join(s.dir, "data"))
	if err != nil {
		return err
	}
	defer func() {
		if stopped := server.stop(); err == nil {
			err = stopped
		}
	}()
	for _, c := range []conversion{
		{"html to pdf", "convert", `"output_format": "pdf"`, in[:1], []peer{
			{"fresh Chromium", 4, []string{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
				"--user-data-dir=OUT", "--print-to-pdf=OUT/out.pdf", "file://" + in[0]}},
			{"fresh headless shell", 0, []string{"chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
				"--user-data-dir=OUT", "--print-to-pdf=OUT/out.pdf", "file://" + in[0]}}}},
		{"4k jpg to a thumbnail", "thumbnail", `"output_format": "jpg", "width": 400, "height": 400`, in[1:2], []peer{
			{"ImageMagick", 1.2, []string{"convert", in[1], "-auto-orient", "-thumbnail", "400x400", "OUT/out.jpg"}}}},
		{"30 pages of pdf to jpg", "convert", `"output_format": "jpg", "pixel_density": 100`, in[2:3], []peer{
			{"pdftoppm", 0.9, []string{"pdftoppm", "-r", "100", "-jpeg", in[2], "OUT/out"}}}},
		{"40 MB of text to zip", "archive", `"output_format": "zip"`, in[3:], []peer{
			{"Info-ZIP", 2, append([]string{"zip", "-q", "-j", "OUT/out.zip"}, in[3:]...)},
			{"7-Zip", 1, append([]string{"7zz", "a", "-bso0", "-bsp0", "-tzip", "OUT/out.zip"}, in[3:]...)}}},
	} {
		if err := s.conversionFigure(ctx, server.client, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (s *suite) conversionFigure(ctx context.Context, c client, work conversion) error {
	var ids []string
	for _, path := range work.inputs {
		id, err := c.bring(ctx, path)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	input, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"input": %s, %s}`, input, work.params)
	ours, theirs := series{}, make([]series, len(work.peers))
	for range s.rounds {
		ours.add(perMinute(func() error { return c.runTask(ctx, work.operation, body) }))
		for i, p := range work.peers {
			theirs[i].add(perMinute(func() error { return s.peer(ctx, p) }))
		}
	}
	for i, p := range work.peers {
		if err := firstError(ours.err, theirs[i].err); err != nil {
			return err
		}
		s.report.rate(work.name, "a minute", ours, p.name, theirs[i], p.aim)
	}
	return nil
}

// bring imports a file, and returns the id of the task that has it.
func (c client) bring(ctx context.Context, path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	t, err := c.call(ctx, http.MethodPost, "/v2/import/base64", fmt.Sprintf(`{"filename": %q, "file": %q}`,
		filepath.Base(path), base64.StdEncoding.EncodeToString(content)))
	if err != nil {
		return "", err
	}
	_, err = c.call(ctx, http.MethodGet, "/v2/tasks/"+t.ID+"/wait", "")
	return t.ID, err
}

// runTask runs one task to its end.
func (c client) runTask(ctx context.Context, operation, body string) error {
	t, err := c.call(ctx, http.MethodPost, "/v2/"+operation, body)
	if err != nil {
		return err
	}
	t, err = c.call(ctx, http.MethodGet, "/v2/tasks/"+t.ID+"/wait", "")
	if err == nil && t.Status != "finished" {
		err = fmt.Errorf("the task ended with %s: %s", t.Status, t.Message)
	}
	return err
}

// peer runs a program once.
func (s *suite) peer(ctx context.Context, p peer) error {
	dir, err := os.MkdirTemp(s.dir, "peer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := make([]string, len(p.args))
	for i, a := range p.args {
		args[i] = strings.ReplaceAll(a, "OUT", dir)
	}
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.300s", p.name, err, out)
	}
	return nil
}

// conversionInputs writes a page of HTML, a picture of 3840 by 2160, a PDF of 30 pages, and four texts of 10 MB.
func (s *suite) conversionInputs() ([]string, error) {
	source := rand.New(rand.NewPCG(1, 2))
	files := []struct {
		name string
		make func(*bytes.Buffer) error
	}{
		{"page.html", func(b *bytes.Buffer) error {
			b.WriteString("<!DOCTYPE html><title>A page</title><style>h1 { color: #036 }</style><h1>A page</h1>")
			for range 60 {
				fmt.Fprintf(b, "<p>%s</p>", sentence(source))
			}
			return nil
		}},
		{"photo.jpg", func(b *bytes.Buffer) error { return photo(b, source) }},
		{"pages.pdf", func(b *bytes.Buffer) error {
			d := fpdf.New("P", "pt", "A4", "")
			d.SetFont("Helvetica", "", 11)
			for range 30 {
				d.AddPage()
				for line := range 45 {
					d.Text(60, 60+16*float64(line), sentence(source))
				}
			}
			return d.Output(b)
		}},
	}
	for i := range 4 {
		files = append(files, struct {
			name string
			make func(*bytes.Buffer) error
		}{fmt.Sprintf("text%d.txt", i), func(b *bytes.Buffer) error {
			for b.Len() < 10<<20 {
				b.WriteString(sentence(source) + "\n")
			}
			return nil
		}})
	}
	var paths []string
	for _, f := range files {
		var b bytes.Buffer
		if err := f.make(&b); err != nil {
			return nil, err
		}
		path := filepath.Join(s.dir, f.name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// sentence is ten words out of a few thousand, some more frequent than others.
func sentence(source *rand.Rand) string {
	words := make([]string, 10)
	for i := range words {
		n := int(4000 * source.Float64() * source.Float64())
		words[i] = fmt.Sprintf("%c%c%x", 'a'+rune(n%23), 'e'+rune(n%7), n*n%65537)
	}
	return strings.Join(words, " ")
}

// photo is smooth with some noise, as what cameras write.
func photo(b *bytes.Buffer, source *rand.Rand) error {
	img := image.NewRGBA(image.Rect(0, 0, 3840, 2160))
	for y := range 2160 {
		for x := range 3840 {
			noise := uint8(source.IntN(24))
			img.SetRGBA(x, y, color.RGBA{uint8(x/16) + noise, uint8(y/9) + noise, uint8((x+y)/24) + noise, 255})
		}
	}
	return jpeg.Encode(b, img, &jpeg.Options{Quality: 92})
}
