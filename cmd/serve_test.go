package cmd_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"database/sql"
)

func TestKeysWorkBesideARunningServer(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	token, stderr, code := output(t, "keys", "create", "--data", data, "--user", "other", "--scopes", "user.read,task.read")
	if code != 0 {
		t.Fatalf("create: %s", stderr)
	}
	ask := func(method, path string) int {
		req, _ := http.NewRequest(method, s.url+path, strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask("GET", "/v2/users/me"); got != 200 {
		t.Errorf("with the new key: %d", got)
	}
	if got := ask("POST", "/v2/jobs"); got != 403 {
		t.Errorf("without the scope: %d", got)
	}
	list, _, _ := output(t, "keys", "list", "--data", data)
	var id string
	for line := range strings.Lines(list) {
		if strings.Contains(line, "other") {
			id = strings.Fields(line)[0]
		}
	}
	if strings.Contains(list, strings.TrimSpace(token)) {
		t.Error("list shows the token")
	}
	if _, stderr, code := output(t, "keys", "revoke", id, "--data", data); code != 0 {
		t.Fatalf("revoke: %s", stderr)
	}
	if got := ask("GET", "/v2/users/me"); got != 401 {
		t.Errorf("with a revoked key: %d", got)
	}
}

func TestKeysSayWhatIsWrong(t *testing.T) {
	embedded(t)
	data := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no user":          {[]string{"create", "--user", " "}, "cannot be the name"},
		"user of lines":    {[]string{"create", "--user", "a\nb"}, "cannot be the name"},
		"unknown scope":    {[]string{"create", "--scopes", "all"}, "user.read, user.write"},
		"list nothing":     {[]string{"list"}, "no data"},
		"revoke nothing":   {[]string{"revoke", "x"}, "no data"},
		"time in the past": {[]string{"create", "--expires=-1h"}, "no time from now"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := data
			if strings.Contains(name, "nothing") {
				dir = filepath.Join(data, "none")
			}
			_, stderr, code := output(t, append(append([]string{"keys"}, test.args...), "--data", dir)...)
			if code != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit %d: %s, want %q", code, stderr, test.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(data, "none")); err == nil {
		t.Error("a folder was made only to look into it")
	}
}

func TestStartIsRefused(t *testing.T) {
	embedded(t)
	refused := func(t *testing.T, data string, want ...string) {
		t.Helper()
		_, stderr, code := output(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
		if code != 1 {
			t.Errorf("got exit %d, want 1", code)
		}
		for _, w := range want {
			if !strings.Contains(stderr, w) {
				t.Errorf("%q is missing in: %s", w, stderr)
			}
		}
	}
	t.Run("data in use", func(t *testing.T) {
		data := t.TempDir()
		s := serve(t, data)
		refused(t, data, "in use", fmt.Sprint(s.proc.Process.Pid), strings.TrimPrefix(s.url, "http://"), "--data")
		s.must(200, "GET", "/healthz", "")
	})
	t.Run("newer schema", func(t *testing.T) {
		data := t.TempDir()
		serve(t, data).end(syscall.SIGTERM)
		db, err := sql.Open("sqlite", filepath.Join(data, "gantry.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		refused(t, data, "schema 99", "newer gantry")
	})
	t.Run("lost key file", func(t *testing.T) {
		data := t.TempDir()
		serve(t, data).end(syscall.SIGTERM)
		key, err := os.ReadFile(filepath.Join(data, "key"))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(data, "key"))
		refused(t, data, "key file", "is missing", "Lost without it", "What still works", "--accept-lost-key")
		write(t, filepath.Join(data, "key"), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\n")
		refused(t, data, "is not the one")
		write(t, filepath.Join(data, "key"), string(key))
		serve(t, data).must(200, "GET", "/healthz", "")
	})
	t.Run("going on without the key file", func(t *testing.T) {
		data := t.TempDir()
		serve(t, data).end(syscall.SIGTERM)
		os.Remove(filepath.Join(data, "key"))
		serve(t, data, "--accept-lost-key").end(syscall.SIGTERM)
		serve(t, data).must(200, "GET", "/healthz", "")
	})
	t.Run("no folder can be made", func(t *testing.T) {
		refused(t, write(t, filepath.Join(t.TempDir(), "file"), "x")+"/data", "--data")
	})
	t.Run("revoked key given again", func(t *testing.T) {
		data, key := t.TempDir(), "a-key-for-this-test-alone"
		given := []string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", key}
		serve(t, data, given[5:]...).end(syscall.SIGTERM)
		list, _, _ := output(t, "keys", "list", "--data", data)
		id := strings.Fields(strings.Split(list, "\n")[1])[0]
		if _, stderr, code := output(t, "keys", "revoke", id, "--data", data); code != 0 {
			t.Fatal(stderr)
		}
		if _, stderr, code := output(t, given...); code != 1 || !strings.Contains(stderr, "was revoked") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("limits of nothing", func(t *testing.T) {
		_, stderr, code := output(t, "serve", "--data", t.TempDir(), "--expiry=0s", "--max-idle=-1s", "--max-run=999ms", "--workers=-1")
		for _, flag := range []string{"--expiry", "--max-idle", "--max-run", "--workers"} {
			if code != 1 || !strings.Contains(stderr, flag) {
				t.Errorf("exit %d: %q is missing in: %s", code, flag, stderr)
			}
		}
	})
	t.Run("address in use", func(t *testing.T) {
		s := serve(t, t.TempDir())
		_, stderr, code := output(t, "serve", "--listen", strings.TrimPrefix(s.url, "http://"), "--data", t.TempDir())
		if code != 1 || !strings.Contains(stderr, "--listen") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
}

// TestSecretsStayInside looks for a canary in all that a server writes.
func TestSecretsStayInside(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data, "--log-level", "debug")
	const canary = "c4n4ry"
	job := s.must(201, "POST", "/v2/jobs", `{"tasks": {"in": {"operation": "import/url",
		"url": "https://user:`+canary+`@127.0.0.1:1/x?sig=`+canary+`", "headers": {"X-Key": "`+canary+`"}}}}`)
	s.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", "")
	_, text, _ := s.ask("GET", "/v2/tasks?include=payload,job,retries", "")
	if strings.Contains(string(text), canary) {
		t.Errorf("an answer shows a secret: %s", text)
	}
	s.end(syscall.SIGTERM)
	if strings.Contains(s.log.String(), canary) || strings.Contains(s.log.String(), testKey) {
		t.Errorf("the log shows a secret:\n%s", s.log)
	}
	err := filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), canary) || strings.Contains(string(text), testKey) {
			t.Errorf("%s holds a secret in plain", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBackup restores a copy that was made while the server ran.
// TestDoctorWithoutTools holds that what is installed does not count where --tools none asks for that.
func TestDoctorWithoutTools(t *testing.T) {
	out, stderr, code := output(t, "doctor", "--tools", "none")
	if code != 0 || !strings.Contains(out, "profile: embedded\n") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
}

func TestBackup(t *testing.T) {
	embedded(t)
	s := serve(t, t.TempDir())
	job := s.must(201, "POST", "/sync/v2/jobs", `{"tasks": {"in": {"operation": "import/raw", "file": "kept", "filename": "a.txt"},
		"out": {"operation": "export/url", "input": "in"}}}`)
	to := filepath.Join(t.TempDir(), "backup")
	if _, stderr, code := output(t, "backup", to, "--data", dataOf(s)); code != 0 {
		t.Fatalf("backup: %s", stderr)
	}
	s.kill()
	restored := serve(t, to)
	again := restored.must(200, "GET", "/v2/jobs/"+job.Data.ID, "")
	status, body := get(t, again.Data.Tasks[1].Result.Files[0].URL)
	if status != 200 || string(body) != "kept" {
		t.Errorf("got %d %q", status, body)
	}
	if _, stderr, code := output(t, "backup", to, "--data", dataOf(s)); code != 1 || !strings.Contains(stderr, "exists") {
		t.Errorf("over an existing folder: exit %d, %s", code, stderr)
	}
}

func dataOf(s *server) string {
	for i, arg := range s.proc.Args {
		if arg == "--data" {
			return s.proc.Args[i+1]
		}
	}
	return ""
}
