package all_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/all"
)

// TestRefusedAtPost tells at once what no file, or not this one, could make possible.
func TestRefusedAtPost(t *testing.T) {
	operations := all.Operations(t.Context(), boxes(t)["installed"])
	sound, drawing := engine.File{Name: "a.mp3", MIME: "audio/mpeg"}, engine.File{Name: "a.png", MIME: "image/png"}
	for _, c := range []struct {
		operation, params string
		known             []engine.File
		field, says       string // field is empty where nothing is wrong
	}{
		{"thumbnail", `{"output_format":"png"}`, []engine.File{sound}, "output_format", "a.mp3: This server cannot convert mp3 files"},
		{"thumbnail", `{"output_format":"png"}`, []engine.File{drawing}, "", ""},
		{"thumbnail", `{"output_format":"png","input_format":"mp3"}`, nil, "input_format", "cannot convert mp3 files"},
		{"thumbnail", `{"output_format":"png","engine":"nobody"}`, nil, "engine", "must be one of"},
		{"optimize", `{}`, []engine.File{sound, drawing}, "input", "a.mp3: This server cannot do this with mp3 files, only with jpg, pdf, png"},
		{"optimize", `{"engine":"pdfcpu"}`, []engine.File{drawing}, "input", "only with pdf"},
		{"optimize", `{"engine":"pdfcpu","engine_version":"0"}`, nil, "engine_version", "must be"},
		{"watermark", `{"text":"a","input_format":"mp3"}`, nil, "input_format", "only with"},
		{"watermark", `{"text":"a"}`, []engine.File{sound}, "input", "only with"},
		{"watermark", `{"text":"a"}`, []engine.File{drawing}, "", ""},
		{"watermark", `{"text":"a","engine":"nobody"}`, nil, "engine", "must be one of"},
		{"merge", `{"output_format":"pdf"}`, []engine.File{sound}, "output_format", "a.mp3"},
		{"merge", `{"output_format":"pdf","engine":"nobody"}`, nil, "engine", "must be one of"},
		{"pdf/split-pages", `{}`, []engine.File{drawing}, "input", "only with pdf"},
		{"pdf/rotate-pages", `{"rotation":"+90","engine":"nobody"}`, nil, "engine", "must be one of"},
		{"convert", `{"output_format":"webm","video_codec":"x264"}`, nil, "video_codec", "must be one of av1, copy, none, vp8, vp9: webm files"},
		{"convert", `{"output_format":"webm","video_codec":"vp8","audio_codec":"opus"}`, nil, "", ""},
		{"convert", `{"output_format":"webm","audio_codec":"aac","input_format":"mp4"}`, nil, "audio_codec", "copy, none, opus, vorbis"},
		{"convert", `{"output_format":"mp3","audio_codec":"none"}`, []engine.File{sound}, "audio_codec", "copy, mp3"},
		{"convert", `{"output_format":"mp4","rotate":45}`, nil, "rotate", "multiple of 90"},
		{"convert", `{"output_format":"au","audio_codec":"pcm"}`, nil, "", ""},
		{"convert", `{"output_format":"pdf","video_codec":"x264"}`, nil, "", ""}, // no option of it
		{"metadata", `{}`, []engine.File{drawing}, "", ""},
	} {
		t.Run(c.operation+" "+c.params, func(t *testing.T) {
			at := slices.IndexFunc(operations, func(op engine.Operation) bool { return op.Name == c.operation })
			if at < 0 {
				t.Fatal("the operation is not there")
			}
			op := operations[at]
			params, problems := op.Params.Decode([]byte(c.params))
			if op.Check != nil {
				problems = append(problems, op.Check(params, c.known)...)
			}
			if op.Match != nil {
				_, more := op.Match(params, c.known, op.Rows())
				problems = append(problems, more...)
			}
			if c.field == "" {
				if len(problems) > 0 {
					t.Errorf("got %v, want none", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Field != c.field || !strings.Contains(problems[0].Message, c.says) {
				t.Errorf("got %v, want one of %s that says %q", problems, c.field, c.says)
			}
		})
	}
}
