package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bodgit/sevenzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/packed"
	"github.com/gantry-engine/gantry/tasks/convert/packing"
)

type stored struct{ dir, name, content string }

// source is an operation that brings these files in.
func source(files ...stored) engine.Operation {
	op := engine.Define("import/test", "Bring test files in.", engine.LaneNet, struct{}{},
		engine.HandlerFunc[struct{}](func(ctx context.Context, run *engine.Run, _ struct{}) (engine.Result, error) {
			var result engine.Result
			for _, f := range files {
				made, err := run.Create(ctx, f.name, strings.NewReader(f.content))
				if err != nil {
					return result, err
				}
				made.Dir = f.dir
				result.Files = append(result.Files, made)
			}
			return result, nil
		}))
	op.Source = true
	return op
}

var sample = []stored{
	{"", "a.txt", "alpha"}, {"", "A.txt", "other"}, {"", "a.txt", "third"},
	{"sub", "b.bin", strings.Repeat("0123456789", 200_000)},
	{"", "leer", ""}, {"", "größe.txt", "ü"},
}

// pack runs import and archive and returns the archive's name and bytes.
func pack(t *testing.T, params string, files ...stored) (engine.Task, []byte) {
	t.Helper()
	return packWith(t, nil, params, files...)
}

func packWith(t *testing.T, seven archive.Packer, params string, files ...stored) (engine.Task, []byte) {
	t.Helper()
	s := enginetest.Start(t, source(files...), archive.Operation(seven))
	job := s.MustEnd(t, s.MustSubmit(t,
		enginetest.Task("in", "import/test", ""), enginetest.Task("out", "archive", params, "in")).ID)
	task := enginetest.Named(t, job, "out")
	if task.Status != engine.StatusFinished {
		return task, nil
	}
	return task, []byte(s.Content(t, task.Result.Files[0]))
}

func unzip(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		found[f.Name] = string(content)
	}
	return found
}

func untar(t *testing.T, b []byte, format convert.Format) map[string]string {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	var err error
	switch format {
	case "tar.gz":
		r, err = gzip.NewReader(r)
	case "tar.bz2":
		r = bzip2.NewReader(r)
	case "tar.zst":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	found, archive := map[string]string{}, tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = string(content)
	}
}

func TestArchive(t *testing.T) {
	want := map[string]string{"a.txt": "alpha", "A (2).txt": "other", "a (3).txt": "third", "sub/b.bin": sample[3].content,
		"leer": "", "größe.txt": "ü"}
	for _, format := range packing.Writes() {
		t.Run(string(format), func(t *testing.T) {
			task, first := pack(t, `{"output_format":"`+string(format)+`"}`, sample...)
			if task.Status != engine.StatusFinished {
				t.Fatalf("got %s, %s", task.Code, task.Message)
			}
			var got map[string]string
			if format == "zip" {
				got = unzip(t, first)
			} else {
				got = untar(t, first, format)
			}
			if !maps.Equal(got, want) {
				t.Errorf("got members %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
			if name := task.Result.Files[0].Name; name != "archive."+string(format) {
				t.Errorf("got name %q", name)
			}
			if detected, err := filetype.Detect(bytes.NewReader(first), int64(len(first)), ""); err != nil || detected != format {
				t.Errorf("detected %s, %v", detected, err)
			}
			if _, second := pack(t, `{"output_format":"`+string(format)+`"}`, sample...); !bytes.Equal(first, second) {
				t.Error("the same files gave another archive")
			}
		})
	}
}

// TestSevenZip makes a 7z with 7-Zip, of names that look like its options too, and reads it with another program.
func TestSevenZip(t *testing.T) {
	engines := packed.New(t.Context(), converttest.Box(t))
	at := slices.IndexFunc(engines, (*packed.Engine).Packs)
	if at < 0 {
		enginetest.Missing(t, "7-Zip")
	}
	files := append(slices.Clone(sample), stored{"", "-sdel", "kept"}, stored{"-o", "@list", "read"})
	task, first := packWith(t, engines[at], `{"output_format":"7z"}`, files...)
	if task.Status != engine.StatusFinished || task.Engine != "7-zip" || task.Result.Files[0].Name != "archive.7z" {
		t.Fatalf("got %s, %s, made by %q", task.Code, task.Message, task.Engine)
	}
	z, err := sevenzip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(content)
	}
	want := map[string]string{"a.txt": "alpha", "A (2).txt": "other", "a (3).txt": "third", "sub/b.bin": sample[3].content,
		"leer": "", "größe.txt": "ü", "-sdel": "kept", "-o/@list": "read"}
	if !maps.Equal(got, want) {
		t.Errorf("got members %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	if _, second := packWith(t, engines[at], `{"output_format":"7z"}`, files...); !bytes.Equal(first, second) {
		t.Error("the same files gave another archive")
	}
}

func TestArchiveName(t *testing.T) {
	task, _ := pack(t, `{"output_format":"tgz","filename":"../holiday.tgz"}`, sample...)
	if got := task.Result.Files[0].Name; got != "holiday.tgz" {
		t.Errorf("got %q", got)
	}
	if task.Engine != "archivelib" || task.EngineVersion == "" {
		t.Errorf("got engine %q %q", task.Engine, task.EngineVersion)
	}
}

func TestArchiveOfNothing(t *testing.T) {
	if task, _ := pack(t, `{"output_format":"zip"}`); task.Code != engine.NoFiles {
		t.Errorf("got %s %q, want NO_FILES", task.Code, task.Message)
	}
}

func TestArchiveChecks(t *testing.T) {
	s := enginetest.New(t, enginetest.Config{Operations: []engine.Operation{source(), archive.Operation(nil)}})
	for _, format := range []string{"7z", "rar", "docx"} {
		_, err := s.Submit(t.Context(), s.User, engine.Submission{Tasks: []engine.TaskSpec{
			enginetest.Task("in", "import/test", ""), enginetest.Task("out", "archive", `{"output_format":"`+format+`"}`, "in"),
		}})
		var e *engine.Error
		if !errors.As(err, &e) || len(e.Problems) != 1 {
			t.Fatalf("%s: got %v, want one problem", format, err)
		}
		got, want := e.Problems[0].Message, "must be one of tar, tar.bz2, tar.gz, tar.zst, zip"
		if e.Problems[0].Field != "tasks.out.output_format" || got != want {
			t.Errorf("%s: got %v, want %q", format, e.Problems[0], want)
		}
	}
}
