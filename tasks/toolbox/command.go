package toolbox

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Where a program in a sandbox of its own file system finds things.
const (
	jobFolder   = "/job"
	inputFolder = "/in"
	toolsFolder = "/opt/gantry"
)

// Command is one run of a program. Its fields are set before Run; the paths in Args are those that In and Path return.
// It is for one goroutine.
type Command struct {
	Tool   Tool
	Args   []string
	Env    []string          // NAME=value, beside what every program gets: PATH, HOME, LANG, TMPDIR
	Stdin  io.Reader         // nil for nothing
	Stdout io.Writer         // nil: what it prints counts as messages, like what it writes to stderr
	OnLine func(line string) // gets every line of the messages; a carriage return ends a line too
	Bounds Bounds
	Extra  []*os.File // open in the program as 3, 4, …
	Online bool       // it reaches the outside by the HTTP proxy at ProxyAddress, which obeys the egress policy

	box   *Box
	dir   string // "" if it has none
	dirAs string
	binds []bind
	exact bool   // needs the paths it asked for
	proxy string // socket
	renew func() // gives the program its whole allowance of the proxy; nil where there is none
}

// bind is a file or folder that the program may read.
type bind struct{ from, to string }

// Command returns a command for a tool that may write into the folder dir, which is where it starts; "" for none.
func (b *Box) Command(tool Tool, dir string, args ...string) *Command {
	return &Command{Tool: tool, Args: args, box: b, dir: dir, dirAs: jobFolder}
}

// In lets the program read a file, or a folder with all it holds, and returns the path under which it sees it. That path
// is absolute and has the same last name.
func (c *Command) In(file string) string {
	to := path.Join(inputFolder, strconv.Itoa(len(c.binds)), filepath.Base(file))
	if c.box.kind != Bubblewrap {
		to = file
	}
	c.binds = append(c.binds, bind{file, to})
	return to
}

// bindAs is In for a folder at a fixed place, wherever there are places of the sandbox's own.
func (c *Command) bindAs(folder, seen string) {
	if c.box.kind != Bubblewrap {
		seen = folder
	}
	c.binds = append(c.binds, bind{folder, seen})
}

// InAt is In at a path that the caller chooses. Such a command runs only under Bubblewrap.
func (c *Command) InAt(file, seen string) {
	c.exact = true
	c.binds = append(c.binds, bind{file, seen})
}

// DirAt says under which path the program sees its folder. Such a command runs only under Bubblewrap.
func (c *Command) DirAt(seen string) {
	c.exact, c.dirAs = true, seen
}

// Path returns the path under which the program sees a file of its folder, or one that was let In.
func (c *Command) Path(file string) string {
	for _, b := range c.binds {
		if b.from == file {
			return b.to
		}
	}
	if rel, err := filepath.Rel(c.dir, file); c.box.kind == Bubblewrap && c.dir != "" && err == nil && filepath.IsLocal(rel) {
		return path.Join(c.dirAs, rel)
	}
	return file
}

// Run runs the command to its end. It fails when the program could not be started, when it met a bound (codes
// engine.Timeout and engine.TooLarge) and when ctx ended; whatever it had started is gone then too. The exit code alone is
// no failure: see Outcome.Err.
func (c *Command) Run(ctx context.Context) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, context.Cause(ctx)
	}
	bounds := c.Bounds.or(c.box.config.Bounds)
	p, err := c.start(ctx, bounds)
	if err != nil {
		return Outcome{}, err
	}
	return p.finish(ctx)
}

// env is the whole environment of the program.
func (c *Command) env(home string) []string {
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8"}
	if c.Online {
		for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
			env = append(env, name+"=http://"+ProxyAddress)
		}
	}
	return append(env, c.Env...)
}

// program is the path of the tool as it is seen inside.
func (c *Command) program() string {
	if rest, ok := strings.CutPrefix(c.Tool.Path, c.box.config.Tools+"/"); ok && c.box.config.Tools != "" && c.box.kind == Bubblewrap {
		return path.Join(toolsFolder, rest)
	}
	return c.Tool.Path
}
