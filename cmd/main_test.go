package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gantry-engine/gantry/cmd"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
)

// beGantry makes this test binary be the program itself, so that tests can start, signal and kill real processes.
const beGantry = "GANTRY_TEST_BE_GANTRY"

var servers testserver.Servers

func TestMain(m *testing.M) {
	if os.Getenv(beGantry) != "" {
		if err := shiftClock(os.Getenv(wrongClock)); err != nil {
			fmt.Fprintln(os.Stderr, noClock+":", err)
			os.Exit(1)
		}
		os.Exit(cmd.Main(context.Background(), os.Args[1:], cmd.WithOperations(slowOperation(), engineOperation())))
	}
	if len(os.Args) > 1 && os.Args[1] == lok.Argument { // a program that the one above started, fenced in and without its environment
		os.Exit(cmd.Main(context.Background(), os.Args[1:]))
	}
	os.Exit(testserver.Main(m, &servers))
}

// testKey is the API key of every server in these tests.
const testKey = "canary-key-0123456789abcdef"

// gantry returns the command of a process that is the program, without installed programs: looking for them takes longer than
// most tests. A later GANTRY_TOOLS in its environment counts.
func gantry(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), beGantry+"=1", "GANTRY_API_KEY="+testKey, "XDG_DATA_HOME="+t.TempDir(), "GANTRY_TOOLS=none")
	if url := footing(t, args); url != "" {
		c.Env = append(c.Env, "GANTRY_DATABASE="+url)
	}
	return c
}

// footing returns the URL of the database that goes with the --data of a command; empty where the tests are on SQLite.
func footing(t testing.TB, args []string) string {
	t.Helper()
	server, at := enginetest.Database(), slices.Index(args, "--data")
	if server == "" || at < 0 || at+1 == len(args) {
		return ""
	}
	return enginetest.DatabaseOf(t, server, args[at+1])
}

// embedded skips a test of what there is with SQLite only.
func embedded(t testing.TB) {
	t.Helper()
	if enginetest.Database() != "" {
		t.Skip("it is about the embedded database")
	}
}

// output runs the program and returns what it printed and its exit code.
func output(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := gantry(t, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// server is a process that serves.
type server struct {
	t    testing.TB
	url  string
	proc *exec.Cmd
	log  *bytes.Buffer
}

// serve starts a server on a free port.
func serve(t testing.TB, data string, more ...string) *server {
	t.Helper()
	return start(t, gantry(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, more...)...))
}

// start starts a command that serves.
func start(t testing.TB, c *exec.Cmd) *server {
	t.Helper()
	s := &server{t: t, proc: c, log: &bytes.Buffer{}}
	s.proc.Stderr = s.log
	out, err := s.proc.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.proc.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		_ = s.proc.Wait()
		t.Fatalf("the server printed %q and logged:\n%s", line, s.log)
	}
	s.url = url
	return s
}

// kill ends the process as a power cut would.
func (s *server) kill() { s.end(syscall.SIGKILL) }

// end sends the signal and waits for the process.
func (s *server) end(sig syscall.Signal) int {
	if s.proc.ProcessState == nil {
		_ = s.proc.Process.Signal(sig)
		_ = s.proc.Wait()
	}
	return s.proc.ProcessState.ExitCode()
}

// ask sends a request with the key and returns status and body.
func (s *server) ask(method, path, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// answer is the part of the API's answers that these tests look at.
type answer struct {
	Message string              `json:"message"`
	Errors  map[string][]string `json:"errors"`
	Data    struct {
		ID      string `json:"id"`
		Status  string `json:"status"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Tasks   []task `json:"tasks"`
		Result  result `json:"result"`
	} `json:"data"`
}

type task struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Result  result `json:"result"`
}

type result struct {
	Files []struct {
		Filename string `json:"filename"`
		Size     int64  `json:"size"`
		MD5      string `json:"md5"`
		URL      string `json:"url"`
		Location string `json:"location"`
	} `json:"files"`
}

// must sends a request that has to be answered with the status.
func (s *server) must(want int, method, path, body string) answer {
	s.t.Helper()
	status, text, err := s.ask(method, path, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	if status != want {
		s.t.Fatalf("%s %s: got %d, want %d: %s", method, path, status, want, text)
	}
	var a answer
	if len(text) > 0 && json.Unmarshal(text, &a) != nil {
		s.t.Fatalf("%s %s: not JSON: %s", method, path, text)
	}
	return a
}

// get fetches a URL without a key.
func get(t testing.TB, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// write makes a file.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// formURL returns the address for a plain PUT of a task's upload.
func formURL(t testing.TB, s *server, task string) string {
	t.Helper()
	_, text, err := s.ask("GET", "/v2/tasks/"+task, "")
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Data struct {
			Result struct {
				Form struct {
					URL        string
					Parameters map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	query := url.Values{"filename": {"a.bin"}}
	for name, value := range a.Data.Result.Form.Parameters {
		query.Set(name, value)
	}
	return a.Data.Result.Form.URL + "?" + query.Encode()
}
