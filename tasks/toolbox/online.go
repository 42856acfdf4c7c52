package toolbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox/launcher"
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
	spec := launcher.Spec{Path: c.program(), Args: c.Args,
		Forward: &launcher.Forward{Address: ProxyAddress, Socket: proxySocket, Extra: len(c.Extra)}}
	return []string{path.Join("/run", launcher.Name), spec.Argument()}
}
