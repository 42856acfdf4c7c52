package office

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// command converts by LibreOffice's command line. It starts LibreOffice anew, with a profile of its own: of two that share
// one, only one works, and neither says so.
func (e *Engine) command(ctx context.Context, job convert.Job) ([]string, error) {
	scratch := filepath.Join(job.Dir, "office")
	in, err := job.Place(scratch)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	if err := unlock(in, job); err != nil {
		return nil, err
	}
	profile := filepath.Join(scratch, "profile")
	if err := lok.NewProfile(profile); err != nil {
		return nil, err
	}
	c := e.box.Command(e.soffice, job.Dir)
	c.Bounds.Wall = wall
	to := targets[sources[job.From].kind][job.To]
	c.Args = []string{"-env:UserInstallation=file://" + c.Path(profile), "--headless", "--norestore", "--nolockcheck"}
	if filter := sources[job.From].filter; filter != "" {
		c.Args = append(c.Args, "--infilter="+filter)
	}
	c.Args = append(c.Args, "--convert-to", strings.TrimRight(fmt.Sprintf("%s:%s:%s", job.To, to.filter, saveOptions(job)), ":"),
		"--outdir", c.Path(scratch), c.Path(in))
	outcome, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	// Its exit code says nothing: it is 0 when nothing was made.
	made := filepath.Join(scratch, "in."+string(job.To))
	if err := toolbox.CheckOutput(job.Dir, made, job.Limits.Unpacked); err != nil {
		return nil, engine.Wrap(fmt.Errorf("%w: %v", err, outcome), engine.Invalid,
			"LibreOffice could not convert the %s file: it is damaged, encrypted or not what its type says.", job.From)
	}
	if err := os.Rename(made, job.Out()); err != nil {
		return nil, fmt.Errorf("take the output: %w", err)
	}
	return []string{job.Out()}, nil
}
