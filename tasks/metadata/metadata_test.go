package metadata_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/metadata"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// boxes calls each with every kind of box, whose scratch is a folder of that name.
func boxes(t *testing.T, scratch, tools string, each func(t *testing.T, box *toolbox.Box)) {
	for _, kind := range []toolbox.Kind{toolbox.Bubblewrap, toolbox.Landlock, toolbox.Unsandboxed} {
		t.Run(string(kind), func(t *testing.T) {
			c := toolbox.Config{Scratch: filepath.Join(t.TempDir(), scratch), Tools: tools, Sandbox: kind, Unsandboxed: kind == toolbox.Unsandboxed}
			if err := os.Mkdir(c.Scratch, 0o700); err != nil {
				t.Fatal(err)
			}
			box, err := toolbox.New(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(box.Close)
			if box.Kind() != kind {
				enginetest.Missing(t, string(kind))
			}
			each(t, box)
		})
	}
}

// server runs the operations beside one that brings a picture in.
func server(t *testing.T, box *toolbox.Box, name string) *enginetest.Server {
	t.Helper()
	read := metadata.Read(t.Context(), box)
	write, ok := metadata.Write(t.Context(), box)
	if !ok {
		enginetest.Missing(t, "exiftool, with a sandbox that works,")
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20)), nil); err != nil {
		t.Fatal(err)
	}
	return enginetest.Start(t, read, write, enginetest.Bringing("import/test", enginetest.File{Name: name, Content: b.String()}))
}

func TestWriteAndRead(t *testing.T) {
	names := []string{"-config.jpg", "@args $(id) `id`;\n-execute\n-o.jpg"}
	for _, scratch := range []string{"tool", "a\n-ver\nb"} {
		boxes(t, scratch, "", func(t *testing.T, box *toolbox.Box) {
			for _, name := range names {
				t.Run(name, func(t *testing.T) { writeAndRead(t, server(t, box, name), engine.CleanName(name)) })
			}
		})
		names = names[:1]
	}
}

func writeAndRead(t *testing.T, s *enginetest.Server, name string) {
	want := map[string]string{"Title": "<%f\n-Directory=/tmp\n", "Artist": "@args", "Comment": "-o /etc/x \u00e9", "XMP:Rights": "=<a"}
	tags, err := json.Marshal(map[string]any{"metadata": want})
	if err != nil {
		t.Fatal(err)
	}
	job := s.MustSubmit(t, enginetest.Task("in", "import/test", `{}`),
		enginetest.Task("w", "metadata/write", string(tags), "in"), enginetest.Task("r", "metadata", `{}`, "w"))
	ended := s.MustEnd(t, job.ID)
	written, task := enginetest.Named(t, ended, "w"), enginetest.Named(t, ended, "r")
	if task.Status != engine.StatusFinished || len(written.Result.Files) != 1 || written.Result.Files[0].Name != name {
		t.Fatalf("got %s %s, %s %s %+v", task.Code, task.Message, written.Code, written.Message, written.Result)
	}
	got := task.Result.Metadata
	for tag, value := range want {
		tag = strings.TrimPrefix(tag, "XMP:")
		if got[tag] != value {
			t.Errorf("%s is %q, want %q", tag, got[tag], value)
		}
	}
	for tag, value := range map[string]string{"FileType": "JPEG", "MIMEType": "image/jpeg", "ImageWidth": "30", "FileName": name, "Directory": ""} {
		if got[tag] != value {
			t.Errorf("%s is %q, want %q", tag, got[tag], value)
		}
	}
	if _, err := jpeg.Decode(strings.NewReader(s.Content(t, written.Result.Files[0]))); err != nil {
		t.Error(err)
	}
}

func TestTagsThatAreRefused(t *testing.T) {
	box, err := toolbox.New(t.Context(), toolbox.Config{Sandbox: toolbox.Refused})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	write, ok := metadata.Write(t.Context(), box)
	if ok {
		t.Fatal("it is offered without a sandbox")
	}
	for _, tag := range []string{"FileName", "filename", "Directory", "System:FileName", "HardLink", "SymLink", "TestName", "All", "*",
		"Title<", "Title<FileName", "-Title", "Title\n-config", "Title=", "XMP:XMP:Title", "0File:Title", "", ":Title", "FilePermissions",
		"FileModifyDate", "SourceFile", "config", "ThumbnailImage", "Geotag", "Title#"} {
		t.Run(tag, func(t *testing.T) {
			raw, err := json.Marshal(map[string]any{"metadata": map[string]string{tag: "x"}})
			if err != nil {
				t.Fatal(err)
			}
			params, problems := write.Params.Decode(raw)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if problems := write.Check(params, nil); len(problems) != 1 || problems[0].Field != "metadata" {
				t.Errorf("got %v", problems)
			}
		})
	}
}

// TestBuiltin holds what is told without exiftool against what exiftool tells.
func TestBuiltin(t *testing.T) {
	var drawn, printed bytes.Buffer
	if err := png.Encode(&drawn, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	document := fpdf.New("P", "pt", "A4", "")
	document.AddPage()
	document.AddPage()
	if err := document.Output(&printed); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content string
		want    []string // the tags that must be there and be the same
	}{
		"a.png": {drawn.String(), []string{"FileName", "FileType", "MIMEType", "FileTypeExtension", "ImageWidth", "ImageHeight", "ImageSize"}},
		"a.pdf": {printed.String(), []string{"FileName", "FileType", "MIMEType", "FileTypeExtension", "PageCount"}},
		"a.txt": {"words", []string{"FileName", "FileType", "MIMEType", "FileTypeExtension", "FileSize"}},
	} {
		all := map[string]map[string]string{}
		for engineName, kind := range map[string]toolbox.Kind{"exiftool": "", "metalib": toolbox.Refused} {
			box, err := toolbox.New(t.Context(), toolbox.Config{Scratch: t.TempDir(), Sandbox: kind})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(box.Close)
			read := metadata.Read(t.Context(), box)
			s := enginetest.Start(t, read, enginetest.Bringing("import/test", enginetest.File{Name: name, Content: c.content}))
			job := s.MustEnd(t, s.MustSubmit(t, enginetest.Task("in", "import/test", ""), enginetest.Task("do", "metadata", "{}", "in")).ID)
			task := enginetest.Named(t, job, "do")
			if task.Status != engine.StatusFinished {
				t.Fatalf("%s by %s: %s %s", name, engineName, task.Code, task.Message)
			}
			if task.Engine != engineName {
				enginetest.Missing(t, engineName)
			}
			all[engineName] = task.Result.Metadata
		}
		for _, tag := range c.want {
			if got, want := all["metalib"][tag], all["exiftool"][tag]; got == "" || got != want {
				t.Errorf("%s: got %s %q, want %q as exiftool says", name, tag, got, want)
			}
		}
	}
}
