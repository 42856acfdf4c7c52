package toolbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gantry-engine/gantry/engine"
)

// ProxyAddress is where a command that is Online finds its HTTP proxy; a proxy for requests and, by CONNECT, for connections.
const ProxyAddress = "127.0.0.1:3128"

// proxySocket is where that proxy's socket is seen inside.
const proxySocket = "/run/egress.sock"

// online opens the proxy of one command. Its socket lies in a folder of its own, for its path must be short.
func (c *Command) online() (stop func(), err error) {
	if c.box.config.Egress == nil {
		return nil, engine.Errorf(engine.Unavailable, "This server lets no program reach the network.")
	}
	dir, err := os.MkdirTemp("", "gantry-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the proxy: %w", err)
	}
	c.proxy = filepath.Join(dir, "egress.sock")
	listener, err := net.Listen("unix", c.proxy)
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("open the proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	proxy := c.box.config.Egress.NewProxy()
	c.renew = proxy.Renew
	go func() {
		defer close(served)
		_ = proxy.Serve(ctx, listener) // it ends with ctx
	}()
	return func() {
		cancel()
		<-served
		os.RemoveAll(dir)
	}, nil
}

// argv is what bubblewrap starts: the program, or where it is Online the own program, which forwards connections to the
// socket and starts it.
func (c *Command) argv() []string {
	if !c.Online {
		return append([]string{c.program()}, c.Args...)
	}
	spec, _ := json.Marshal(launch{Forward: true, Extra: len(c.Extra), Path: c.program(), Args: c.Args}) // it always can be
	return []string{"/run/" + launcherName, string(spec)}
}

// forward runs the program and forwards what it sends to ProxyAddress to the socket. It exits as the program does.
func (l launch) forward() error {
	listener, err := net.Listen("tcp", ProxyAddress)
	if err != nil {
		return fmt.Errorf("listen for the program: %w", err)
	}
	go accept(listener)
	cmd := exec.Command(l.Path, l.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for n := range l.Extra {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(3+n), "extra"))
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(cmd.ProcessState.ExitCode())
	return nil
}

func accept(listener net.Listener) {
	for {
		here, err := listener.Accept()
		if err != nil {
			return
		}
		go join(here)
	}
}

func join(here net.Conn) {
	defer here.Close()
	there, err := net.Dial("unix", proxySocket)
	if err != nil {
		return
	}
	defer there.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].(interface{ CloseWrite() error }).CloseWrite() // both are of kinds that can
		})
	}
	both.Wait()
}
