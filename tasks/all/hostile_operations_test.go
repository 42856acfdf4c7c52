package all_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// TestHostileOperations gives hostile files and parameters to every operation that takes files, as jobs of a real engine:
// as bubblewrap fences programs in, and again as Landlock does. An operation that is added fails it until it has strikes.
func TestHostileOperations(t *testing.T) {
	for fence, much := range map[toolbox.Kind]int{toolbox.Bubblewrap: 16, toolbox.Landlock: 6} {
		if *everyAttack {
			much = 1 << 20
		}
		t.Run(string(fence), func(t *testing.T) {
			operations := all.Operations(t.Context(), boxOf(t, fence, time.Minute))
			s, film := enginetest.Start(t, append(operations, bringing())...), magenta(t)
			for n, op := range operations {
				if op.Source || op.Name == "convert" { // TestHostileFiles has that
					continue
				}
				t.Run(op.Name, func(t *testing.T) {
					t.Parallel()
					c := newCanary(t, film)
					all := strikes(t, c, op)
					if len(all) == 0 {
						t.Error("no hostile file is for this operation")
					}
					for i := range min(much, len(all)) { // the first, and another choice for every operation
						at := (n + i*max(1, len(all)/much)) % len(all)
						if i == 0 {
							at = 0
						}
						c.struck(t, s, op.Name, all[at])
					}
					c.untouched(t)
				})
			}
		})
	}
}

// bringing is an operation that makes files of its parameters.
func bringing() engine.Operation {
	type params struct {
		Names    []string `json:"names"`
		Contents []string `json:"contents"`
	}
	op := engine.Define("import/test", "Bring test files in.", engine.LaneNet, params{},
		engine.HandlerFunc[params](func(ctx context.Context, run *engine.Run, p params) (result engine.Result, err error) {
			for i, name := range p.Names {
				made, err := run.Create(ctx, name, base64.NewDecoder(base64.StdEncoding, strings.NewReader(p.Contents[i])))
				if err != nil {
					return result, err
				}
				result.Files = append(result.Files, made)
			}
			return result, nil
		}))
	op.Source = true
	return op
}

// brings is a task that brings these files in.
func brings(name string, files ...stored) engine.TaskSpec {
	p := map[string][]string{"names": {}, "contents": {}}
	for _, f := range files {
		p["names"] = append(p["names"], f.Name)
		p["contents"] = append(p["contents"], base64.StdEncoding.EncodeToString([]byte(f.Content)))
	}
	raw, _ := json.Marshal(p) // strings always can be
	return enginetest.Task(name, "import/test", string(raw))
}

// strike is a hostile use of an operation.
type strike struct {
	name   string
	params string
	file   stored
	mark   string // content of the file of a task "mark"
	words  bool   // what it reads would be drawn
}

// struck does what a strike asks for. Neither what comes of it nor what is told may have the canary.
func (c *canary) struck(t *testing.T, s *enginetest.Server, operation string, k strike) {
	t.Helper()
	before := c.calls.Load()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	job, err := s.Submit(ctx, s.User, engine.Submission{Tasks: []engine.TaskSpec{
		brings("in", k.file), brings("mark", stored{"mark.png", k.mark}), enginetest.Task("do", operation, k.params, "in"),
	}})
	if err != nil {
		c.said(t, k.name, engine.MessageOf(err))
		return
	}
	if job, err = s.WaitJob(ctx, s.User, job.ID); err != nil {
		t.Fatalf("%s: it does not end: %v", k.name, err)
	}
	task := enginetest.Named(t, job, "do")
	c.said(t, k.name, task.Message)
	t.Logf("%s: %s %s %s", k.name, task.Status, task.Code, task.Message)
	if task.Code == engine.Internal {
		t.Errorf("%s: the failure was not foreseen", k.name)
	}
	for _, content := range shownBy(t, s, task) {
		if how := c.in(t, content, k.words); how != "" {
			t.Errorf("%s: the result has the canary: %s", k.name, how)
		}
		if strings.Contains(string(content), s.WorkDir) {
			t.Errorf("%s: the result shows the server's folder", k.name)
		}
	}
	if c.calls.Load() != before {
		t.Errorf("%s: the server was called", k.name)
	}
}

// shownBy is all that a task's result shows.
func shownBy(t *testing.T, s *enginetest.Server, task engine.Task) (shown [][]byte) {
	t.Helper()
	if task.Result == nil {
		return nil
	}
	told, err := json.Marshal([]any{task.Result.Metadata, task.Result.Output})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, told)
	for _, f := range task.Result.Files {
		shown = append(shown, []byte(s.Content(t, f)))
	}
	return shown
}

// insides are paths that mean nothing to the person who sent a task, or too much.
var insides = regexp.MustCompile(`(?:^|[^\w.:/-])(?:file://)?/(?:job|in|input|output|tmp|usr|opt|proc|etc|var|run|dev|home|root)/`)

// said holds a message against what a person may see.
func (c *canary) said(t *testing.T, name, message string) {
	t.Helper()
	if found := insides.FindString(message); found != "" || strings.Contains(message, os.TempDir()) || strings.Contains(message, canaryText) {
		t.Errorf("%s: the message shows too much (%s): %s", name, found, message)
	}
}

// untouched makes sure that the canary's folder is as it was made.
func (c *canary) untouched(t *testing.T) {
	t.Helper()
	if now := c.listed(t); now != c.made {
		t.Errorf("the canary's folder has %s, and had %s", now, c.made)
	}
}

