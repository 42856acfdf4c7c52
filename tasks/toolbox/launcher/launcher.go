// Package launcher makes the own program become another one, behind a fence: this program is started anew under the name
// Name, restricts itself as its one argument says, and turns into what it is to run.
//
// It does so before the packages of the whole program are initialised, for that takes longer than all else: 13 ms where
// this takes 5. So it is the one package with an init function, and imports little. Whoever imports it, through the toolbox,
// is a launcher when started as one.
package launcher

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is what the own program is called when it is to become another one.
const Name = "gantry-launch"

// Spec is what a launcher is told.
type Spec struct {
	Path    string
	Args    []string
	Ready   int      `json:",omitempty"` // file to wait on for a byte
	Limits  []Limit  `json:",omitempty"`
	Fence   bool     `json:",omitempty"` // restrict the files that can be reached to the following
	Read    []string `json:",omitempty"` // files and folders
	Write   []string `json:",omitempty"` // folders
	Offline bool     `json:",omitempty"` // close the network by refusing sockets
	Forward *Forward `json:",omitempty"` // stay, with the program as a child, and none of the restrictions
}

// Forward is a way out for the program: what connects to the address reaches the socket.
type Forward struct {
	Address string // TCP
	Socket  string // path
	Extra   int    // files to hand on, from 3
}

// NoCollection keeps a launcher, which lives for some milliseconds, from clearing up after itself; the program does not get it.
const NoCollection = "GOGC=off"

// Argument is the launcher's one argument.
func (s Spec) Argument() string {
	text, _ := json.Marshal(s) // it always can be
	return string(text)
}

//nolint:gochecknoinits // see the package comment
func init() {
	if len(os.Args) != 2 || filepath.Base(os.Args[0]) != Name {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", Name, launch(os.Args[1]))
	os.Exit(126)
}

// launch does not return where all goes well.
func launch(argument string) error {
	var s Spec
	if err := json.Unmarshal([]byte(argument), &s); err != nil {
		return fmt.Errorf("read what to start: %w", err)
	}
	if s.Forward != nil {
		return s.forward()
	}
	return s.become()
}

// become restricts the process and turns it into the program.
func (s Spec) become() error {
	runtime.LockOSThread() // what follows belongs to a thread, and the program to the one that calls exec
	if err := s.wait(); err != nil {
		return err
	}
	if err := Bound(0, s.Limits); err != nil {
		return err
	}
	if s.Fence {
		if err := s.fence(); err != nil {
			return err
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool { return pair == NoCollection })
	return fmt.Errorf("start %s: %w", s.Path, syscall.Exec(s.Path, append([]string{s.Path}, s.Args...), env))
}

// wait lets whoever started this process bound it from outside first.
func (s Spec) wait() error {
	ready := os.NewFile(uintptr(s.Ready), "ready")
	defer ready.Close()
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("wait for the start: %w", err)
	}
	return nil
}

// Limit is one of the kernel's own for a process: see setrlimit(2).
type Limit struct {
	Resource int
	Most     uint64
	Spare    uint64 // by which the hard limit is higher
}

// Bound sets the limits of a process, the calling one if pid is 0. A limit that is lower already stays.
func Bound(pid int, limits []Limit) error {
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Prlimit(pid, l.Resource, nil, &now); err != nil {
			return fmt.Errorf("read the bounds of the program: %w", err)
		}
		limit := unix.Rlimit{Max: min(l.Most+l.Spare, now.Max)} // not everybody may raise it
		limit.Cur = min(l.Most, limit.Max)
		if err := unix.Prlimit(pid, l.Resource, &limit, nil); err != nil {
			return fmt.Errorf("bound the program: %w", err)
		}
	}
	return nil
}
