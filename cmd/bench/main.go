// Bench measures Gantry against peers that run in the same process or beside it, on the same disk and in turns with it, and
// prints one line a figure: name, figure, the peer's, the ratio, the aim. It asserts nothing; a busy machine makes the
// figures worse and leaves the ratios about where they are.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"

	"github.com/gantry-engine/gantry/cmd"
)

// suite is what all benchmarks share.
type suite struct {
	dir      string // for everything they write
	gantry   string // the program
	nginx    string // the peer of downloads
	postgres string // URL of a server, for those that need one
	rounds   int
	report   *report
	exports  exportSizes
}

type benchmark struct {
	name string
	run  func(context.Context, *suite) error

	server bool // it needs PostgreSQL, and runs only where it is asked for
}

// benchmarks are run in this order.
var benchmarks = []benchmark{
	{name: "chains", run: chains},
	{name: "crowd", run: crowd},
	{name: "restart", run: restart},
	{name: "wait", run: waits},
	{name: "download", run: downloads},
	{name: "memory", run: memory},
	{name: "office", run: office},
	{name: "convert", run: conversions},
	{name: "exports", run: exports},
	{name: "shared", run: sharedChains, server: true},
	{name: "hops", run: sharedHops, server: true},
	{name: "takeover", run: takeover, server: true},
}

func main() {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") { // started by the server in this process, as a helper of it
		os.Exit(cmd.Main(context.Background(), os.Args[1:]))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	if text := os.Getenv(beNode); text != "" {
		return runNode(context.Background(), text)
	}
	s := &suite{report: &report{out: os.Stdout}}
	flag.StringVar(&s.gantry, "gantry", "bin/gantry", "the program to measure")
	flag.StringVar(&s.nginx, "nginx", "nginx", "the web server to compare downloads with")
	flag.StringVar(&s.postgres, "postgres", "", "URL of a PostgreSQL server whose databases may be made and removed")
	flag.IntVar(&s.rounds, "rounds", 5, "how often each figure and its peer are measured in turn; the median counts")
	only := flag.String("only", "", "run only the benchmarks of these names, separated by commas: "+names()+"; engine stands for those of the engine that need PostgreSQL, and its restart")
	parent := flag.String("dir", "", "where to write; some 10 GB must be free there")
	flag.Int64Var(&s.exports.large, "export-large", 1<<30, "bytes of the large file of exports; twelve times as many must be free")
	flag.Int64Var(&s.exports.small, "export-small", 16<<10, "bytes of each small file of exports")
	flag.IntVar(&s.exports.count, "export-count", 1000, "how many small files exports have")
	flag.StringVar(&s.exports.only, "export-kinds", "", "export only to these kinds, separated by commas, such as s3,azure/blob,upload")
	flag.StringVar(&s.exports.rclone, "rclone", "", "the program to compare exports with; by default testdata/servers/rclone.sh builds it")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process here")
	flag.Parse()
	if s.dir, err = os.MkdirTemp(*parent, "gantry-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	stop, err := profileTo(*profile)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return s.all(ctx, *only)
}

func names() string {
	var all []string
	for _, b := range benchmarks {
		all = append(all, b.name)
	}
	return strings.Join(all, ",")
}

func profileTo(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// all runs the benchmarks that are asked for, each in a folder of its own that is gone afterwards.
func (s *suite) all(ctx context.Context, only string) error {
	parent := s.dir
	s.report.head()
	for _, b := range chosen(only) {
		s.dir = filepath.Join(parent, b.name)
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return err
		}
		if err := b.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
	}
	return nil
}
