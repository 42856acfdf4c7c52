package cmd_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine/enginetest"
)

// TestConversionsEnd stops and kills a server while LibreOffice, Chromium and ffmpeg are at work. None of its processes is
// left, nor anything in its folders; the next server on its data has the jobs go on.
func TestConversionsEnd(t *testing.T) {
	embedded(t)
	for name, sig := range map[string]syscall.Signal{"stopped": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, temporary := t.TempDir(), t.TempDir()
			s := serveTools(t, data, temporary)
			var jobs []string
			for _, body := range endless() {
				jobs = append(jobs, s.must(201, "POST", "/v2/jobs", body).Data.ID)
			}
			busy := s.atWork("office-worker", "chrom", "ffmpeg")
			began, before := time.Now(), entries(t, filepath.Join(data, "work"))
			if len(before) == 0 {
				t.Error("nothing is in the work folder while programs run: it is not where they write")
			}
			if code := s.end(sig); sig == syscall.SIGTERM && code != 0 {
				t.Errorf("exit %d:\n%s", code, s.log)
			}
			gone(t, busy)
			t.Logf("%d processes ended within %s", len(busy), time.Since(began).Round(time.Millisecond))
			if left := entries(t, temporary); len(left) > 0 {
				t.Errorf("left in TMPDIR: %v", left)
			}
			if left := entries(t, filepath.Join(data, "work")); sig == syscall.SIGTERM && len(left) > 0 {
				t.Errorf("left in the work folder: %v", left)
			}
			again := serveTools(t, data, temporary)
			for _, id := range jobs {
				if job := again.must(200, "GET", "/v2/jobs/"+id, ""); job.Data.Status != "processing" && job.Data.Status != "waiting" {
					t.Errorf("job %s is %s after the restart: %+v", id, job.Data.Status, job.Data.Tasks)
				}
			}
			busy = again.atWork("office-worker", "chrom", "ffmpeg")
			for _, old := range before {
				if slices.Contains(entries(t, filepath.Join(data, "work")), old) {
					t.Errorf("%s is left from the server before", old)
				}
			}
			for _, id := range jobs {
				again.must(204, "DELETE", "/v2/jobs/"+id, "")
			}
			if code := again.end(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d:\n%s", code, again.log)
			}
			gone(t, busy)
		})
	}
}

// serveTools is a server with the installed programs.
func serveTools(t *testing.T, data, temporary string) *server {
	t.Helper()
	c := gantry(t, "serve", "--listen", "127.0.0.1:0", "--data", data, "--drain", "1s", "--workers", "3")
	c.Env = append(c.Env, "GANTRY_TOOLS="+t.TempDir(), "TMPDIR="+temporary)
	return start(t, c)
}

// endless are jobs that keep each program busy until it is ended.
func endless() (bodies []string) {
	page := base64.StdEncoding.EncodeToString([]byte("<p>seen<script>for(;;);</script>"))
	lines := base64.StdEncoding.EncodeToString([]byte("{\\rtf1 " + strings.Repeat("some words in a line\\par\n", 300_000) + "}"))
	for _, tasks := range []string{
		`"in": {"operation": "import/base64", "filename": "a.html", "file": "` + page + `"}, "do": {"operation": "convert", "input": "in", "output_format": "pdf", "engine": "chrome"}`,
		`"in": {"operation": "import/base64", "filename": "a.rtf", "file": "` + lines + `"}, "do": {"operation": "convert", "input": "in", "output_format": "pdf", "engine": "libreoffice"}`,
		`"in": {"operation": "import/raw", "filename": "a.txt", "file": "x"}, "do": {"operation": "command", "input": "in", "engine": "ffmpeg", "command": "ffmpeg", ` +
			`"arguments": "-f lavfi -i testsrc=size=640x480 -c:v libx264 /output/a.mkv"}`,
	} {
		bodies = append(bodies, fmt.Sprintf(`{"tasks": {%s}}`, tasks))
	}
	return bodies
}

// atWork waits until programs with these words in their command lines run, and returns all that the server has started.
func (s *server) atWork(words ...string) (pids []int) {
	s.t.Helper()
	looks := time.NewTicker(50 * time.Millisecond)
	defer looks.Stop()
	for late := time.After(2 * time.Minute); ; {
		pids = below(s.proc.Process.Pid)
		var lines strings.Builder
		for _, pid := range pids {
			line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
			lines.Write(line)
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(lines.String(), word) }) {
			return pids
		}
		select {
		case <-looks.C:
		case <-late:
			enginetest.Missing(s.t, "one of "+strings.Join(words, ", "))
		}
	}
}

// below are the processes that a process started, and that those started in turn.
func below(of int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		_, rest, _ := strings.Cut(string(text), ") ")
		if words := strings.Fields(rest); len(words) > 1 && words[1] == strconv.Itoa(of) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			pids = append(append(pids, pid), below(pid)...)
		}
	}
	return pids
}

// gone waits for the end of processes, whose parent may have ended first.
func gone(t *testing.T, pids []int) {
	t.Helper()
	looks := time.NewTicker(20 * time.Millisecond)
	defer looks.Stop()
	late := time.After(time.Minute)
	for _, pid := range pids {
		for alive(pid) {
			select {
			case <-looks.C:
			case <-late:
				line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
				t.Fatalf("process %d outlives the server: %.200q", pid, line)
			}
		}
	}
}

func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}
