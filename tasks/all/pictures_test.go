package all_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
	_ "golang.org/x/image/webp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// TestMain makes this test binary be a worker of LibreOffice when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == lok.Argument {
		os.Exit(lok.Main(os.Args[2:]))
	}
	os.Setenv("CANARY", canaryText)
	os.Exit(m.Run())
}

type stored struct{ Name, Content string }

// boxes are one that finds the installed programs, and one that finds none.
func boxes(t *testing.T) map[string]*toolbox.Box {
	t.Helper()
	found := map[string]*toolbox.Box{}
	for name, kind := range map[string]toolbox.Kind{"installed": "", "embedded": toolbox.Refused} {
		box, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Sandbox: kind})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(box.Close)
		found[name] = box
	}
	return found
}

// run runs one task on the file f, with the file of a task "mark" beside it, and returns its outputs' contents.
func run(t *testing.T, box *toolbox.Box, operation, params string, f stored) (engine.Task, []string) {
	t.Helper()
	mark := stored{"mark.png", picture(t, 20, 20, color.NRGBA{G: 255, A: 255})}
	operations := append(all.Operations(t.Context(), box), enginetest.Bringing("import/test", f), enginetest.Bringing("import/mark", mark))
	s := enginetest.Start(t, operations...)
	job := s.MustEnd(t, s.MustSubmit(t, enginetest.Task("in", "import/test", ""), enginetest.Task("mark", "import/mark", ""),
		enginetest.Task("out", operation, params, "in")).ID)
	task := enginetest.Named(t, job, "out")
	var contents []string
	if task.Status != engine.StatusFinished {
		return task, nil
	}
	for _, made := range task.Result.Files {
		contents = append(contents, s.Content(t, made))
	}
	return task, contents
}

