package toolbox

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Tool is a program that was found.
type Tool struct {
	Name    string // as messages call it
	Path    string // on this machine
	Version string
}

// Program says how to find a Tool.
type Program struct {
	Name    string         // as messages call it: "ffmpeg"
	Files   []string       // names of the program, best first; Name if there are none
	Args    []string       // with which it prints its version; "--version" where nil
	Version *regexp.Regexp // its first group is the version; a number with dots where nil. What does not match is not the program
	System  bool           // it needs the /tmp or the /proc of a whole system, which a program behind Landlock has not
}

// folders are where programs are looked for: what the sandbox shows.
var folders = []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"}

func lookup(name string) string {
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if runnable(path) {
			return path
		}
	}
	return ""
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// anyVersion is the first number with a dot in it, or else the first number.
var anyVersion = regexp.MustCompile(`(\d+(?:[.:]\d+)+(?:[-+][\w.]+)?|\d+)`)

type finding struct {
	once  sync.Once
	tool  Tool
	found bool
}

// Find looks a program up: in the tools folder (bin), /usr/bin, /usr/sbin and /usr/local/bin. It runs it once to learn the
// version, fenced in and for at most 30 seconds; the answer is remembered, also in Cache for as long as the program is the same
// file. A program that gives no version is not there, nor is one that the fence leaves no use of.
func (b *Box) Find(ctx context.Context, p Program) (Tool, bool) {
	if len(p.Files) == 0 {
		p.Files = []string{p.Name}
	}
	if p.Args == nil {
		p.Args = []string{"--version"}
	}
	if p.Version == nil {
		p.Version = anyVersion
	}
	b.mu.Lock()
	key := strings.Join(append(append([]string{p.Name}, p.Files...), p.Args...), "\x00")
	f, ok := b.found[key]
	if !ok {
		f = &finding{}
		b.found[key] = f
	}
	b.mu.Unlock()
	f.once.Do(func() { f.tool, f.found = b.find(ctx, p) })
	return f.tool, f.found
}

func (b *Box) find(ctx context.Context, p Program) (Tool, bool) {
	if b.kind == Refused || p.System && b.kind == Landlock {
		return Tool{}, false
	}
	for _, file := range p.Files {
		for _, folder := range append([]string{filepath.Join(b.config.Tools, "bin")}, folders...) {
			t := Tool{Name: p.Name, Path: filepath.Join(folder, file)}
			if !filepath.IsAbs(t.Path) || !runnable(t.Path) {
				continue
			}
			if t.Version = b.version(ctx, t, p); t.Version != "" {
				return t, true
			}
		}
	}
	return Tool{}, false
}

func (b *Box) version(ctx context.Context, t Tool, p Program) string {
	file := b.versionFile(t, p.Args)
	if version := remembered(file); version != "" {
		return version
	}
	version := b.ask(ctx, t, p)
	if version != "" && file != "" {
		remember(file, version)
	}
	return version
}

// longestAnswer is how long a program may take to say its version: some are slow for the first time after a boot.
const longestAnswer = 30 * time.Second

func (b *Box) ask(ctx context.Context, t Tool, p Program) string {
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	c := b.Command(t, "", p.Args...)
	outcome, err := c.Run(ctx)
	if err != nil {
		b.config.Log.Warn("a program does not say its version", "program", t.Path, "error", err)
		return ""
	}
	if groups := p.Version.FindStringSubmatch(outcome.Messages); len(groups) > 1 {
		return groups[1]
	}
	return ""
}
