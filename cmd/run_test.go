package cmd_test

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = "../testdata/jobs/"

// TestSampleJob runs the README's job, in process and on a server.
func TestSampleJob(t *testing.T) {
	for _, where := range []string{"in process", "on a server"} {
		t.Run(where, func(t *testing.T) {
			out := t.TempDir()
			args := []string{"run", sample + "report.json", "report=" + sample + "report.md", "photo=" + sample + "photo.jpg", "-o", out}
			if where == "on a server" {
				args = append(args, "--server", serve(t, t.TempDir()).url)
			}
			stdout, stderr, code := output(t, args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			for name, magic := range map[string]string{"report.pdf": "%PDF-", "thumbnail.jpg": "\xff\xd8\xff", "archive.zip": "PK"} {
				text, err := os.ReadFile(filepath.Join(out, name))
				if err != nil || !strings.HasPrefix(string(text), magic) {
					t.Errorf("%s: %v, begins with %.8q", name, err, text)
				}
				if !strings.Contains(stdout, name) {
					t.Errorf("%s is not printed in:\n%s", name, stdout)
				}
			}
			checkArchive(t, out)
		})
	}
}

// checkArchive compares the ZIP's content with the files that came beside it.
func checkArchive(t *testing.T, dir string) {
	t.Helper()
	r, err := zip.OpenReader(filepath.Join(dir, "archive.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, name := range []string{"report.pdf", "thumbnail.jpg"} {
		f, err := r.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(f); err != nil {
			t.Fatal(err)
		}
		want, _ := os.ReadFile(filepath.Join(dir, name))
		if name == "thumbnail.jpg" && !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s in the archive differs from the one beside it", name)
		}
	}
}

func TestYAMLJobKeepsTheOrderOfTasks(t *testing.T) {
	job := write(t, filepath.Join(t.TempDir(), "job.yaml"), `
# a job as a person writes it
tasks:
  zebra: {operation: import/raw, file: "one", filename: one.txt}
  apple: {operation: import/raw, file: "two", filename: two.txt}
  out:
    operation: export/url
    input: [zebra, apple]
`)
	out := t.TempDir()
	stdout, stderr, code := output(t, "run", job, "-o", out)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	first, second := strings.Index(stdout, "one.txt"), strings.Index(stdout, "two.txt")
	if first < 0 || second < first {
		t.Errorf("the files are not in the order of the job:\n%s", stdout)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	raw := `"in": {"operation": "import/raw", "file": "x", "filename": "x.txt"}`
	for name, test := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no file":      {[]string{"run", dir + "/none.json"}, 1, []string{"read the job", "none.json"}},
		"no JSON":      {[]string{"run", file("cut.json", `{"tasks": {`)}, 1, []string{"JSON"}},
		"no YAML":      {[]string{"run", file("bad.yaml", "tasks: [\n  - {")}, 1, []string{"neither JSON nor YAML"}},
		"all mistakes": {[]string{"run", file("two.json", `{"tasks": {"a": {"operation": "nope"}, "b": {"operation": "convert", "input": "c"}}}`)}, 1, []string{"tasks.a.operation", "nope", "tasks.b.input", "tasks.b.output_format"}},
		"no upload":    {[]string{"run", file("up.json", `{"tasks": {"photo": {"operation": "import/upload"}}}`)}, 1, []string{"photo waits for a file", "photo=FILE"}},
		"wrong upload": {[]string{"run", file("raw.json", `{"tasks": {`+raw+`}}`), "other=" + file("x", "x")}, 1, []string{"no import/upload task", "other"}},
		"folder":       {[]string{"run", sample + "report.json", "photo=" + dir}, 1, []string{"photo", "is a folder"}},
		"two files":    {[]string{"run", sample + "report.json", "photo=" + file("1", "x"), "photo=" + file("2", "x")}, 1, []string{"photo is given two files"}},
		"no folder":    {[]string{"run", sample + "report.json", "-o", file("plain", "x")}, 1, []string{"-o names another"}},
		"not a pair":   {[]string{"run", file("raw2.json", `{"tasks": {`+raw+`}}`), "file.txt"}, 1, []string{"TASK=FILE"}},
		"failing task": {[]string{"run", file("fail.json", `{"tasks": {"in": {"operation": "import/raw", "file": "no image", "filename": "x.png"}, "to": {"operation": "convert", "input": "in", "output_format": "gif"}}}`)}, 1, []string{"task to:", "is not a png file"}},
		"unknown flag": {[]string{"serve", "--no-such-flag"}, 2, []string{"no-such-flag"}},
		"config file":  {[]string{"--config", file("c.yaml", "listn: 1"), "operations"}, 2, []string{"no flag is called listn"}},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := output(t, test.args...)
			if code != test.code {
				t.Errorf("got exit %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is missing in:\n%s%s", want, stdout, stderr)
				}
			}
		})
	}
}

// TestResultsReplaceNeitherInputsNorEachOther runs a job whose two exports and whose input all have one name.
func TestResultsReplaceNeitherInputsNorEachOther(t *testing.T) {
	dir := t.TempDir()
	input := write(t, filepath.Join(dir, "a.txt"), "as it was")
	job := write(t, filepath.Join(dir, "job.json"), "\ufeff"+`{"tasks": {
		"in":     {"operation": "import/upload"},
		"other":  {"operation": "import/raw", "file": "another", "filename": "A.txt"},
		"first":  {"operation": "export/url", "input": "in"},
		"second": {"operation": "export/url", "input": "other"}}}`)
	if _, stderr, code := output(t, "run", job, "in="+input, "-o", dir); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for name, want := range map[string]string{"a.txt": "as it was", "a (2).txt": "as it was", "A (3).txt": "another"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestAbandonedJobIsDeleted asks that a job which lacks a file does not wait for it on the server.
func TestAbandonedJobIsDeleted(t *testing.T) {
	s := serve(t, t.TempDir())
	job := write(t, filepath.Join(t.TempDir(), "job.json"), `{"tasks": {"photo": {"operation": "import/upload"}}}`)
	if _, stderr, code := output(t, "run", job, "--server", s.url); code != 1 || !strings.Contains(stderr, "photo=FILE") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, body, err := s.ask("GET", "/v2/jobs", ""); err != nil || !strings.Contains(string(body), `"data":[]`) {
		t.Errorf("got %s, %v, want no job", body, err)
	}
}

func TestConfigFileAndEnvironmentSetFlags(t *testing.T) {
	embedded(t)
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "gantry.yaml"), "data: "+dir+"/data\nscopes: [task.read]\n")
	stdout, stderr, code := output(t, "--config", config, "keys", "create")
	if code != 0 || !strings.HasPrefix(stdout, "gantry_") || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	stdout, stderr, code = output(t, "keys", "list", "--data", dir+"/data")
	if code != 0 || !strings.Contains(stdout, "task.read") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}
