package cmd

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
	alltasks "github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// operationsCommand is `gantry operations`.
type operationsCommand struct{ toolFlags }

// Run prints the operations as a table, with the formats of those that have any.
func (o *operationsCommand) Run(ctx context.Context, p *program) error {
	box, err := o.open(ctx, toolbox.Config{})
	if err != nil {
		return err
	}
	defer box.Close()
	catalog, err := p.catalog(ctx, box, egress.New(nil), exporters.Env{})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OPERATION\tFROM\tTO\tENGINE")
	for _, op := range catalog.All() {
		for _, line := range formats(op) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", op.Name, line.from, line.to, line.engine)
		}
	}
	return w.Flush()
}

// formatLine is all that one engine makes of one format.
type formatLine struct{ from, to, engine string }

func formats(op engine.Operation) []formatLine {
	if op.Rows == nil {
		return []formatLine{{}}
	}
	var lines []formatLine
	for _, row := range op.Rows() {
		i := slices.IndexFunc(lines, func(l formatLine) bool { return l.from == row.InputFormat && l.engine == row.Engine })
		if i < 0 {
			lines = append(lines, formatLine{row.InputFormat, row.OutputFormat, row.Engine})
			continue
		}
		lines[i].to += " " + row.OutputFormat
	}
	return lines
}

// doctorCommand is `gantry doctor`.
type doctorCommand struct{ toolFlags }

// Run says what works here.
func (d *doctorCommand) Run(ctx context.Context, p *program) error {
	box, err := d.open(ctx, toolbox.Config{})
	if err != nil {
		return err
	}
	defer box.Close()
	catalog, err := p.catalog(ctx, box, egress.New(nil), exporters.Env{})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "gantry %s, %s/%s, %d cores\n", version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	printProfile(p.stdout, box)
	for _, c := range alltasks.Counts(ctx, box) {
		fmt.Fprintf(p.stdout, "pairs with what is found here of %s: %d\n", c.Profile, c.Pairs)
	}
	for _, op := range catalog.All() {
		if op.Rows == nil {
			fmt.Fprintf(p.stdout, "ok  %s\n", op.Name)
			continue
		}
		pairs, engines := 0, []string{}
		for _, r := range op.Rows() {
			if !r.Alternative {
				pairs++
			}
			if r.Engine != "" {
				engines = append(engines, strings.TrimSpace(r.Engine+" "+r.EngineVersion))
			}
		}
		slices.Sort(engines)
		fmt.Fprintf(p.stdout, "ok  %s: %d pairs of formats, by %s\n", op.Name, pairs, strings.Join(slices.Compact(engines), ", "))
	}
	return nil
}

// versionCommand is `gantry version`.
type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(p *program) error {
	_, err := fmt.Fprintf(p.stdout, "gantry %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version is that of the module, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
