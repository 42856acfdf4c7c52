package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// A node is a process of its own that runs chains over a database. It is this program, told so by its environment. It says
// "ready"; for each line with an order on its standard input it submits chains and says "submitted"; at the end of its input
// it writes the moments at which its tasks ran, and ends.
const beNode = "GANTRY_BENCH_NODE"

// nodeConfig is what a node is told.
type nodeConfig struct {
	Kind     string // gantry or river
	Database string
	Dir      string
	Slots    int
}

// order asks a node for chains.
type order struct {
	Chains     int
	Submitters int
	Pause      time.Duration // after each
	Task       time.Duration // how long each takes
}

// chainer runs chains on one footing.
type chainer interface {
	// submit stores a chain whose tasks take that long, durably.
	submit(ctx context.Context, task time.Duration) error
	// moments are when each task ran here so far.
	moments() []moment
	close() error
}

// moment is when a task of a chain ran, in nanoseconds since 1970: both processes are on one machine.
type moment struct {
	Chain        string
	Step         int
	Began, Ended int64
}

// runNode is the life of a node.
func runNode(ctx context.Context, text string) error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	open := openGantry
	if c.Kind == "river" {
		open = openRiver
	}
	n, err := open(ctx, c)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var o order
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			return err
		}
		if err := submitAll(ctx, n, o); err != nil {
			return err
		}
		fmt.Println("submitted")
	}
	if err := json.NewEncoder(os.Stdout).Encode(n.moments()); err != nil {
		return err
	}
	return n.close()
}

func submitAll(ctx context.Context, n chainer, o order) error {
	var group sync.WaitGroup
	errs := make([]error, o.Submitters)
	for i := range o.Submitters {
		group.Go(func() {
			for range o.Chains / o.Submitters {
				if err := n.submit(ctx, o.Task); err != nil {
					errs[i] = err
					return
				}
				time.Sleep(o.Pause)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// worker is a running node as its parent sees it.
type worker struct {
	cmd *exec.Cmd
	in  *json.Encoder
	end func() error // of its input
	out *bufio.Reader
}

func startNode(ctx context.Context, c nodeConfig) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), beNode+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n := &worker{cmd: cmd, in: json.NewEncoder(in), end: in.Close, out: bufio.NewReader(out)}
	return n, n.hear("ready")
}

func (n *worker) hear(want string) error {
	line, err := n.out.ReadString('\n')
	if got := strings.TrimSpace(line); err != nil || got != want {
		return fmt.Errorf("a node said %q, not %q: %w", got, want, err)
	}
	return nil
}

// stop ends the node and returns its moments.
func (n *worker) stop() (m []moment, err error) {
	if err := n.end(); err != nil {
		return nil, err
	}
	err = json.NewDecoder(n.out).Decode(&m)
	return m, errors.Join(err, n.cmd.Wait())
}

// hops are the times from the end of a task to the beginning of the next of its chain, on whichever node.
func hops(all []moment) (list []time.Duration) {
	slices.SortFunc(all, func(a, b moment) int {
		if c := strings.Compare(a.Chain, b.Chain); c != 0 {
			return c
		}
		return a.Step - b.Step
	})
	for i := 1; i < len(all); i++ {
		if all[i].Chain == all[i-1].Chain && all[i].Step == all[i-1].Step+1 {
			list = append(list, time.Duration(all[i].Began-all[i-1].Ended))
		}
	}
	return list
}
