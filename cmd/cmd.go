// Package cmd is the program: it reads flags, wires everything and runs one subcommand. It is the only package that knows
// all names. An integrator's own main calls Main with exporters and operations of its own.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/tasks/convert/office/lok"
)

// Option adds something to the program.
type Option func(*program)

// With adds exporters to those that come with Gantry.
func With(definitions ...exporters.Definition) Option {
	return func(p *program) { p.exporters = append(p.exporters, definitions...) }
}

// WithOperations adds operations to those that come with Gantry.
func WithOperations(operations ...engine.Operation) Option {
	return func(p *program) { p.operations = append(p.operations, operations...) }
}

// Output sends what the program prints elsewhere than to the standard output and error.
func Output(stdout, stderr io.Writer) Option {
	return func(p *program) { p.stdout, p.stderr = stdout, stderr }
}

// program is what all subcommands share.
type program struct {
	exporters  []exporters.Definition
	operations []engine.Operation
	stdout     io.Writer
	stderr     io.Writer
}

// commands are the subcommands and the flags that all have.
type commands struct {
	Config configFile `help:"Read flags from this YAML file; keys are the flags' names." type:"existingfile" placeholder:"FILE"`

	Serve      serveCommand      `cmd:"" help:"Serve the API and do the work."`
	Work       workCommand       `cmd:"" help:"Do the work of servers that share a database, without an API."`
	Run        runCommand        `cmd:"" help:"Run one job and exit."`
	Check      checkCommand      `cmd:"" help:"Try a storage system with the parameters of a task, and leave nothing behind."`
	Keys       keysCommand       `cmd:"" help:"Create, list and revoke API keys."`
	Orgs       orgsCommand       `cmd:"" help:"Create, list and delete organisations."`
	Workspaces workspacesCommand `cmd:"" help:"Register, list and forget computers to export files from."`
	Nodes      nodesCommand      `cmd:"" help:"List the processes that share a database."`
	Operations operationsCommand `cmd:"" help:"List what this program can do."`
	Doctor     doctorCommand     `cmd:"" help:"Say what works here, and what would enable the rest."`
	Backup     backupCommand     `cmd:"" help:"Copy database, files and key into a new folder, while the server runs."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	Connections connectionsCommand `cmd:"" help:"Keep credentials and addresses under names that tasks can say."`
	HostKeys    hostKeysCommand    `cmd:"" help:"List and forget the keys that SFTP servers showed first."`
}

// Main runs the program with the arguments, without its name, until it is done, ctx ends, or the process is told to stop,
// and returns the exit code: 0, 1 for a failure, 2 for wrong usage. What went wrong is printed.
func Main(ctx context.Context, args []string, options ...Option) int {
	if len(args) > 0 && args[0] == lok.Argument {
		return lok.Main(args[1:])
	}
	p := &program{stdout: os.Stdout, stderr: os.Stderr}
	for _, o := range options {
		o(p)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return p.main(ctx, args)
}

func (p *program) main(ctx context.Context, args []string) (code int) {
	var exit *int
	parser, err := kong.New(&commands{},
		kong.Name("gantry"),
		kong.Description("A self-hosted file pipeline. Every flag is also GANTRY_… in the environment."),
		kong.DefaultEnvars("GANTRY"),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { exit = &code; panic(exiting{}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
		kong.Vars{"data": defaultData(), "tools": filepath.Join(defaultData(), "tools"), "cores": strconv.Itoa(runtime.GOMAXPROCS(0))},
		kong.UsageOnError(),
	)
	if err != nil {
		p.complain(err)
		return 1
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exiting); !ok {
				panic(r)
			}
			code = *exit // --help and the like end the program from within the parser
		}
	}()
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.stderr, "gantry: %v\nTry: gantry --help\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		p.complain(err)
		return 1
	}
	return 0
}

// exiting unwinds the stack when the parser asks for an exit.
type exiting struct{}

// complain prints what went wrong, unless it is that somebody stopped the program.
func (p *program) complain(err error) {
	if !errors.Is(err, context.Canceled) {
		fmt.Fprintf(p.stderr, "gantry: %v\n", err)
	}
}

func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "gantry")
	}
	if os.Getuid() == 0 {
		return "/var/lib/gantry"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "gantry-data"
	}
	return filepath.Join(home, ".local", "share", "gantry")
}
