package launcher

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// forward runs the program and forwards what it sends to the address to the socket. It exits as the program does.
func (s Spec) forward() error {
	listener, err := net.Listen("tcp", s.Forward.Address)
	if err != nil {
		return fmt.Errorf("listen for the program: %w", err)
	}
	go accept(listener, s.Forward.Socket)
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for n := range s.Forward.Extra {
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

func accept(listener net.Listener, socket string) {
	for {
		here, err := listener.Accept()
		if err != nil {
			return
		}
		go join(here, socket)
	}
}

func join(here net.Conn, socket string) {
	defer here.Close()
	there, err := net.Dial("unix", socket)
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
