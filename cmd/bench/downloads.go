package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	largeFile   = 1 << 30
	smallFile   = 16 << 10
	connections = 16
	spell       = 1500 * time.Millisecond
)

// downloads measures what leaves by a signed link, against nginx with the same files on the same disk.
func downloads(ctx context.Context, s *suite) error {
	p, err := s.serve(ctx, filepath.Join(s.dir, "data"))
	if err != nil {
		return err
	}
	defer p.stop() //nolint:errcheck // measured and done
	peer, stop, err := s.startNginx(ctx)
	if err != nil {
		return err
	}
	defer stop()
	ours := map[int64]string{}
	for _, size := range []int64{largeFile, smallFile} {
		if err := writeNoise(filepath.Join(s.dir, "www", fmt.Sprint(size)), size); err != nil {
			return err
		}
		if ours[size], err = p.publish(ctx, size); err != nil {
			return err
		}
	}
	var large, largePeer, small, smallPeer series
	for range s.rounds {
		large.add(fetchOnce(ctx, ours[largeFile], largeFile))
		largePeer.add(fetchOnce(ctx, peer+fmt.Sprint(largeFile), largeFile))
		small.add(fetchMany(ctx, ours[smallFile], smallFile))
		smallPeer.add(fetchMany(ctx, peer+fmt.Sprint(smallFile), smallFile))
		for _, one := range []series{large, largePeer, small, smallPeer} {
			if one.err != nil {
				return one.err
			}
		}
	}
	s.report.rate("download of 1 GiB by a signed link", "MB/s", large, "MB/s, nginx", largePeer, 0.9)
	s.report.rate("downloads of 16 KiB by a signed link", "/s", small, "/s, nginx", smallPeer, 0.5)
	return nil
}

// publish brings a file in and returns the link to it.
func (p *process) publish(ctx context.Context, size int64) (string, error) {
	j, err := p.post(ctx, `{"tasks": {"in": {"operation": "import/upload"}, "out": {"operation": "export/url", "input": "in"}}}`)
	if err != nil {
		return "", err
	}
	if err := p.upload(ctx, j.ID, "noise.bin", size); err != nil {
		return "", err
	}
	if j, err = p.wait(ctx, j.ID); err != nil {
		return "", err
	}
	return j.Tasks[1].Result.Files[0].URL, nil
}

func writeNoise(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(f, newNoise(), size); err != nil {
		return err
	}
	return f.Sync()
}

const nginxConfig = `daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 100000000;
	default_type application/octet-stream;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3;
	uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server { listen %[2]s; root %[1]s/www; }
}
`

// startNginx serves the folder www on a loopback port of its own.
func (s *suite) startNginx(ctx context.Context) (base string, stop func(), err error) {
	free, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := free.Addr().String()
	free.Close()
	if err := os.Mkdir(filepath.Join(s.dir, "www"), 0o755); err != nil { //nolint:gosec // nginx may be another user
		return "", nil, err
	}
	config := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, s.dir, address), 0o600); err != nil {
		return "", nil, err
	}
	c := exec.CommandContext(ctx, s.nginx, "-c", config, "-p", s.dir, "-e", "stderr")
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return "", nil, fmt.Errorf("start nginx: %w", err)
	}
	stop = func() { _ = c.Process.Signal(syscall.SIGTERM); _ = c.Wait() }
	for range 500 {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			conn.Close()
			return "http://" + address + "/", stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("nginx does not answer on %s", address)
}

// connection is one keep-alive connection of a client that does nothing but read: a fuller one would cost more than the
// servers that it is to compare.
type connection struct {
	net.Conn
	in      *bufio.Reader
	request []byte
}

func dial(ctx context.Context, address string) (*connection, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, in: bufio.NewReaderSize(conn, 256<<10),
		request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.RequestURI(), u.Host)}, nil
}

// fetch reads the file once more.
func (c *connection) fetch(size int64) error {
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	status, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if string(status[:12]) != "HTTP/1.1 200" {
		return fmt.Errorf("fetch: %s", status)
	}
	for line := status; len(line) > 2; {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return err
		}
	}
	for left := size; left > 0; {
		if _, err := c.in.Peek(1); err != nil {
			return err
		}
		n, err := c.in.Discard(int(min(left, int64(c.in.Buffered()))))
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// fetchOnce returns the megabytes a second of one download.
func fetchOnce(ctx context.Context, address string, size int64) (float64, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	began := time.Now()
	err = c.fetch(size)
	return float64(size) / 1e6 / time.Since(began).Seconds(), err
}

// fetchMany returns the downloads a second over several connections.
func fetchMany(ctx context.Context, address string, size int64) (float64, error) {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		total int
		first error
	)
	began := time.Now()
	for range connections {
		group.Go(func() {
			n, err := fetchFor(ctx, address, size, began.Add(spell))
			mu.Lock()
			defer mu.Unlock()
			total += n
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	return float64(total) / time.Since(began).Seconds(), first
}

func fetchFor(ctx context.Context, address string, size int64, until time.Time) (n int, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for time.Now().Before(until) {
		if err := c.fetch(size); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
