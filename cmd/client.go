package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// client is a small client of the v2 API: `gantry run` goes the way that every user goes.
type client struct {
	http *http.Client
	base string
	key  string
}

func newClient(base, key string) *client {
	return &client{http: &http.Client{}, base: strings.TrimRight(base, "/"), key: key}
}

// wireJob is what the client needs of a job.
type wireJob struct {
	ID     string     `json:"id"`
	Status string     `json:"status"`
	Tasks  []wireTask `json:"tasks"`
}

type wireTask struct {
	Name      string      `json:"name"`
	Operation string      `json:"operation"`
	Status    string      `json:"status"`
	Code      string      `json:"code"`
	Message   string      `json:"message"`
	Percent   int         `json:"percent"`
	Result    *wireResult `json:"result"`
}

type wireResult struct {
	Form  *wireForm  `json:"form"`
	Files []wireFile `json:"files"`
}

type wireFile struct {
	Filename string `json:"filename"`
	URL      string `json:"url"`
}

type wireForm struct {
	URL        string          `json:"url"`
	Parameters json.RawMessage `json:"parameters"` // in order
}

func (j wireJob) named(name string) (wireTask, bool) {
	i := slices.IndexFunc(j.Tasks, func(t wireTask) bool { return t.Name == name })
	if i < 0 {
		return wireTask{}, false
	}
	return j.Tasks[i], true
}

// create posts the job.
func (c *client) create(ctx context.Context, document []byte) (wireJob, error) {
	return c.job(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(document))
}

func (c *client) job(ctx context.Context, method, path string, body io.Reader) (wireJob, error) {
	var answer struct {
		Data wireJob `json:"data"`
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return wireJob{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return wireJob{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return wireJob{}, refusal(resp)
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Data, err
}

// discard deletes a job that nobody follows any more, so that it does not go on for nobody on a server. What fails is not
// said: why the job is given up is more important.
func (c *client) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.base+"/v2/jobs/"+id, nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
	}
}

// refusal is what the server says is wrong, every mistake on a line of its own.
func refusal(resp *http.Response) error {
	var body struct {
		Message string              `json:"message"`
		Errors  map[string][]string `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&body); err != nil || body.Message == "" {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	text := body.Message
	var lines []string
	for field, complaints := range body.Errors {
		for _, complaint := range complaints {
			lines = append(lines, "\n  "+field+": "+complaint)
		}
	}
	slices.Sort(lines)
	return errors.New(text + strings.Join(lines, ""))
}

// upload sends a file to an upload form.
func (c *client) upload(ctx context.Context, form *wireForm, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	body, w := io.Pipe()
	m := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeForm(m, form.Parameters, path, f)) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, form.URL, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", m.FormDataContentType())
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return refusal(resp)
	}
	return nil
}

// writeForm writes the parameters in their order, then the file.
func writeForm(m *multipart.Writer, parameters json.RawMessage, path string, f io.Reader) error {
	d := json.NewDecoder(bytes.NewReader(parameters))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		if err := m.WriteField(fmt.Sprint(name), fmt.Sprint(value)); err != nil {
			return err
		}
	}
	part, err := m.CreateFormFile("file", filepath.Base(path))
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, f); err != nil {
		return err
	}
	return m.Close()
}

const (
	followEvery = 200 * time.Millisecond
	discardTime = 5 * time.Second
)

// follow shows the job's progress until it ends.
func (c *client) follow(ctx context.Context, id string, show display) (wireJob, error) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		job, err := c.job(ctx, http.MethodGet, "/v2/jobs/"+id, nil)
		if err != nil {
			return job, err
		}
		show.update(job)
		if engine.Status(job.Status).Ended() {
			return job, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return job, context.Cause(ctx)
		}
	}
}

// download fetches a file whole or not at all.
func (c *client) download(ctx context.Context, address, path string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, refusal(resp)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".gantry-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	n, err := io.Copy(f, resp.Body)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return n, err
	}
	return n, os.Rename(f.Name(), path)
}

// serveLocally answers a client from within the process: its connections are pipes, nothing listens.
func serveLocally(ctx context.Context, a *app) (*client, func(), error) {
	const base = "http://gantry.local"
	handler, err := a.handler(urls{public: base})
	if err != nil {
		return nil, nil, err
	}
	pipes := newPipes()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	server := api.Server(work, handler, a.log)
	worked, served := make(chan error, 1), make(chan error, 1)
	go func() { worked <- a.engine.Run(work) }()
	go func() { served <- server.Serve(pipes) }()
	c := newClient(base, "")
	c.http.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return pipes.dial() }}
	return c, func() {
		stop()
		server.Close()
		<-served
		if err := <-worked; err != nil {
			a.log.Error("engine", "error", err)
		}
	}, nil
}

// pipes is a listener within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It is called once, by the server.
func (p *pipes) Close() error { close(p.closed); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "gantry", Net: "pipe"} }
