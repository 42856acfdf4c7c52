package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const apiKey = "gantry_bench_key_of_forty_letters_and_more_x"

// process is a running `gantry serve`.
type process struct {
	*exec.Cmd
	client
}

// serve starts the program with its data in the folder.
func (s *suite) serve(ctx context.Context, data string, more ...string) (*process, error) {
	c := exec.CommandContext(ctx, s.gantry, append(serveArgs(data), more...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	base, err := announced(out)
	return &process{Cmd: c, client: client{base: base}}, err
}

func serveArgs(data string) []string {
	return []string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", apiKey, "--free-space", "0",
		"--log-level", "error"}
}

// announced reads the address from the line that a server prints when it takes requests.
func announced(out io.Reader) (string, error) {
	line, err := bufio.NewReader(out).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		return "", fmt.Errorf("the server did not start: %q, %w", line, err)
	}
	return base, nil
}

func (p *process) stop() error {
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait()
}

// peak returns the largest resident memory that the process has had, in bytes.
func (p *process) peak() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, errors.New("no VmHWM in the status of the process")
}

// client speaks the v2 API.
type client struct{ base string }

// job is what the benchmarks need of a job, or a task.
type job struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Tasks   []struct {
		Name   string `json:"name"`
		Code   string `json:"code"`
		Result *struct {
			Form *struct {
				URL        string          `json:"url"`
				Parameters json.RawMessage `json:"parameters"`
			} `json:"form"`
			Files []struct {
				URL string `json:"url"`
			} `json:"files"`
		} `json:"result"`
	} `json:"tasks"`
}

func (c client) call(ctx context.Context, method, path, body string) (job, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return job{}, err
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return job{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return job{}, err
	}
	if res.StatusCode >= 300 {
		return job{}, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	var answer struct{ Data job }
	return answer.Data, json.Unmarshal(text, &answer)
}

func (c client) post(ctx context.Context, body string) (job, error) {
	return c.call(ctx, http.MethodPost, "/v2/jobs", body)
}

// wait returns the job when it has finished.
func (c client) wait(ctx context.Context, id string) (job, error) {
	j, err := c.call(ctx, http.MethodGet, "/v2/jobs/"+id+"/wait", "")
	if err == nil && j.Status != "finished" {
		err = fmt.Errorf("the job ended with %s: %+v", j.Status, j.Tasks)
	}
	return j, err
}

// upload sends size bytes, which compress badly, to the upload form of the job's first task.
func (c client) upload(ctx context.Context, id, name string, size int64) error {
	j, err := c.call(ctx, http.MethodGet, "/v2/jobs/"+id, "")
	for err == nil && (j.Tasks[0].Result == nil || j.Tasks[0].Result.Form == nil) { // forms are shown once a task is processed
		time.Sleep(time.Millisecond)
		j, err = c.call(ctx, http.MethodGet, "/v2/jobs/"+id, "")
	}
	if err != nil {
		return err
	}
	form := j.Tasks[0].Result.Form
	var fields map[string]any
	if err := json.Unmarshal(form.Parameters, &fields); err != nil {
		return err
	}
	var head bytes.Buffer
	for field, value := range fields {
		fmt.Fprintf(&head, "--boundary\r\nContent-Disposition: form-data; name=%q\r\n\r\n%v\r\n", field, text(value))
	}
	fmt.Fprintf(&head, "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\n\r\n", name)
	const tail = "\r\n--boundary--\r\n"
	length := int64(head.Len()+len(tail)) + size
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, form.URL,
		io.MultiReader(&head, io.LimitReader(newNoise(), size), strings.NewReader(tail)))
	if err != nil {
		return err
	}
	r.ContentLength = length
	r.Header.Set("Content-Type", "multipart/form-data; boundary=boundary")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		answer, _ := io.ReadAll(res.Body)
		return fmt.Errorf("upload: %s: %s", res.Status, answer)
	}
	return nil
}

// text is a value of a form.
func text(value any) string {
	if n, ok := value.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(value)
}