func picture(t *testing.T, w, h int, c color.Color) string {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func document(t *testing.T, pages int) string {
	t.Helper()
	d := fpdf.New("P", "pt", "A4", "")
	d.SetFont("Helvetica", "", 40)
	for n := range pages {
		d.AddPage()
		d.Text(100, 100, fmt.Sprintf("page %d", n+1))
	}
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func film(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:size=160x120:rate=10:duration=2",
		"-f", "lavfi", "-i", "sine=duration=2", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-shortest", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg makes no film: %v: %s", err, out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func decode(t *testing.T, content string) image.Image {
	t.Helper()
	img, _, err := image.Decode(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestThumbnails(t *testing.T) {
	red := stored{"p.png", picture(t, 400, 200, color.NRGBA{R: 255, A: 255})}
	clip, pages := stored{"f.mp4", film(t)}, stored{"d.pdf", document(t, 3)}
	for name, box := range boxes(t) {
		for _, c := range []struct {
			params string
			in     stored
			count  int
			size   image.Point
			tools  bool // needs installed programs
		}{
			{`{"output_format":"jpg","width":100,"height":100}`, red, 1, image.Pt(100, 50), false},
			{`{"output_format":"png","width":100,"height":100,"fit":"crop"}`, red, 1, image.Pt(100, 100), false},
			{`{"output_format":"webp","width":30,"height":70,"fit":"scale"}`, red, 1, image.Pt(30, 70), false},
			{`{"output_format":"jpg","width":100}`, pages, 1, image.Pt(100, 141), true},
			{`{"output_format":"png","width":50,"count":2}`, pages, 2, image.Pt(50, 71), true},
			{`{"output_format":"png","width":80,"count":3,"timestamp":"00:00:01"}`, clip, 3, image.Pt(80, 60), true},
			{`{"output_format":"jpg","height":60}`, clip, 1, image.Pt(80, 60), true},
		} {
			if name == "embedded" && c.tools {
				continue
			}
			t.Run(name+" "+c.params, func(t *testing.T) {
				task, made := run(t, box, "thumbnail", c.params, c.in)
				if len(made) != c.count {
					t.Fatalf("got %d thumbnails, %s %s, want %d", len(made), task.Code, task.Message, c.count)
				}
				if got := decode(t, made[0]).Bounds().Size(); got != c.size {
					t.Errorf("got %v, want %v", got, c.size)
				}
			})
		}
	}
}

func TestOptimize(t *testing.T) {
	flat := stored{"p.png", picture(t, 200, 200, color.NRGBA{R: 200, A: 255})}
	for name, box := range boxes(t) {
		for _, f := range []stored{flat, {"d.pdf", document(t, 5)}} {
			t.Run(name+" "+f.Name, func(t *testing.T) {
				task, made := run(t, box, "optimize", `{}`, f)
				if len(made) != 1 || len(made[0]) > len(f.Content) {
					t.Fatalf("got %s %s, want something not larger", task.Code, task.Message)
				}
				if f.Name == "p.png" && (len(made[0]) > len(f.Content)/10 || decode(t, made[0]).Bounds().Dx() != 200) {
					t.Errorf("got %d bytes of %d, want far less", len(made[0]), len(f.Content))
				}
				if again, _ := run(t, box, "optimize", `{"profile":"archive"}`, stored{f.Name, made[0]}); again.Status != engine.StatusFinished {
					t.Errorf("again: got %s %s", again.Code, again.Message)
				}
			})
		}
		if task, _ := run(t, box, "optimize", `{}`, stored{"x.gif", "GIF89a no more"}); task.Code != engine.Unsupported && task.Code != engine.Invalid {
			t.Errorf("got %s, want a refusal of a gif", task.Code)
		}
	}
}

// isGreen reports whether the picture of the task "mark" shows at a place.
func isGreen(img image.Image, x, y int) bool {
	r, g, _, _ := img.At(img.Bounds().Min.X+x, img.Bounds().Min.Y+y).RGBA()
	return g > 0x9000 && r < 0x7000
}

func TestWatermarks(t *testing.T) {
	red := picture(t, 200, 100, color.NRGBA{R: 255, A: 255})
	corner := `"image":"mark","position_horizontal":"left","position_vertical":"top","margin_vertical":10,"margin_horizontal":10`
	for name, box := range boxes(t) {
		t.Run(name+" picture", func(t *testing.T) {
			task, made := run(t, box, "watermark", "{"+corner+"}", stored{"p.png", red})
			if len(made) != 1 {
				t.Fatalf("got %s %s", task.Code, task.Message)
			}
			if img := decode(t, made[0]); !isGreen(img, 20, 20) || isGreen(img, 5, 5) || isGreen(img, 100, 50) {
				t.Error("the mark is not where it should be")
			}
		})
		t.Run(name+" text", func(t *testing.T) {
			_, made := run(t, box, "watermark", `{"text":"WWW","font_color":"#00ff00","font_width_percent":80,"rotation":5}`, stored{"p.png", red})
			if len(made) != 1 {
				t.Fatal("got nothing")
			}
			img, green := decode(t, made[0]), 0
			for x := range 200 {
				if isGreen(img, x, 50) {
					green++
				}
			}
			if green < 10 || green > 160 {
				t.Errorf("got %d green points in the middle line, want those of letters", green)
			}
		})
		t.Run(name+" pdf", func(t *testing.T) {
			for _, params := range []string{`{"text":"DRAFT","pages":"2"}`, "{" + corner + "}", `{"text":"ΔRAFT","font_width_percent":50,"layer":"below"}`} {
				task, made := run(t, box, "watermark", params, stored{"d.pdf", document(t, 2)})
				if len(made) != 1 {
					t.Fatalf("%s: got %s %s", params, task.Code, task.Message)
				}
				path := filepath.Join(t.TempDir(), "out.pdf")
				if err := os.WriteFile(path, []byte(made[0]), 0o600); err != nil {
					t.Fatal(err)
				}
				text, err := exec.CommandContext(t.Context(), "pdftotext", path, "-").Output()
				if err != nil {
					enginetest.Missing(t, "poppler")
				}
				if want := strings.Count(params, "DRAFT"); strings.Count(string(text), "DRAFT") != want {
					t.Errorf("%s: got text %q, want DRAFT %d times", params, text, want)
				}
			}
		})
	}
	t.Run("film", func(t *testing.T) {
		box := boxes(t)["installed"]
		_, made := run(t, box, "watermark", "{"+corner+"}", stored{"f.mp4", film(t)})
		if len(made) != 1 {
			t.Fatal("got nothing")
		}
		_, frames := run(t, box, "thumbnail", `{"output_format":"png"}`, stored{"f.mp4", made[0]})
		if img := decode(t, frames[0]); !isGreen(img, 20, 20) || isGreen(img, 80, 60) {
			t.Error("the mark is not where it should be")
		}
	})
}

func TestWatermarkNeedsTextOrImage(t *testing.T) {
	box := boxes(t)["embedded"]
	for _, op := range all.Operations(t.Context(), box) {
		if op.Name != "watermark" {
			continue
		}
		for raw, field := range map[string]string{`{}`: "text", `{"text":"a","image":"b"}`: "text", `{"text":"a","font_color":"red"}`: "font_color"} {
			params, problems := op.Params.Decode([]byte(raw))
			if problems = append(problems, op.Check(params, nil)...); len(problems) != 1 || problems[0].Field != field {
				t.Errorf("%s: got %v, want a problem of %s", raw, problems, field)
			}
		}
	}
}
