package all_test

import (
	"encoding/json"
	"fmt"
	"image/color"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// oddStems begin names that some program would take for an option, a list of arguments, a coder, a pattern or a command.
var oddStems = []string{"-i", "--help", "-", "-execute", "@a", "@", "a:b", "msl:a", "ephemeral:a", "fd:3", "|touch a", "a%d", "a%03d", "$(touch a)", "`touch a`",
	`'"a"'`, `a\nb`, "a b", "a;b&c", "a[0]", "*", "a,b", "concat:a", "data:a", "file:a", "http:__a", "-o.x", "a\x00b\nc\td", "../../a", `..\a`, "\u202ea", "größe", "~"}

// TestOddNames gives every operation files whose names are anything but names, and filenames for what comes of them: the
// files are worked on like others, by the default engine and, of conversions, by each.
func TestOddNames(t *testing.T) {
	operations := all.Operations(t.Context(), boxOf(t, toolbox.Bubblewrap, time.Minute))
	s := enginetest.Start(t, append(operations, bringing())...)
	pictured, sound := picture(t, 40, 30, color.White), document(t, 1)
	for operation, tt := range map[string]struct{ params, ext, content string }{
		"convert": {`"output_format":"jpg"`, ".png", pictured}, "convert imagemagick": {`"output_format":"jpg","engine":"imagemagick"`, ".png", pictured},
		"convert ffmpeg": {`"output_format":"jpg","engine":"ffmpeg"`, ".mp4", film(t)}, "convert pandoc": {`"output_format":"html","engine":"pandoc"`, ".md", "# x"},
		"convert libreoffice": {`"output_format":"pdf","engine":"libreoffice"`, ".csv", "a,b\n"}, "convert poppler": {`"output_format":"txt","engine":"poppler"`, ".pdf", sound},
		"convert 7-zip":  {`"output_format":"7z","engine":"7-zip"`, ".zip", packed(packedFile{"-i @a.txt", "x"})},
		"convert chrome": {`"output_format":"pdf","engine":"chrome"`, ".html", "<p>x"},
		"thumbnail":      {`"output_format":"png"`, ".png", pictured}, "optimize": {``, ".png", pictured}, "optimize pdf": {``, ".pdf", sound},
		"watermark": {`"text":"-i"`, ".png", pictured}, "watermark pdf": {`"text":"@x"`, ".pdf", sound}, "merge": {`"output_format":"pdf"`, ".pdf", sound},
		"metadata/write": {`"metadata":{"Title":"-x"}`, ".png", pictured}, "archive": {`"output_format":"zip"`, ".png", pictured},
		"pdf/a": {``, ".pdf", sound}, "pdf/ocr": {``, ".pdf", sound}, "pdf/rotate-pages": {`"rotation":"+90"`, ".pdf", sound},
		"pdf/extract-pages": {`"pages":"1"`, ".pdf", sound}, "pdf/split-pages": {``, ".pdf", sound}, "pdf/encrypt": {`"set_password":"-x"`, ".pdf", sound},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(operation, " ")
			var files []stored
			for i, stem := range oddStems {
				if i%16 != len(operation)%16 && !*everyAttack { // no name reaches a program, so a few must do
					continue
				}
				files = append(files, stored{stem + tt.ext, tt.content})
			}
			for _, filename := range []string{"", "../-i %d.x"} {
				params := fmt.Sprintf(`{%s}`, strings.Trim(fmt.Sprintf(`%s,"filename":%q`, tt.params, filename), ","))
				job := s.MustEnd(t, s.MustSubmit(t, brings("in", files...), enginetest.Task("do", name, params, "in")).ID)
				task := enginetest.Named(t, job, "do")
				if task.Status != engine.StatusFinished {
					t.Errorf("%s: %s %s", filename, task.Code, task.Message)
					continue
				}
				if len(task.Result.Files) != len(files) && len(task.Result.Files) != 1 {
					t.Errorf("%s: got %d files of %d", filename, len(task.Result.Files), len(files))
				}
				for _, f := range task.Result.Files {
					if f.Name != engine.CleanName(f.Name) || f.Dir != "" {
						t.Errorf("an output is called %q in %q", f.Name, f.Dir)
					}
				}
			}
		})
	}
	t.Run("command", func(t *testing.T) {
		for _, stem := range oddStems {
			given := engine.CleanName(stem + ".png")
			raw, _ := json.Marshal(map[string]any{"engine": "graphicsmagick", "command": "gm", "capture_output": true,
				"arguments": "identify -format %w '/input/in/" + strings.ReplaceAll(given, "'", `'\''`) + "'"})
			job := s.MustEnd(t, s.MustSubmit(t, brings("in", stored{stem + ".png", pictured}), enginetest.Task("do", "command", string(raw), "in")).ID)
			// What the program makes of such a name is between it and the user, who gave both.
			if task := enginetest.Named(t, job, "do"); task.Code != "" && task.Code != engine.Invalid {
				t.Errorf("%q: %s %s", stem, task.Code, task.Message)
			}
		}
	})
}
