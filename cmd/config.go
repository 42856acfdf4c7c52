package cmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// configFile is the path of a file whose keys are flags. What the command line or the environment says comes first.
type configFile string

// BeforeResolve is called by the parser when it knows the path.
func (c configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false))
	}
	if err := known(k, values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
		return values[f.Name], nil
	}))
	return nil
}

// known refuses keys that are no flag of any subcommand: a misspelt limit would not hold.
func known(k *kong.Kong, values map[string]any) error {
	names := map[string]bool{}
	flags := k.Model.AllFlags(false)
	for _, leaf := range k.Model.Leaves(false) {
		flags = append(flags, leaf.AllFlags(false)...)
	}
	for _, group := range flags {
		for _, f := range group {
			names[f.Name] = true
		}
	}
	var unknown []string
	for name := range values {
		if !names[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("no flag is called %s", strings.Join(unknown, ", "))
	}
	return nil
}
