package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	alltasks "github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// toolFlags say which programs are used, and how.
type toolFlags struct {
	Tools            string `help:"Folder of what make tools fetches: PDFium and resvg. With none as its name no installed program is used either." default:"${tools}" placeholder:"DIR"`
	UnsandboxedTools bool   `help:"Run installed programs without a fence where neither bubblewrap nor Landlock works. Whoever sends a file that breaks one then has the rights of this server."`
}

// noTools is the value of --tools that leaves only what is built in.
const noTools = "none"

// open returns the box that runs programs. Where no fence works it refuses them.
func (f toolFlags) open(ctx context.Context, c toolbox.Config) (*toolbox.Box, error) {
	c.Tools, c.Unsandboxed = f.Tools, f.UnsandboxedTools
	if f.Tools == noTools {
		c.Tools, c.Sandbox = "", toolbox.Refused
	}
	box, err := toolbox.New(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("prepare to run programs: %w", err)
	}
	return box, nil
}

// logTools says in one line what the server works with.
func (f toolFlags) logTools(log *slog.Logger, box *toolbox.Box) {
	if f.Tools == noTools {
		log.Info("tools", "profile", "embedded, as --tools none asks for")
		return
	}
	log.Info("tools", "profile", alltasks.ProfileOf(box).Name, "sandbox", box.Kind(), "cgroup", box.Cgroup())
	switch box.Kind() {
	case toolbox.Unsandboxed:
		log.Warn("installed programs run without a fence; bubblewrap would give them one")
	case toolbox.Refused:
		log.Warn("no fence for programs works here, so installed ones are not used; bubblewrap would give them one")
	}
}

// printProfile says which programs there are and what would bring more.
func printProfile(w io.Writer, box *toolbox.Box) {
	profile := alltasks.ProfileOf(box)
	fmt.Fprintf(w, "profile: %s\n", profile.Name)
	fmt.Fprintf(w, "sandbox: %s, bounds by %s\n", box.Kind(), strings.Replace(box.Cgroup(), "v", "cgroup v", 1))
	for _, file := range []string{"pdfium.wasm", "resvg.wasm"} {
		if _, ok := box.File(file); !ok {
			fmt.Fprintf(w, "--  %s is not in the tools folder; make tools-wasm brings it without root\n", file)
		}
	}
	if profile.Next != "" {
		fmt.Fprintf(w, "--  for the profile %s, %s are missing; to bring them: %s\n", profile.Next,
			strings.Join(profile.Missing, ", "), cmp.Or(profile.Command, "-"))
	}
}
