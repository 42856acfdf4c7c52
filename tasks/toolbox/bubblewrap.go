package toolbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/gantry-engine/gantry/tasks/toolbox/launcher"
)

// machine is what a sandbox shows of the machine, read-only: programs, libraries, fonts, and the settings of a few programs.
var machine = []string{
	"--ro-bind", "/usr", "/usr",
	"--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
	"--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
	"--ro-bind-try", "/etc/fonts", "/etc/fonts",
	"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
	"--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
	"--ro-bind-try", "/etc/ImageMagick-6", "/etc/ImageMagick-6",
	"--ro-bind-try", "/etc/ImageMagick-7", "/etc/ImageMagick-7",
	"--ro-bind-try", "/etc/libreoffice", "/etc/libreoffice",
	"--ro-bind-try", "/etc/chromium.d", "/etc/chromium.d",
	"--ro-bind-try", "/etc/ghostscript", "/etc/ghostscript",
	"--ro-bind-try", "/var/lib/ghostscript", "/var/lib/ghostscript",
	"--ro-bind-try", "/var/cache/fontconfig", "/var/cache/fontconfig",
}

// The users a program sees are made up: nothing of the machine's own is shown.
const (
	passwd = "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n"
	group  = "root:x:0:\nnogroup:x:65534:\n"
)

// bubblewrap is the command of bwrap around c. It waits for a byte on ready before it starts the program, and says on info
// which process is the first inside.
func (c *Command) bubblewrap(b Bounds, pipes *pipes) (*exec.Cmd, error) {
	info, err := pipes.fromChild()
	if err != nil {
		return nil, err
	}
	ready, err := pipes.toChild()
	if err != nil {
		return nil, err
	}
	users, err := pipes.holding(passwd)
	if err != nil {
		return nil, err
	}
	groups, err := pipes.holding(group)
	if err != nil {
		return nil, err
	}
	memory := strconv.FormatInt(max(b.Memory/2, 1<<20), 10)
	args := []string{"--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
		"--info-fd", info, "--block-fd", ready}
	args = append(args, machine...)
	args = append(args,
		"--ro-bind-data", users, "/etc/passwd", "--ro-bind-data", groups, "/etc/group",
		"--dev", "/dev",
		"--size", memory, "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
		"--size", memory, "--perms", "1777", "--tmpfs", "/tmp",
		"--size", "1048576", "--tmpfs", "/run")
	if !c.exact { // whose user sees what it prints: mountinfo tells where the server's files lie
		args = append(args, "--proc", "/proc")
	}
	args = append(args, c.shown()...)
	args = append(args, "--remount-ro", "/",
		"--hostname", "sandbox", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL")
	for _, pair := range c.env("/tmp") {
		name, value, _ := strings.Cut(pair, "=")
		args = append(args, "--setenv", name, value)
	}
	args = append(args, "--")
	args = append(args, c.argv()...)
	cmd := exec.Command(c.box.bwrap, args...)
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// shown binds the folder, the inputs and the tools.
func (c *Command) shown() []string {
	args := []string{"--chdir", "/tmp"}
	if c.dir != "" {
		args = []string{"--bind", c.dir, c.dirAs, "--chdir", c.dirAs}
	}
	for _, b := range c.binds {
		args = append(args, "--ro-bind", b.from, b.to)
	}
	if c.box.config.Tools != "" {
		args = append(args, "--ro-bind-try", c.box.config.Tools, toolsFolder)
	}
	if c.Online {
		args = append(args, "--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs", "--ro-bind", c.proxy, proxySocket,
			"--ro-bind", c.box.self, path.Join("/run", launcher.Name))
	}
	return args
}

// pipes are the files between the Box and a program it starts. They are numbered behind what the command itself hands on.
type pipes struct {
	first  int
	inside []*os.File // closed here once the program has them
	info   *os.File
	ready  *os.File
}

func (p *pipes) add(f *os.File) string {
	p.inside = append(p.inside, f)
	return strconv.Itoa(p.first + len(p.inside) - 1)
}

func (p *pipes) fromChild() (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	p.info = r
	return p.add(w), nil
}

func (p *pipes) toChild() (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	p.ready = w
	return p.add(r), nil
}

// holding returns the reading end of a pipe that holds a text, which must be short.
func (p *pipes) holding(text string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	defer w.Close()
	_, err = w.WriteString(text)
	return p.add(r), err
}

func (p *pipes) closeInside() {
	for _, f := range p.inside {
		f.Close()
	}
	p.inside = nil
}

func (p *pipes) close() {
	p.closeInside()
	for _, f := range []*os.File{p.info, p.ready} {
		if f != nil {
			f.Close()
		}
	}
}

// firstInside reads from bwrap which process is the first of the sandbox.
func (p *pipes) firstInside() (int, error) {
	var info struct {
		Child int `json:"child-pid"`
	}
	if err := json.NewDecoder(p.info).Decode(&info); err != nil || info.Child <= 1 {
		return 0, fmt.Errorf("bubblewrap does not start: %w", err)
	}
	return info.Child, nil
}
