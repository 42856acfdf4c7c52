package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// copier is a program that copies a folder of files to a store. It looks at nothing that is there already, but replaces it.
type copier struct {
	name  string
	env   []string
	args  func(from, to string) []string
	input func(from, to string) (string, error) // what it is told by its standard input; nil if nothing
}

// copy runs the program.
func (p copier) copy(ctx context.Context, from, to string) (*os.ProcessState, error) {
	args := p.args(from, to)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Env = p.env
	if p.input != nil {
		text, err := p.input(from, to)
		if err != nil {
			return nil, err
		}
		c.Stdin = strings.NewReader(text)
	}
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", p.name, err, out)
	}
	return c.ProcessState, nil
}

// contender sends one folder again and again.
func (p copier) contender(from, to string) contender {
	return contender{name: p.name, send: func(ctx context.Context) (time.Duration, error) {
		state, err := p.copy(ctx, from, to)
		if err != nil {
			return 0, err
		}
		return state.UserTime() + state.SystemTime(), nil
	}}
}

// largest returns the most memory that a process which has ended had, in bytes.
func largest(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss << 10
}

// plainEnv is what every program needs; what else is set is for other programs.
func (s *suite) plainEnv(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, more...)
}

// peersOf returns rclone, and the system's own client where there is one.
func (s *suite) peersOf(ctx context.Context, st testserver.Store, v testserver.Values) ([]copier, error) {
	rclone, err := s.rcloneAt(ctx, st.Folder(v), st.Rclone(v))
	switch st.Kind {
	case "openstack":
		return []copier{rclone, s.swiftClient(v, st.Folder(v))}, err
	case "sftp":
		return []copier{rclone, s.openSSH(v)}, err
	}
	return []copier{rclone}, err
}

// rcloneAt returns rclone with its settings for a store, which are called PEER there.
func (s *suite) rcloneAt(ctx context.Context, folder string, settings []string) (copier, error) {
	path, err := s.rclonePath(ctx)
	p := copier{name: "rclone", env: s.plainEnv(), args: func(from, to string) []string {
		return []string{path, "--config", "", "--retries", "1", "copy", "--no-check-dest", "--no-traverse", from, "peer:" + folder + "/" + to}
	}}
	for _, setting := range settings {
		p.env = append(p.env, "RCLONE_CONFIG_PEER_"+setting)
	}
	return p, err
}

// rclonePath builds rclone, and installs the other peers, where none is named.
func (s *suite) rclonePath(ctx context.Context) (string, error) {
	if s.exports.rclone != "" {
		return s.exports.rclone, nil
	}
	if out, err := exec.CommandContext(ctx, filepath.Join("testdata", "peers.sh")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the peers of exports: %w\n%s", err, out)
	}
	v, stop, err := s.startServer(ctx, "rclone")
	if err != nil {
		return "", err
	}
	stop()
	s.exports.rclone = v["RCLONE"]
	return s.exports.rclone, nil
}

// openSSH is the sftp of OpenSSH, which sends one file after the other over one connection.
func (s *suite) openSSH(v testserver.Values) copier {
	return copier{name: "sftp", env: s.plainEnv(),
		args: func(string, string) []string {
			return []string{"sftp", "-q", "-b", "-", "-P", v["SFTP_PORT"], "-i", filepath.Join(v["SFTP_KEYS_DIR"], "ed25519"), "-o", "StrictHostKeyChecking=no",
				"-o", "UserKnownHostsFile=/dev/null", v["SFTP_USER"] + "@" + v["SFTP_HOST"]}
		},
		input: func(from, to string) (string, error) {
			var text strings.Builder
			for at := 0; at < len(to); { // a dash lets the folder be there already
				next := strings.IndexByte(to[at:]+"/", '/') + at
				fmt.Fprintf(&text, "-mkdir upload/%s\n", to[:next])
				at = next + 1
			}
			fmt.Fprintf(&text, "put %s/* upload/%s/\n", from, to)
			return text.String(), nil
		}}
}

// swiftClient is OpenStack's own, which sends ten objects at a time.
func (s *suite) swiftClient(v testserver.Values, container string) copier {
	return copier{name: "swift", env: s.plainEnv("OS_AUTH_URL="+v["KEYSTONE_URL"]+"/v3", "OS_IDENTITY_API_VERSION=3",
		"OS_USERNAME="+v["KEYSTONE_USER"], "OS_PASSWORD="+v["KEYSTONE_PASSWORD"], "OS_PROJECT_NAME="+v["KEYSTONE_PROJECT"],
		"OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default", "OS_REGION_NAME="+v["KEYSTONE_REGION"]),
		args: func(from, to string) []string {
			return []string{"swift", "-q", "upload", container, from, "--object-name", to}
		}}
}

// curlAt is curl, which sends one file after the other and keeps its connection.
func (s *suite) curlAt(base string) copier {
	return copier{name: "curl", env: s.plainEnv(),
		args: func(string, string) []string { return []string{"curl", "-sSf", "-K", "-"} },
		input: func(from, to string) (string, error) {
			files, err := filepath.Glob(filepath.Join(from, "*"))
			if err == nil && len(files) == 0 {
				err = errors.New("no files to send")
			}
			var text strings.Builder
			for _, file := range files {
				fmt.Fprintf(&text, "upload-file = %q\nurl = %q\n", file, base+to+"/"+filepath.Base(file))
			}
			return text.String(), err
		}}
}