// listed tells names and sizes in the canary's folder.
func (c *canary) listed(t *testing.T) (list string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(c.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list += fmt.Sprintf("%s %d ", path, info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// strikes are the hostile uses of one operation.
func strikes(t *testing.T, c *canary, op engine.Operation) []strike {
	t.Helper()
	pictured, sound := picture(t, 64, 64, color.White), document(t, 2)
	switch op.Name {
	case "thumbnail":
		return c.filesFor(t, op, `{"output_format":"png","count":2}`)
	case "merge":
		return c.filesFor(t, op, `{"output_format":"pdf"}`)
	case "optimize":
		return append(c.filesFor(t, op, `{}`), c.disguised("png", `{}`)...)
	case "metadata":
		return c.filesFor(t, op, `{}`)
	case "metadata/write":
		return append(c.tags(pictured), c.filesFor(t, op, `{"metadata":{"Title":"x"}}`)...)
	case "archive":
		return c.filesFor(t, op, `{"output_format":"zip"}`)
	case "watermark":
		return append(c.marks(pictured, sound), c.filesFor(t, op, `{"text":"x"}`)...)
	case "command":
		return c.commands(pictured)
	}
	if params, ok := map[string]string{
		"pdf/a": `{}`, "pdf/ocr": `{"auto_orient":true}`, "pdf/encrypt": `{"set_password":"@/etc/passwd"}`, "pdf/decrypt": `{"password":"--x"}`,
		"pdf/split-pages": `{}`, "pdf/extract-pages": `{"pages":"1"}`, "pdf/rotate-pages": `{"rotation":"+90"}`,
	}[op.Name]; ok {
		return append(c.filesFor(t, op, params), c.disguised("pdf", params)...)
	}
	return nil
}

// filesFor are the hostile files of the formats that an operation reads, one of each format first.
func (c *canary) filesFor(t *testing.T, op engine.Operation, params string) (found []strike) {
	var reads []convert.Format
	for _, row := range op.Rows() {
		reads = append(reads, convert.Format(row.InputFormat))
	}
	var more []strike
	seen := map[convert.Format]bool{}
	for n, h := range reaching() {
		if !slices.Contains(reads, h.from) && !slices.Contains(reads, "") {
			continue
		}
		links := c.links()
		if h.alone {
			links = links[n%3 : n%3+1]
		}
		k := strike{name: h.name + " (" + string(h.from) + ")", params: params, words: h.words,
			file: stored{"a." + string(h.from), h.content(links...)}}
		if seen[h.from] {
			more = append(more, k)
			continue
		}
		seen[h.from] = true
		found = append(found, k)
	}
	return append(found, more...)
}

// disguised are hostile files under the name of a format.
func (c *canary) disguised(format, params string) (found []strike) {
	for _, d := range c.disguises() {
		found = append(found, strike{name: d.name + " as " + format, params: params, words: d.words, file: stored{"a." + format, d.content(d.link)}})
	}
	return found
}

// marks are watermarks that reach out, on a picture and on a PDF.
func (c *canary) marks(pictured, document string) (found []strike) {
	for n, on := range []stored{{"a.png", pictured}, {"a.pdf", document}} {
		for i, d := range c.disguises() {
			if i%2 == n {
				found = append(found, strike{name: d.name + " as the mark of " + on.Name, params: `{"image":"mark"}`, file: on, mark: d.content(d.link), words: d.words})
			}
		}
	}
	for _, text := range []string{"@" + c.dir + "/canary.txt", "%[fx:0]%d %{filename}", "text:" + c.dir + "/canary.txt", "(" + c.dir + "/canary.ps) run"} {
		raw, _ := json.Marshal(map[string]string{"text": text, "font_name": c.dir + "/canary.txt"})
		found = append(found, strike{name: "text " + text, params: string(raw), file: stored{"a.pdf", document}})
	}
	return found
}

// tags are arguments of exiftool in disguise. Names that are no tags are refused.
func (c *canary) tags(pictured string) (found []strike) {
	file := c.dir + "/canary.txt"
	for name, value := range map[string]string{
		"Title": "x\n-execute\n-o\n" + c.dir + "/made.txt\n" + file, "Title<": file, "Title<=" + file: "x", "title": "<=" + file, "XMP:Title": "base64:Ly8=",
		"Comment": "@" + file, "-stay_open": "True", "-if": "system('touch " + c.dir + "/made')", "FileName": c.dir + "/made.png", "Directory": c.dir,
		"HardLink": c.dir + "/made", "SymLink": c.dir + "/made", "filename": "x", "EXIF:FileName": "x", "XMP:xmp:Title": "x", "SourceFile": file, "-@": file,
		"Title\n-FileName": c.dir + "/made", "Title=x -o": "x", "Author": "$(cat " + file + ")`cat " + file + "`", "-config": file, "ThumbnailImage<=" + file: "",
		"Artist": "-echo4\n${FilePath;`cat " + file + "`}", "Geotag": file, "ICC_Profile<=" + file: "x", "all": "", "Copyright": "${filepath}",
	} {
		raw, _ := json.Marshal(map[string]any{"metadata": map[string]string{name: value}})
		found = append(found, strike{name: fmt.Sprintf("%q=%q", name, value), params: string(raw), file: stored{"a.png", pictured}})
	}
	slices.SortFunc(found, func(a, b strike) int { return strings.Compare(a.name, b.name) })
	return found
}
